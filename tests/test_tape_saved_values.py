"""What backward uses of an operation's arguments when they have changed since, or want a gradient."""

import numpy as np
import pytest
import torch

import cnn_mnist
from cnn_mnist.nn import functional as F


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


@pytest.mark.parametrize("target", [np.array([2]), np.array([[0.2, 0.3, 0.5]], np.float32)])
def test_class_weights_that_require_grad_are_refused(target):
    x = cnn_mnist.tensor([[1.0, 3.0, 4.0]], requires_grad=True)
    weight = cnn_mnist.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="not differentiable with respect to argument 'weight'"):
        F.cross_entropy(x, target, weight)
    F.cross_entropy(x, target, weight.detach()).backward()
    assert x.grad is not None
