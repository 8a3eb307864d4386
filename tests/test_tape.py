"""The tape: what is recorded, kept, freed and accumulated, as torch's autograd does it."""

import gc
import random
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch
from both import agree, cases, programs

import cnn_mnist
from cnn_mnist import _core

PROGRAMS = programs("""
w = T.ones(3, requires_grad=True); (w*2).sum().backward(); (w*3).sum().backward()
out = w.grad

w = T.ones(3, requires_grad=True); l = (w*w).sum(); l.backward(retain_graph=True)
l.backward(); out = w.grad

a = T.ones(3, requires_grad=True); s = a[0]; s.add_(1); out = a

a = T.ones(3, requires_grad=True); p = a*2; (p*p).sum().backward(); p.grad; out = p.grad

a = T.ones(3, requires_grad=True); p = a*2; p.retain_grad(); (p*p).sum().backward()
out = p.grad

a = T.ones(3, requires_grad=True); p = a*2; p.retain_grad(); out = (a.retains_grad, p.retains_grad, (p*1).retains_grad)

a = T.ones(3, requires_grad=True); a.sum().backward(); del a.grad; out = a.grad

a = T.ones(3); b = a[1:]; b += 1; a.zero_(); p = a.detach(); p.exp_(); out = [each._version for each in (a, b, p, a.data, a * 2)]

a = T.ones(3, requires_grad=True); a = a-0.1*a; out = (a.is_leaf, a.grad_fn is None, a.grad)

a = T.ones(3, requires_grad=True); a.grad = T.zeros(3); (a*2).sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); a.grad = T.zeros(2)

a = T.ones(3, requires_grad=True); a.grad = T.zeros(3).double()

a = T.ones(3, requires_grad=True); a.grad = T.zeros(1).expand(3); (a*2).sum().backward()

a = [r[:, k % 3] * k for k in range(20)]; b = [p * 2 for p in reversed(a)]
(T.cat(b) + T.cat(a)).sum().backward(); out = r.grad

a = T.ones(3, requires_grad=True); a.grad = 1

a = T.ones(3, requires_grad=True); a.grad = None; out = a.grad

a = T.ones(3, requires_grad=True); a.sum().backward(); g = a.grad; a.sum().backward()
out = (g, g is a.grad)

a = T.ones(3, requires_grad=True); b2 = a+0; a2 = b2; b2.sum().backward(); a.grad.zero_()
out = a.grad

a = T.ones(3, requires_grad=True); bb = T.ones(3, requires_grad=True)
(a+bb).sum().backward(); a.grad.zero_(); out = (a.grad, bb.grad)

a = T.ones(3, requires_grad=True); bb = T.ones(3, requires_grad=True)
(a+bb).backward(T.ones(3)); a.grad.zero_(); out = (a.grad, bb.grad)

a = T.ones(3, requires_grad=True); g = T.ones(3); a.backward(g); a.grad.zero_(); out = g

a = T.ones(3, requires_grad=True); g = T.ones(3); (a+1).backward(g); a.grad.zero_(); out = g

a = T.ones(3, requires_grad=True); a.requires_grad = False; out = (a*2).requires_grad

a = T.ones(3, requires_grad=True); p = a*2; p.requires_grad = False

a = T.ones(3, requires_grad=True); p = a*2; p.requires_grad = True; out = p.is_leaf

a = T.ones(3, requires_grad=True); p = (a*2).detach_(); out = (p.requires_grad, p.is_leaf)

a = T.ones(2, 3, requires_grad=True); (a.float()+a.double()).sum().backward()
out = (a.grad, a.grad.dtype)

a = T.ones(3, requires_grad=True); (a.double()*T.ones(3).double()).sum().backward()
out = a.grad.dtype

a = T.ones(3, requires_grad=True); (a.long()).sum().backward()

a = T.ones(3, requires_grad=True)
out = [t.requires_grad for t in (a > 0, a.argmax(), a.max(0)[1], a.long(), a.isnan())]

a = T.ones(3, requires_grad=True)
with T.no_grad():
    p = a*2
out = (p.requires_grad, T.is_grad_enabled())

a = T.ones(3, requires_grad=True)
@T.no_grad()
def f(t): return t*2
out = (f(a).requires_grad, f.__name__)

a = T.ones(3, requires_grad=True)
@T.no_grad
def f(t): return t*2
out = f(a).requires_grad

a = T.ones(3, requires_grad=True)
with T.no_grad():
    with T.enable_grad():
        p = a*2
    s = a*2
out = (p.requires_grad, s.requires_grad, T.is_grad_enabled())

a = T.ones(3, requires_grad=True)
try:
    with T.no_grad(): raise KeyError
except KeyError: pass
out = (a*2).requires_grad

@T.no_grad()
def gen():
    for j in range(2): yield T.is_grad_enabled()
out = [(j, T.is_grad_enabled()) for j in gen()]

out = []
@T.no_grad()
def gen():
    try:
        try: out.append((yield 1))
        except KeyError: out.append(T.is_grad_enabled()); out.append((yield 2))
    finally: out.append(T.is_grad_enabled())
g = gen(); out += [next(g), g.throw(KeyError), T.is_grad_enabled()]; g.close()
g = gen(); next(g); g.close(); out.append(T.is_grad_enabled())
g = gen(); next(g)
try: g.throw(ValueError)
except ValueError: out.append(T.is_grad_enabled())

@T.no_grad()
def gen():
    got = yield
    return got
def user(): out = yield from gen(); yield out
g = user(); next(g); out = g.send(5)

with T.no_grad():
    a = T.ones(3, requires_grad=True); p = (a*2)
out = (a.requires_grad, p.requires_grad)

a = T.ones((2, 2), requires_grad=True)
with T.no_grad(): v = [a[0], a[:1], a.view(4), a.T, a[[0, 1]], a.detach()[0], a.data[0], next(iter(a))]
out = [(x, x.requires_grad, x.is_leaf) for x in v]

a = T.ones(3, requires_grad=True) * 2
with T.no_grad(): v = a[:2]
out = (v, v.requires_grad, v.is_leaf, (v * 2).requires_grad)

a = T.ones(3, requires_grad=True)
with T.no_grad():
    v = a[:2]; v += 1; v[0] = 7
out = a

a = T.ones(3, requires_grad=True) * 2
with T.no_grad(): v = a[:2]
v.mul_(2)

a = T.ones(3, requires_grad=True)
with T.no_grad(): v = a[:2]
v.mul_(2)

a = T.ones(3, requires_grad=True); p = a * 2
with T.no_grad(): v = p[:2]
w = v[:1]; w.mul_(3)

a = T.ones(3, requires_grad=True); p = a * 2
with T.no_grad(): v = p[:2]
for r in v: r.mul_(3)

a = T.ones(3); v = a[:2]; a.mul_(T.ones(3, requires_grad=True))
with T.no_grad(): w = v[:1]
out = w.requires_grad

a = T.ones(3, requires_grad=True)
with T.no_grad(): out = (a.numpy(), (a * 2).numpy(), a[:2].numpy())

a = T.ones(3, requires_grad=True); p = a * 2
with T.no_grad(): out = p.numpy()

a = T.ones(3, requires_grad=True); a.numpy()

with T.no_grad(): v = T.ones(3, requires_grad=True)[:2]
v.numpy()

import copy, pickle; a = T.ones(3, requires_grad=True); a.sum().backward()
p = copy.deepcopy(a); out = (p, p.requires_grad, p.grad, p.is_leaf)

import copy; a = T.ones(3, requires_grad=True); copy.deepcopy(a*2)

import pickle; a = T.ones(3, requires_grad=True); p = pickle.loads(pickle.dumps(a))
out = (p, p.requires_grad, p.grad)

import copy; a = T.ones(3); p = copy.copy(a); p.add_(1); out = a

a = T.ones(3, requires_grad=True); a.data = T.zeros(2); out = (a, a.requires_grad)

a = T.ones(3, requires_grad=True); a.data = 3

a = T.ones(3); b2 = a.numpy(); b2 += 1; out = a

a = T.ones(2); b2 = a; b2 += 1; out = a

a = T.ones(2, requires_grad=True); p = a*2; old = p; p = p+1; out = old

a = T.ones(2, requires_grad=True); l = 0
for j in range(4): l=l+(a*j).sum()
l.backward(); out = a.grad

a = T.ones(2, requires_grad=True); l = sum([a[0], a[1]*2]); l.backward(); out = a.grad

a = T.ones(2, requires_grad=True); vals = [float(t) for t in a]; out = vals

a = T.ones(2, 2, requires_grad=True); l = F.cross_entropy(a, T.tensor([0, 1])); l.backward()
l.backward()
""")

