"""The compiled tape and its arithmetic: plain operands, wrong arguments, broken private fields."""

import re

import numpy as np
import pytest
import torch

import cnn_mnist
from cnn_mnist import _core

X = np.arange(6, dtype=np.float32).reshape(2, 3)
OPERATIONS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}


def leaf(*shape):
    return cnn_mnist.ones(*(shape or (3,))).requires_grad_()


def passed(tensor, saved=()):
    """The result of an operation that passes its gradient on."""
    return _core.record(np.ones(3, np.float32), "Pass", (tensor,), lambda g: (g,), saved)


def with_field(tensor, name, value):
    setattr(tensor, name, value)
    return tensor


# arithmetic of plain operands ----------------------------------------------------------------
@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_arithmetic_is_numpys(name, dtype):
    random = np.random.default_rng(0)
    for shape in [(), (0,), (1,), (7,), (3, 33)]:
        x = np.asarray(random.normal(size=shape), dtype)
        for y in (np.asarray(random.normal(size=shape), dtype), np.asarray(3, dtype)):
            expected = np.asarray(OPERATIONS[name](x, y))
            before = x.copy()
            np.testing.assert_array_equal(getattr(_core, name)(x, y), expected, strict=True)
            np.testing.assert_array_equal(x, before)
            changed = cnn_mnist.from_numpy(x.copy())
            other = cnn_mnist.from_numpy(y)
            assert getattr(_core, f"{name}_")(changed, other)
            np.testing.assert_array_equal(changed, expected)
            assert changed._changes == [1]


def read_only():
    x = X.copy()
    x.flags.writeable = False
    return x


class Subclass(np.ndarray):
    pass


OTHER_OPERANDS = [
    (X, X[0]),
    (X[0], X),
    (X, X.astype(np.float64)),
    (X.astype(np.float64), X),
    (X.astype(np.int64), X.astype(np.int64)),
    (X.astype(np.float16), X.astype(np.float16)),
    (X.T, X.T),
    (X[:, ::2], X[:, ::2]),
    (X.astype(">f4"), X.astype(">f4")),
    (X.view(Subclass), X),
]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("x", "y"), [*OTHER_OPERANDS, (X, 2.0), ([1.0], X), (None, None)])
def test_other_operands_are_left_to_numpy(name, x, y):
    before = np.array(x)
    assert getattr(_core, name)(x, y) is None
    np.testing.assert_array_equal(np.array(x), before)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("x", "y"), [*OTHER_OPERANDS, (read_only(), X)])
def test_other_operands_are_not_changed_in_place(name, x, y):
    before = x.copy()
    tensor = _core.wrap(x.copy("K") if x.flags.writeable else x)
    tensor._array = x  # whatever wrap makes of it
    for other in (_core.wrap(y), y, 2**60, True, None, "a"):
        assert not getattr(_core, f"{name}_")(tensor, other)
    np.testing.assert_array_equal(x, before)
    assert tensor._changes == [0]


def test_in_place_leaves_to_the_tape_what_concerns_it():
    x, other = cnn_mnist.ones(3), leaf()
    assert not _core.add_(x, other)
    assert not _core.add_(leaf(), 1.0)
    assert not _core.zero_(leaf())
    assert not _core.add_(x[:], 1.0)
    assert not _core.add_(x, other.detach()[:])
    with cnn_mnist.no_grad():
        for tensor in (x, leaf(), x[:]):
            assert _core.add_(tensor, other)
            assert _core.zero_(tensor)
            assert tensor.tolist() == [0, 0, 0]
    assert x._changes == [4]


def test_a_product_with_a_number_leaves_to_the_tape_what_concerns_it():
    x = cnn_mnist.ones(3)
    for tensor in (leaf(), leaf() * 2, x[:], cnn_mnist.ones(3, dtype=cnn_mnist.int64), X, 2.0):
        assert _core.mul_number(tensor, 2.0) is None
    for factor in (True, 2**60, "a", None, 2j, np.float32(2), x, X):
        assert _core.mul_number(x, factor) is None
    with cnn_mnist.no_grad():
        for tensor in (x, leaf(), x[:]):
            product = _core.mul_number(tensor, 2)
            assert product.tolist() == [2 * each for each in tensor.tolist()]
            assert type(product) is cnn_mnist.Tensor and not product.requires_grad
    assert x._changes == [0] and x.tolist() == [1.0] * 3
    with pytest.raises(TypeError, match="mul_number"):
        _core.mul_number(x)


