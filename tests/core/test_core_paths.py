"""Every compiled function on every instruction-set path, against torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from layouts import assert_close

from cnn_mnist import _core

pytestmark = pytest.mark.usefixtures("isa")

RNG = np.random.default_rng(0)
X = RNG.normal(0, 3, (17, 33))
DOUT = RNG.normal(size=(17, 33))
WEIGHT, BIAS = RNG.normal(size=(9, 33)), RNG.normal(size=9)
TARGET = RNG.integers(0, 33, 17)
PROBABILITIES = RNG.dirichlet(np.ones(33), 17)
CLASS_WEIGHT = RNG.uniform(0.5, 2, 33)

#  name: ours, torch's
FORWARD = {
    "relu": (_core.relu, torch.relu),
    "exp": (_core.exp, torch.exp),
    "log": (lambda x: _core.log(np.abs(x)), lambda x: torch.log(x.abs())),
    "softmax": (lambda x: _core.softmax(x, 1), lambda x: F.softmax(x, 1)),
    "softmax of columns": (lambda x: _core.softmax(x, 0), lambda x: F.softmax(x, 0)),
    "log_softmax": (lambda x: _core.log_softmax(x, 1), lambda x: F.log_softmax(x, 1)),
    "logsumexp": (lambda x: _core.logsumexp(x, 1, False), lambda x: torch.logsumexp(x, 1)),
    "nll_loss": (
        lambda x: _core.nll_loss(x, TARGET, None, -100, 1),
        lambda x: F.nll_loss(x, torch.tensor(TARGET)),
    ),
    "linear": (
        lambda x: _core.linear(x, WEIGHT.astype(x.dtype), BIAS.astype(x.dtype)),
        lambda x: F.linear(x, torch.tensor(WEIGHT).to(x), torch.tensor(BIAS).to(x)),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FORWARD)
def test_forward(name, dtype):
    ours, torchs = FORWARD[name]
    x = X.astype(dtype)
    assert_close(ours(x), torchs(torch.tensor(x)), torchs(torch.tensor(x).double()))


def cross_entropy_of_indices(x):
    return _core.cross_entropy(
        x, TARGET, CLASS_WEIGHT.astype(x.dtype), int(TARGET[0]), 1, 0.1, True, False
    )[:2]


def cross_entropy_of_probabilities(x):
    q = PROBABILITIES.astype(x.dtype)
    return _core.cross_entropy(x, q, CLASS_WEIGHT.astype(x.dtype), -100, 2, 0.1, True, False)[:2]


def with_gradient(function, dout=None):
    """torch's function with its gradient in x."""

    def both(x):
        x.requires_grad_()
        out = function(x)
        g = torch.ones_like(out) if dout is None else torch.tensor(dout).to(x)
        return out, torch.autograd.grad(out, x, g)[0]

    return both


#  name: ours and torch's, both giving (output, gradient in x)
BACKWARD = {
    "relu": (
        lambda x: (_core.relu(x), _core.relu_backward(DOUT.astype(x.dtype), x)),
        with_gradient(torch.relu, DOUT),
    ),
    "softmax": (
        lambda x: (
            y := _core.softmax(x, 1),
            _core.softmax_backward(DOUT.astype(x.dtype), y, 1),
        ),
        with_gradient(lambda x: F.softmax(x, 1), DOUT),
    ),
    "log_softmax": (
        lambda x: (
            y := _core.log_softmax(x, 1),
            _core.log_softmax_backward(DOUT.astype(x.dtype), y, 1),
        ),
        with_gradient(lambda x: F.log_softmax(x, 1), DOUT),
    ),
    "logsumexp": (
        lambda x: (
            y := _core.logsumexp(x, 1, True),
            _core.logsumexp_backward(DOUT[:, :1].astype(x.dtype), x, y, 1, True),
        ),
        with_gradient(lambda x: torch.logsumexp(x, 1, True), DOUT[:, :1]),
    ),
    "nll_loss": (
        lambda x: (
            _core.nll_loss(x, TARGET, None, -100, 2),
            _core.nll_loss_backward(np.ones((), x.dtype), x, TARGET, None, -100, 2),
        ),
        with_gradient(lambda x: F.nll_loss(x, torch.tensor(TARGET), reduction="sum")),
    ),
    "cross_entropy of indices": (
        cross_entropy_of_indices,
        with_gradient(
            lambda x: F.cross_entropy(
                x,
                torch.tensor(TARGET),
                torch.tensor(CLASS_WEIGHT).to(x),
                ignore_index=int(TARGET[0]),
                label_smoothing=0.1,
            )
        ),
    ),
    "cross_entropy of probabilities": (
        cross_entropy_of_probabilities,
        with_gradient(
            lambda x: F.cross_entropy(
                x,
                torch.tensor(PROBABILITIES).to(x),
                torch.tensor(CLASS_WEIGHT).to(x),
                reduction="sum",
                label_smoothing=0.1,
            )
        ),
    ),
    "linear": (
        lambda x: (
            _core.linear(x, WEIGHT.astype(x.dtype), None),
            _core.linear_backward(
                DOUT[:, :9].astype(x.dtype), None, WEIGHT.astype(x.dtype), True, False, False
            )[0],
        ),
        with_gradient(lambda x: F.linear(x, torch.tensor(WEIGHT).to(x)), DOUT[:, :9]),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name, dtype):
    ours, torchs = BACKWARD[name]
    x = X.astype(dtype)
    for got, own, exact in zip(
        ours(x), torchs(torch.tensor(x)), torchs(torch.tensor(x).double()), strict=True
    ):
        assert_close(got, own, exact)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_the_parameters(dtype):
    x, dout = X.astype(dtype), DOUT[:, :9].astype(dtype)
    _, dweight, dbias = _core.linear_backward(dout, x, None, False, True, True)
    expected = [
        (dout_t.T @ x_t, dout_t.sum(0))
        for dout_t, x_t in [
            (torch.tensor(dout), torch.tensor(x)),
            (torch.tensor(dout).double(), torch.tensor(x).double()),
        ]
    ]
    assert_close(dweight, expected[0][0], expected[1][0])
    assert_close(dbias, expected[0][1], expected[1][1])