# torch frees a node that keeps values; through others a second backward may pass.
TWICE = cases("""
w; w + 2; w - 2; 1 - w; -w; w * 2; w / 2; 2 / w; w ** 2; w * w; w.exp(); w.log(); w.abs(); w.sqrt()
w.sum(0); w.mean(); w.std(); w.max(); w.max(1)[0]; w.relu(); w.clamp(0); w.clamp_min(0); w @ w.T
w[0] + w[1:]; w[[0, 1]]; w[w > 0]; T.stack([w, w]); T.cat([w, w]); w.double(); w.clone()
w.view(3, 2).T.reshape(-1); w[None].expand(4, 2, 3); w.softmax(1); w.log_softmax(1); w.logsumexp(1)
F.linear(w, w); F.cross_entropy(w, k[:2]); F.nll_loss(w, k[:2])
""")


@pytest.mark.parametrize("code", PROGRAMS)
def test_program(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", TWICE)
def test_second_backward(code: str) -> None:
    agree(
        f"w = T.ones(2, 3, requires_grad=True); l = ({code}).sum()\n"
        "l.backward(); l.backward(); out = w.grad"
    )


def test_freed_graph_says_what_to_do() -> None:
    x = cnn_mnist.ones(3, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()
    np.testing.assert_array_equal(x.grad, [2, 2, 2])


def test_failed_backward_changes_no_gradient() -> None:
    x, y = (cnn_mnist.ones(3, requires_grad=True) for _ in range(2))
    changed = x * 2
    squares = changed * changed
    kept = y * 3  # later than squares: backward meets it first
    kept.retain_grad()
    loss = squares.sum() + kept.sum()
    changed.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation.*MulBackward0"):
        loss.backward()
    assert x.grad is None
    assert y.grad is None
    assert kept.grad is None


def test_gradient_that_cannot_be_added_to_changes_no_other() -> None:
    x, y = (cnn_mnist.ones(3, requires_grad=True) for _ in range(2))
    zeros = np.zeros(3, np.float32)
    zeros.flags.writeable = False
    for first, last in ((x, y), (y, x)):
        first.grad, last.grad = cnn_mnist.zeros(3), cnn_mnist.from_numpy(zeros)
        with pytest.raises(ValueError, match=r"\.grad is read-only"):
            (x + y).sum().backward()
        np.testing.assert_array_equal(first.grad, zeros)


def test_long_chain() -> None:
    x = cnn_mnist.ones(1, requires_grad=True)
    y = x
    for _ in range(10_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    del y  # a chain is also freed without deep recursion


def test_wide_graph_sums_in_order() -> None:
    x = cnn_mnist.tensor(np.arange(1000.0), requires_grad=True)
    sum(x[i] * i for i in range(1000)).backward()
    np.testing.assert_array_equal(x.grad, np.arange(1000.0))


@pytest.fixture
def no_collector() -> None:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def step(x: cnn_mnist.Tensor, w: cnn_mnist.Tensor, v: cnn_mnist.Tensor) -> cnn_mnist.Tensor:
    y = cnn_mnist.tensor([0, 1, 2, 3])
    hidden = cnn_mnist.nn.functional.linear(x, w).relu() * 1
    hidden[0] = hidden[1] * 2
    loss = cnn_mnist.nn.functional.cross_entropy(hidden @ v, y) + (w[0] / 3).max(0).values
    return loss


@pytest.mark.usefixtures("no_collector")
def test_dropping_the_loss_frees_the_graph() -> None:
    x = cnn_mnist.ones(4, 5)
    w, v = cnn_mnist.ones(6, 5, requires_grad=True), cnn_mnist.ones(6, 7, requires_grad=True)
    loss = step(x, w, v)
    nodes, waiting = [], [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        nodes.append(weakref.ref(node.gradients))
        waiting += [t for t, _ in node.next_functions if isinstance(t, type(node))]
    assert len(nodes) > 8
    del node, loss
    assert all(each() is None for each in nodes)


@pytest.mark.usefixtures("no_collector")
def test_memory_is_flat_over_steps() -> None:
    x = cnn_mnist.ones(4, 5)
    w, v = cnn_mnist.ones(6, 5, requires_grad=True), cnn_mnist.ones(6, 7, requires_grad=True)

    def train(steps: int) -> None:
        for _ in range(steps):
            step(x, w, v).backward()
            with cnn_mnist.no_grad():
                w.sub_(0.1 * w.grad)
                w.grad.zero_()

    train(4000)  # CPython and NumPy keep some thousands of freed objects for later
    before = sys.getallocatedblocks()
    train(1000)
    assert sys.getallocatedblocks() - before < 100


def test_backward_gives_saved_values_back() -> None:
    x = cnn_mnist.ones(3, requires_grad=True)
    loss = x.exp().sum()
    saved = weakref.ref(loss.grad_fn.next_functions[0][0].gradients)
    loss.backward()
    assert saved() is None


def test_grad_mode_is_of_the_thread() -> None:
    seen = []
    with cnn_mnist.no_grad():
        thread = threading.Thread(target=lambda: seen.append(cnn_mnist.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not cnn_mnist.is_grad_enabled()
    assert seen == [True]


def test_threads_have_tapes_of_their_own() -> None:
    failures = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(100):
            data = random.standard_normal((3, 4))
            x = cnn_mnist.tensor(data, requires_grad=True)
            (x.exp() * x / 2).sum().backward()
            if not np.allclose(x.grad, np.exp(data) * (data + 1) / 2):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures


def test_gradients_of_gradients_are_refused() -> None:
    x = cnn_mnist.ones(3, requires_grad=True)
    with pytest.raises(NotImplementedError, match="create_graph"):
        x.sum().backward(create_graph=True)


def test_no_grad_decorates_no_class() -> None:
    with pytest.raises(RuntimeError, match="Cannot decorate classes"):
        cnn_mnist.no_grad()(dict)


def test_gradient_of_what_is_no_leaf_warns() -> None:
    leaf = cnn_mnist.ones(3, requires_grad=True)
    product, kept = leaf * 2, leaf * 3
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
        assert product.grad is None
    kept.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept.grad is None and leaf.grad is None
        (product * kept).sum().backward()
        assert kept.grad is not None


# the walk back ---------------------------------------------------------------------------------
def test_nodes_run_from_the_last_to_the_first_whatever_reached_them_first():
    """A graph at random: each node runs once, with its gradient added up as the parts came."""
    choice, n = random.Random(4), 3000
    start = cnn_mnist.zeros(1, dtype=cnn_mnist.float64, requires_grad=True)
    nodes, order, sums = [], [], [1.0] * n

    def node(at, targets):
        def gradients(g):
            order.append(at)
            assert g == sums[at]
            shares = [choice.random() for _ in targets]
            for target, share in zip(targets, shares, strict=True):
                sums[target] += share
            return [np.array([share]) for share in shares]

        return _core.make_node("Node", [nodes[i] for i in targets] or [start], gradients)

    for at in range(n):
        nodes.append(node(at, choice.sample(range(at), min(at, 3))))
    edges = choice.sample(nodes, n)
    root = _core.recorded(np.zeros(1), "Root", edges, lambda g: [g for _ in edges])
    root.backward()
    assert order == list(range(n))[::-1]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_hundred_thousand_nodes_may_wait(backwards):
    leaf = cnn_mnist.ones(1, requires_grad=True)
    parts = [leaf * 2 for _ in range(100_000)]
    if backwards:
        parts.reverse()
    cnn_mnist.cat(parts).sum().backward()
    assert leaf.grad.item() == 200_000


@pytest.mark.parametrize("package", [cnn_mnist, torch])
def test_tensors_that_compare_and_hash_as_they_like(package):
    class Unhashable(package.Tensor):
        def __eq__(self, other):
            return True

    class Alike(package.Tensor):
        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

    for kind in (Unhashable, Alike):
        a, b = (kind([each, 3.0]).requires_grad_() for each in (1.0, 2.0))
        (a * b * b).sum().backward()
        assert (a.grad.tolist(), b.grad.tolist()) == ([4.0, 9.0], [4.0, 18.0])
        for each in (a, b):
            (each * 2).sum().backward()
        assert (a.grad.tolist(), b.grad.tolist()) == ([6.0, 11.0], [6.0, 20.0])