def test_the_mean_leaves_to_the_tape_what_concerns_it():
    x = cnn_mnist.arange(6.0).reshape(2, 3)
    for tensor in (leaf(), leaf() * 2, x[:, ::2], cnn_mnist.arange(3), cnn_mnist.ones(0), X, 2.0):
        assert _core.mean(tensor) is None
    for kind in ("float32", "float64"):
        values = np.random.default_rng(0).standard_normal(1000).astype(kind)
        ours, theirs = _core.mean(cnn_mnist.from_numpy(values)), torch.from_numpy(values).mean()
        assert ours.shape == () and ours.numpy().dtype == kind
        assert abs(ours.item() - theirs.item()) <= np.finfo(kind).eps
    with cnn_mnist.no_grad():
        assert _core.mean(leaf() * 2).item() == 2


def test_argmax_along_the_last_dimension_only():
    x = cnn_mnist.tensor([[1.0, 3.0, 2.0], [float("nan"), 9.0, 0.0]], requires_grad=True)
    for dim in (-1, 1):
        index = _core.argmax_along(x, dim)
        assert index.tolist() == [1, 0] and not index.requires_grad
    for dim in (0, -2, 2, None, True, 1.0, 2**80):
        assert _core.argmax_along(x, dim) is None
    for tensor in (x[:, ::2], x[:, :0], x[0, 0], cnn_mnist.arange(3), x.detach().numpy(), [1.0]):
        assert _core.argmax_along(tensor, -1) is None
    with pytest.raises(TypeError, match="argmax_along"):
        _core.argmax_along(x)


def test_compare_integers_is_for_one_type_and_shape():
    x, y = cnn_mnist.arange(6), cnn_mnist.tensor([0, 2, 2, 3, 5, 5])
    assert _core.compare_integers(np.equal, x, y).tolist() == [True, False, True, True, False, True]
    same = _core.compare_integers(np.equal, x == y, x == y)
    assert same.dtype is cnn_mnist.bool and same.all()
    for other in (x.float(), x.int(), x[:3], x[::1][:, None], x.numpy(), 3, None):
        assert _core.compare_integers(np.equal, x, other) is None
    assert _core.compare_integers(np.equal, x[::2], y[::2]) is None
    assert _core.compare_integers(np.equal, leaf(), leaf()) is None
    with pytest.raises(TypeError, match="not callable"):
        _core.compare_integers(None, x, y)
    with pytest.raises(TypeError, match="compare_integers"):
        _core.compare_integers(np.equal, x)


def test_in_place_refuses_what_overlaps_in_part():
    x = cnn_mnist.arange(6.0)
    with cnn_mnist.no_grad():
        assert not _core.sub_(x[1:], x[:-1])
        assert not _core.sub_(x, x[0])
        assert _core.sub_(x[:3], x[3:])
        assert _core.sub_(x, x)
    assert x.tolist() == [0.0] * 6


def test_in_place_takes_whole_numbers_that_doubles_hold():
    x = cnn_mnist.zeros(2)
    assert _core.add_(x, 2**53)
    assert not _core.add_(x, 2**53 + 1)
    assert not _core.add_(cnn_mnist.arange(2), 1)
    assert x.tolist() == [2.0**53] * 2


@pytest.mark.parametrize("name", ["add_", "zero_"])
def test_in_place_takes_tensors_only(name):
    arguments = () if name == "zero_" else (1.0,)
    assert not getattr(_core, name)(X, *arguments)


def test_number():
    for like in (X, X.astype(np.float64)):
        number = _core.number(1 / 3, like)
        assert number.shape == ()
        assert number.dtype == like.dtype
        assert number == like.dtype.type(1 / 3)
    assert _core.number(1.0, X.astype(np.int64)) is None
    assert _core.number(1.0, 3) is None


