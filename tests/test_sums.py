"""Sums over rows, means, spreads and the gradients of broadcasting are as close as torch's.

The reference is torch in float64 on the same float32 input. torch adds rows in blocks; added one
by one, thousands of them would cost float32 two or three digits.
"""

import numpy as np
import pytest
import torch

import cnn_mnist

EPSILON = 2.0**-23


def error(value, reference):
    """The largest error, in units of float32's epsilon of the largest element."""
    reference = reference.detach().numpy()
    distance = np.abs(np.asarray(value.detach().numpy(), np.float64) - reference)
    return distance.max() / (np.abs(reference).max() or 1) / EPSILON


def as_close_as_torch(function, *arrays):
    """function(package, *tensors) gives tensors: each within 1.5 eps more than torch's error."""
    ours = function(cnn_mnist, *map(cnn_mnist.from_numpy, arrays))
    theirs = function(torch, *map(torch.from_numpy, arrays))
    exact = function(torch, *(torch.from_numpy(each).double() for each in arrays))
    for mine, reference, right in zip(ours, theirs, exact, strict=True):
        assert mine.detach().numpy().dtype == reference.detach().numpy().dtype
        assert error(mine, right) <= 1.5 + error(reference, right)


def inputs(shape):
    rng = np.random.default_rng(5)
    yield rng.random(shape, np.float32)
    yield np.full(shape, 0.1, np.float32)
    yield rng.standard_normal(shape, np.float32) + np.float32(0.5)


SUMS = {
    "rows": lambda x: [x.sum(0), x.mean(0), x.sum(0, keepdim=True), x.sum(-2)],
    "columns": lambda x: [x.sum(-1), x.mean(-1), x.sum(-1, keepdim=True)],
    "transposed": lambda x: [x.transpose(0, 1).sum(1), x.transpose(0, 1).mean(0)],
    "leading": lambda x: [x.sum((0, 1)), x.mean(tuple(range(len(x.shape)))[:-1])],
    "all": lambda x: [x.sum(), x.mean(), x.mean(tuple(range(len(x.shape))), keepdim=True)],
    "parts": lambda x: [x[::2].sum(0), x[..., ::2].sum(0), x[:17].sum(0)],
}


@pytest.mark.parametrize("shape", [(17, 3), (64, 128), (512, 50), (20000, 7), (3, 5000, 5)])
@pytest.mark.parametrize("name", [name for name in SUMS if name != "parts"])
def test_sums_of_many_rows_keep_their_digits(name, shape):
    for x in inputs(shape):
        as_close_as_torch(lambda _, t: SUMS[name](t), x)


def test_sums_of_parts_and_of_nothing():
    for x in inputs((4000, 6)):
        as_close_as_torch(lambda _, t: SUMS["parts"](t), x)
    empty = cnn_mnist.zeros(40, 0)
    assert empty.sum(0).shape == (0,)
    assert empty.sum(0, keepdim=True).shape == (1, 0)
    assert empty.sum(1).tolist() == [0.0] * 40


BROADCAST = {
    "add": lambda x, b: x + b,
    "mul": lambda x, b: x * b,
    "div": lambda x, b: x / (b + 2),
    "pow": lambda x, b: (x.abs() + 0.1) ** b,
    "column": lambda x, b: x.t() - b[:, None],
    "expand": lambda x, b: b.expand(len(x), -1) * x,
    "standardize": lambda x, b: (x - x.mean(0)) / (x.std(0) + b),
}


@pytest.mark.parametrize("name", list(BROADCAST))
def test_gradients_of_broadcasting_keep_their_digits(name):
    def run(_, x, b, g):
        x, b = x.requires_grad_(), b.abs().add_(0.5).requires_grad_()
        out = BROADCAST[name](x, b)
        out.backward((g.t() if name == "column" else g).to(out.dtype))
        return out, b.grad

    for x in inputs((5000, 12)):
        b = np.linspace(0.5, 2, 12, dtype=np.float32)
        as_close_as_torch(run, x, b, np.abs(x))


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1.0, 1e18])
def test_deviations_whose_square_is_no_float32(scale):
    x = np.random.default_rng(5).standard_normal((7, 40), np.float32) * np.float32(scale)
    as_close_as_torch(lambda _, t: [t.std(1), t.std(0), t.std(), t.std(1, keepdim=True)], x)

    def gradient(_, t):
        t = t.requires_grad_()
        t.std(1).sum().backward()
        return [t.grad]

    as_close_as_torch(gradient, x)
