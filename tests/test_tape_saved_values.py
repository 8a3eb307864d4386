"""What backward uses of an operation's arguments when they have changed since, or want a gradient."""

import numpy as np
import pytest
import torch

import cnn_mnist
from cnn_mnist.nn import functional as F
from cnn_mnist.operations.common import own


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("module", [cnn_mnist, torch])
def test_changed_indices_of_an_extreme_raise(module, name):
    x = module.tensor([[1.0, 3.0], [5.0, 2.0]], requires_grad=True)
    values, indices = getattr(x, name)(1)
    indices.fill_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def _picked(x, index):
    return x[index].sum()


def _overwritten(x, index):
    y = x * 1
    y[index] = 0.0
    return y.sum()


@pytest.mark.parametrize("loss", [_picked, _overwritten])
@pytest.mark.parametrize(
    "index, other", [([0, 1], [2, 2]), ([True, False, True], [False, False, False])]
)
def test_an_index_may_change_after_its_use(loss, index, other):
    expected = torch.tensor([1.0, 3.0, 4.0], requires_grad=True)
    loss(expected, torch.tensor(index)).backward()
    for make in (np.array, cnn_mnist.tensor):
        x = cnn_mnist.tensor([1.0, 3.0, 4.0], requires_grad=True)
        given = make(index)
        total = loss(x, given)
        given[...] = make(other)
        total.backward()
        np.testing.assert_array_equal(x.grad, expected.grad)


A, B = np.array([[0.5, 2.0], [3.0, 1.25]], np.float32), np.array([1, 0])
WITH_ARRAYS = {
    "t * a": lambda t, a: t * a,
    "a * t": lambda t, a: a * t,
    "t / a": lambda t, a: t / a,
    "a / t": lambda t, a: a / t,
    "t ** a": lambda t, a: t**a,
    "a ** t": lambda t, a: a**t,
    "a % t": lambda t, a: a % t,
    "t @ a": lambda t, a: t @ a,
    "a @ t": lambda t, a: a @ t,
    "t *= a": lambda t, a: (t * 1).mul_(a),
    "np.multiply(a, t)": lambda t, a: np.multiply(a, t),
    "linear(a, t)": lambda t, a: F.linear(a, t),
    "linear(t, a)": lambda t, a: F.linear(t, a),
    "nll_loss(t, y)": lambda t, y: F.nll_loss(t, y),
    "nll_loss(t, y, w)": lambda t, w: F.nll_loss(t, B, w),
    "cross_entropy(t, y)": lambda t, y: F.cross_entropy(t, y),
    "cross_entropy(t, q)": lambda t, q: F.cross_entropy(t, q),
}


@pytest.mark.parametrize("name", WITH_ARRAYS)
def test_an_array_may_change_after_its_use(name):
    """No version counts what happens to somebody else's array, so backward has a copy of it."""
    given = B if name.endswith("y)") else A[0] if name.endswith("w)") else A
    expected, t = (cnn_mnist.tensor(A + 1, requires_grad=True) for _ in range(2))
    WITH_ARRAYS[name](expected, cnn_mnist.tensor(given)).sum().backward()
    array = given.copy()
    result = WITH_ARRAYS[name](t, array)
    array[...] = np.flip(array).copy()
    result.sum().backward()
    np.testing.assert_array_equal(t.grad, expected.grad)


def test_an_array_is_not_copied_without_need():
    t = cnn_mnist.tensor(A)
    with cnn_mnist.no_grad():
        assert np.shares_memory(own(A, t.clone().requires_grad_()), A)
    assert np.shares_memory(own(A, t), A)
    assert not np.shares_memory(own(A, t.requires_grad_()), A)


@pytest.mark.parametrize("target", [np.array([2]), np.array([[0.2, 0.3, 0.5]], np.float32)])
def test_class_weights_that_require_grad_are_refused(target):
    x = cnn_mnist.tensor([[1.0, 3.0, 4.0]], requires_grad=True)
    weight = cnn_mnist.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="not differentiable with respect to argument 'weight'"):
        F.cross_entropy(x, target, weight)
    F.cross_entropy(x, target, weight.detach()).backward()
    assert x.grad is not None