# wrong arguments -------------------------------------------------------------------------------
ERRORS = [
    (lambda: _core.add(X), "add() takes exactly 2 positional arguments"),
    (lambda: _core.div(X, X, 1), "div() takes exactly 2 positional arguments"),
    (lambda: _core.sub_(leaf()), "sub_() takes exactly 2 positional arguments"),
    (lambda: _core.number(1.0), "number() takes exactly 2 positional arguments"),
    (lambda: _core.number("a", X), "argument 'value' must be float, not str"),
    (lambda: _core.wrap(), "wrap() takes exactly 1"),
    (lambda: _core.wrap(X, X), "kind must be a class of Tensors"),
    (lambda: _core.wrap(X, int), "kind must be a class of Tensors"),
    (lambda: _core.edges_of(3), "inputs must be tuple or list, not int"),
    (lambda: _core.edges_of((leaf(), X)), "expected a Tensor, got numpy.ndarray"),
    (lambda: _core.make_node("A", []), "make_node() takes exactly 3 positional arguments"),
    (lambda: _core.make_node(1, [], None), "name must be str and inputs a list"),
    (lambda: _core.make_node("A", (), None), "name must be str and inputs a list"),
    (lambda: _core.record(X, "A", ()), "record() takes exactly 4"),
    (lambda: _core.record(X, 1, (), None), "record(): name must be str and saved a tuple"),
    (lambda: _core.record(X, "A", (), None, [leaf()]), "name must be str and saved a tuple"),
    (lambda: _core.record(X, "A", (X,), None), "expected a Tensor, got numpy.ndarray"),
    (lambda: _core.record(X, "A", (leaf(),), None, (X,)), "expected a Tensor, got numpy.ndarray"),
    (lambda: _core.recorded(X, "A", (), None), "recorded(): edges must be a list"),
    (lambda: _core.set_tensor_type(int, None), "expected a class of Storage"),
    (lambda: _core.set_tensor_type(leaf(), None), "expected a class of Storage"),
    (lambda: _core.backward(leaf(), X), "backward() takes exactly 3 positional arguments"),
    (lambda: _core.backward(X, X, False), "backward(): expected a Tensor"),
    (
        lambda: _core.backward(_core.recorded(X, "A", [5], lambda g: (g,)), X, False),
        "gradients go to nodes and Tensors, not int",
    ),
    (
        lambda: _core.backward(_core.record(X, "A", (leaf(),), 3), X, False),
        "'int' object is not callable",
    ),
    (
        lambda: _core.backward(_core.record(X, "A", (leaf(),), lambda g: g), X, False),
        "A: gradients must come as a tuple",
    ),
]


@pytest.mark.parametrize(("call", "text"), ERRORS, ids=[text for _, text in ERRORS])
def test_error(call, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        call()


# What Python code may put into the private fields is looked at before it is used.
FIELDS = [
    (lambda: passed(with_field(t := leaf(), "_changes", 5), (t,)), "_changes must be a list"),
    (lambda: passed(with_field(t := leaf(), "_changes", []), (t,)), "_changes must be a list"),
    (lambda: _core.edges_of([with_field(leaf(), "_view", 5)]), "_view must be None or"),
    (lambda: _core.edges_of([with_field(leaf(), "_view", (1, 2, 3))]), "_view must be None or"),
    (lambda: with_field(leaf(), "_grad", 5).sum().backward(), "_grad must be a Tensor or None"),
    (lambda: passed(with_field(leaf(), "_node", 5)).sum().backward(), "nodes and Tensors, not int"),
]


@pytest.mark.parametrize(("call", "text"), FIELDS)
def test_broken_fields_raise(call, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("saved", [5, [5], [(1, 2)], [([], 0)]])
def test_broken_saved_versions_raise(saved):
    y = passed(leaf())
    y._node.saved = saved
    with pytest.raises(TypeError, match="Pass: saved must be a list"):
        y.sum().backward()


@pytest.mark.parametrize("name", ["_array", "_changes", "_view", "_grad", "_node"])
def test_a_field_that_was_deleted_does_no_harm(name):
    x = leaf()
    delattr(x, name)
    assert not _core.zero_(x)
    assert not _core.add_(cnn_mnist.ones(3), x)
    for use in (lambda: x.add_(1.0), lambda: passed(x, (x,)).sum().backward()):
        try:
            use()
        except (AttributeError, RuntimeError, TypeError) as error:
            assert name in str(error) or "leaf" in str(error)


def test_a_gradient_function_that_raises_leaves_the_leaves_alone():
    def refuse(g):
        raise KeyError("refused")

    x, y = leaf(), leaf()
    bad = _core.record(np.ones(3, np.float32), "Bad", (y,), refuse)
    with pytest.raises(KeyError, match="refused"):
        (x * bad).sum().backward()
    assert x.grad is None
    assert y.grad is None
