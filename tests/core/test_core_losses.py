"""The compiled losses against torch: shapes, targets, weights, reductions, gradients."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from layouts import assert_close, layouts

from cnn_mnist import _core

REDUCTIONS = ["none", "mean", "sum"]
#           N (None: a single item), C, d
SHAPES = [
    (None, 3, ()), (4, 3, ()), (1, 10, ()), (0, 3, ()), (65, 10, ()), (2, 3, (4,)),
    (2, 3, (4, 5)), (2, 3, (0,)), (2, 3, (2, 1, 3)), (3, 1, ()),
]  # fmt: skip


class Case:
    """Logits, targets, probabilities and class weights for one shape."""

    def __init__(self, shape, dtype, weighted):
        n, classes, d = shape
        rng = np.random.default_rng(0)
        self.x_shape = (classes,) if n is None else (n, classes, *d)
        self.target_shape = () if n is None else (n, *d)
        self.dtype = dtype
        self.x = rng.normal(0, 4, self.x_shape).astype(dtype)
        self.target = np.asarray(rng.integers(0, classes, self.target_shape))
        self.probabilities = rng.dirichlet(np.ones(classes), self.target_shape)
        self.probabilities = np.moveaxis(self.probabilities, -1, 0 if n is None else 1)
        self.probabilities = np.ascontiguousarray(self.probabilities, dtype)
        self.weight = rng.uniform(0.1, 2, classes).astype(dtype) if weighted else None

    def torchs(self, loss, x, target, reduction, **options):
        """Loss and gradients of torch, in the case's type and in float64, for a random dout."""
        results = []
        for kind in (torch.from_numpy(self.x).dtype, torch.float64):
            inputs = [torch.tensor(x, dtype=kind, requires_grad=True)]
            targets = torch.tensor(target)
            if targets.is_floating_point():
                targets = targets.to(kind).requires_grad_()
                inputs.append(targets)
            weight = None if self.weight is None else torch.tensor(self.weight, dtype=kind)
            out = loss(inputs[0], targets, weight, reduction=reduction, **options)
            dout = torch.tensor(self.dout(out.shape), dtype=kind)
            results.append((out, *torch.autograd.grad(out, inputs, dout)))
        return list(zip(*results, strict=True))

    def dout(self, shape):
        return np.asarray(np.random.default_rng(1).normal(size=tuple(shape)), self.dtype)


OPTIONS = list(itertools.product(SHAPES, [np.float32, np.float64], [False, True], REDUCTIONS))


def some_layouts(a, reduction):
    """Other layouts go the same way whatever the reduction is: with one of them is enough."""
    return layouts(a) if reduction == "mean" else [a]


options = pytest.mark.parametrize(("shape", "dtype", "weighted", "reduction"), OPTIONS)


@options
@pytest.mark.parametrize(("ignore_index", "smoothing"), [(-100, 0.0), (1, 0.0), (1, 0.1), (2, 1.0)])
def test_cross_entropy_of_indices(shape, dtype, weighted, reduction, ignore_index, smoothing):
    case, code = Case(shape, dtype, weighted), REDUCTIONS.index(reduction)
    loss, dx = case.torchs(
        F.cross_entropy, case.x, case.target, reduction,
        ignore_index=ignore_index, label_smoothing=smoothing,
    )  # fmt: skip
    arguments = (case.weight, ignore_index, code, smoothing)
    for x in some_layouts(case.x, reduction):
        ours, gradient, nothing = _core.cross_entropy(x, case.target, *arguments, True, False)
        assert_close(ours, *loss)
        assert_close(_core.cross_entropy_backward(case.dout(ours.shape), gradient, code), *dx)
        assert nothing is None
    labels = case.target.astype(np.uint8 if case.x.ndim < 3 else np.int64)
    for target in some_layouts(labels, reduction):
        ours, gradient, _ = _core.cross_entropy(case.x, target, *arguments, False, False)
        assert_close(ours, *loss)
        assert gradient is None


@options
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_probabilities(shape, dtype, weighted, reduction, smoothing):
    case, code = Case(shape, dtype, weighted), REDUCTIONS.index(reduction)
    loss, dx, dtarget = case.torchs(
        F.cross_entropy, case.x, case.probabilities, reduction, label_smoothing=smoothing
    )
    for x, q in zip(
        some_layouts(case.x, reduction), some_layouts(case.probabilities, reduction), strict=True
    ):
        ours, for_x, for_q = _core.cross_entropy(
            x, q, case.weight, -100, code, smoothing, True, True
        )
        dout = case.dout(ours.shape)
        assert_close(ours, *loss)
        assert_close(_core.cross_entropy_backward(dout, for_x, code), *dx)
        assert_close(_core.cross_entropy_backward(dout, for_q, code), *dtarget)


@options
@pytest.mark.parametrize("ignore_index", [-100, 1])
def test_nll_loss(shape, dtype, weighted, reduction, ignore_index):
    case, code = Case(shape, dtype, weighted), REDUCTIONS.index(reduction)
    loss, dlogp = case.torchs(F.nll_loss, case.x, case.target, reduction, ignore_index=ignore_index)
    arguments = (case.weight, ignore_index, code)
    for x, target in zip(
        some_layouts(case.x, reduction), some_layouts(case.target, reduction), strict=False
    ):
        ours = _core.nll_loss(x, target, *arguments)
        assert_close(ours, *loss)
        dout = case.dout(ours.shape)
        assert_close(_core.nll_loss_backward(dout, x, target, *arguments), *dlogp)


@pytest.mark.parametrize("weight", [None, np.ones(3, np.float32), np.zeros(3, np.float32)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mean_over_ignored_rows_is_nan_with_zero_gradient(weight, smoothing):
    x, target = np.ones((2, 3), np.float32), np.array([-100, -100])
    loss, gradient, _ = _core.cross_entropy(x, target, weight, -100, 1, smoothing, True, False)
    assert np.isnan(loss)
    np.testing.assert_array_equal(gradient, np.zeros((2, 3)))
    dlogp = _core.nll_loss_backward(np.array(1, np.float32), x, target, weight, -100, 1)
    np.testing.assert_array_equal(dlogp, np.zeros((2, 3)))


def test_weights_that_sum_to_zero_give_nan():
    x, target, weight = np.ones((2, 3), np.float32), np.array([0, 1]), np.zeros(3, np.float32)
    loss, gradient, _ = _core.cross_entropy(x, target, weight, -100, 1, 0.0, True, False)
    assert np.isnan(loss)
    assert np.isnan(gradient).all()


def test_sum_and_mean_are_taken_in_double():
    x = np.zeros((1 << 15, 2), np.float32)
    x[0, 1] = 3e7  # one float32 accumulator would lose every other row's log 2
    target = np.zeros(len(x), np.int64)
    for code, reduction in [(1, "mean"), (2, "sum")]:
        exact = F.cross_entropy(torch.tensor(x).double(), torch.tensor(target), reduction=reduction)
        ours, _, _ = _core.cross_entropy(x, target, None, -100, code, 0.0, False, False)
        assert ours == np.float32(exact.item())
