"""What a reader of the graph sees: grad_fn.name(), next_functions and the leaves, as torch's."""

import gc
import weakref

import pytest
from both import agree, cases

import cnn_mnist

GRAPH = """
def graph(tensor):
    def below(function):
        if function is None:
            return None
        name = function.name().removeprefix('torch::autograd::')
        return name, *((below(each), n) for each, n in function.next_functions)
    return repr(below(tensor.grad_fn))

def ends(tensor, leaf):
    (end, _), = [pair for pair in tensor.grad_fn.next_functions if pair[0]]
    same = [pair[0] for pair in tensor.grad_fn.next_functions if pair[0]][0]
    return end.variable is leaf, end is same, end == same, len({end, same}), end.next_functions

w = T.ones(4, 3, requires_grad=True); s = T.ones(3, requires_grad=True)
"""
GRAPHS = cases("""
graph(r*2 + r*x); graph(r - 2); graph(r / r); graph(x @ w.t()); graph(r.exp().sum())
graph((r*x).relu().mean()); graph(r[0]); graph(r[:, None]); graph(T.stack([r, x]))
graph(r.reshape(-1).log_softmax(0)); graph(T.cat([x, r])); graph(r.max(1)[0]); graph(r @ v)
graph(r.detach() * s); graph(F.relu(x * r.clone())); graph(r); graph(x + 1); graph(q.detach())
ends(r * 2, r); ends(r.sum(), r); ends(r[0], r); ends(x * s, s); ends(T.stack([x, r]), r)
(r*2).grad_fn.next_functions[0][0] is (r*3).grad_fn.next_functions[0][0]
(r*2).grad_fn.next_functions[0][0] == (r+s).grad_fn.next_functions[1][0]
(r*2).grad_fn.name; (r*2).grad_fn.next_functions[0][0].gradients; (r*2).grad_fn.nothing
""")


@pytest.mark.parametrize("code", GRAPHS)
def test_graph(code: str) -> None:
    agree(f"{GRAPH}out = {code}\nout = 'method' if callable(out) else out")


@pytest.mark.parametrize(
    "code",
    [
        "q.grad_fn.name = 'A'",
        "q.grad_fn.next_functions[0][0].variable = x",
        "q.grad_fn.next_functions[0][0].next_functions = ()",
        "r.requires_grad_(False); out = [each is None for each, _ in q.grad_fn.next_functions]",
    ],
)
def test_functions_only_show(code: str) -> None:
    agree(code)


def test_names_in_repr() -> None:
    function = (cnn_mnist.ones(2, requires_grad=True) * 2).grad_fn
    assert repr(function).startswith("<MulBackward0 object at 0x")
    assert repr(function.next_functions[0][0]).startswith("<AccumulateGrad object at 0x")


def test_looking_at_the_graph_keeps_nothing_alive() -> None:
    gc.disable()
    try:
        leaf = cnn_mnist.ones(2, requires_grad=True)
        end = (leaf * 2).grad_fn.next_functions[0][0]
        first = id(end)
        alive = weakref.ref(leaf)
        del leaf
        assert id((alive() * 3).grad_fn.next_functions[0][0]) == first
        assert alive() is end.variable
        del end
        assert alive() is None
    finally:
        gc.enable()


def test_a_leaf_that_keeps_its_own_end_is_collected() -> None:
    leaf = cnn_mnist.ones(2, requires_grad=True)
    leaf.end = (leaf * 2).grad_fn.next_functions[0][0]
    alive = weakref.ref(leaf)
    del leaf
    gc.collect()
    assert alive() is None
