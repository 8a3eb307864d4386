"""The compiled functions against torch: every layout, type and dimension."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from layouts import assert_close, layouts

from cnn_mnist import _core

SHAPES = [
    (),
    (1,),
    (3,),
    (0,),
    (2, 3),
    (0, 3),
    (2, 0),
    (17, 33),
    (4, 5, 6),
    (2, 3, 1),
    (2, 1, 3, 2),
]
DTYPES = [np.float32, np.float64]


def draw(shape, dtype, seed=0, scale=3.0):
    return np.asarray(np.random.default_rng(seed).normal(0, scale, shape), dtype)


def with_gradient(function, dout, *arrays):
    """Output and gradients of a torch function, in the arrays' type and in float64."""
    results = []
    for kind in (torch.from_numpy(arrays[0]).dtype, torch.float64):
        inputs = [torch.tensor(a, dtype=kind, requires_grad=True) for a in arrays]
        out = function(*inputs)
        gradients = torch.autograd.grad(out, inputs, torch.tensor(dout(out.shape), dtype=kind))
        results.append((out, *gradients))
    return list(zip(*results, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["relu", "exp", "log"])
def test_elementwise(name, shape, dtype):
    x = draw(shape, dtype)
    x = np.abs(x) if name == "log" else x
    x = np.asarray(x, dtype)
    expected = [getattr(torch, name)(torch.tensor(x, dtype=t)) for t in (None, torch.float64)]
    for each in layouts(x):
        assert_close(getattr(_core, name)(each), *expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_relu_backward(shape, dtype):
    x, dout = draw(shape, dtype), draw(shape, dtype, 1)
    _, expected = with_gradient(torch.relu, lambda _: dout, x)
    for a, b in zip(layouts(dout), layouts(x), strict=True):
        assert_close(_core.relu_backward(a, b), *expected)


def test_relu_of_nan_is_nan_and_passes_its_gradient():
    x = np.array([np.nan, 0.0, -0.0, -1.0, 2.0], np.float32)
    np.testing.assert_array_equal(_core.relu(x), [np.nan, 0, 0, 0, 2])
    np.testing.assert_array_equal(
        _core.relu_backward(np.full(5, 7, np.float32), x), [7, 0, 0, 0, 7]
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (9_999,)])
def test_sum(shape, dtype):
    x = np.asarray(np.abs(draw(shape, dtype)), dtype)
    expected = [torch.tensor(x, dtype=t).sum() for t in (None, torch.float64)]
    for each in layouts(x):
        assert_close(_core.sum(each), *expected)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape and shape[-1]])
def test_argmax(shape, dtype):
    x = np.round(draw(shape, dtype), 0)  # ties: the first one counts
    with_nan = np.where(draw(shape, dtype, 1) > 3, np.asarray(np.nan, dtype), x)
    for values in (x, with_nan):
        for each in layouts(values):
            got = _core.argmax(each)
            assert got.dtype == np.int64
            np.testing.assert_array_equal(got, values.argmax(-1), strict=True)
            np.testing.assert_array_equal(got, torch.tensor(values).argmax(-1).numpy())


def dims(shape):
    return range(-max(1, len(shape)), max(1, len(shape)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_and_log_softmax(name, shape, dtype):
    x, dout = draw(shape, dtype), draw(shape, dtype, 1)
    for dim in dims(shape):
        out, dx = with_gradient(lambda x, d=dim: getattr(F, name)(x, d), lambda _: dout, x)
        for each in layouts(x):
            assert_close(getattr(_core, name)(each, dim), *out)
        own = getattr(_core, name)(x, dim)
        for a, b in zip(layouts(dout), layouts(own), strict=True):
            assert_close(getattr(_core, name + "_backward")(a, b, dim), *dx)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("keepdim", [False, True])
def test_logsumexp(shape, dtype, keepdim):
    x = draw(shape, dtype)
    for dim in dims(shape):
        out, dx = with_gradient(
            lambda x, d=dim: torch.logsumexp(x, d, keepdim), lambda s: draw(s, dtype, 1), x
        )
        for each in layouts(x):
            assert_close(_core.logsumexp(each, dim, keepdim), *out)
        own = _core.logsumexp(x, dim, keepdim)
        for a, b in zip(layouts(draw(own.shape, dtype, 1)), layouts(x), strict=False):
            assert_close(_core.logsumexp_backward(a, b, own, dim, keepdim), *dx)


def test_rows_of_a_broadcast_array():
    x = np.broadcast_to(draw((1, 5), np.float32), (3, 5))
    np.testing.assert_array_equal(_core.softmax(x, 1), _core.softmax(x.copy(), 1))
    np.testing.assert_array_equal(_core.softmax(x, 0), np.full((3, 5), np.float32(1 / 3)))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("broken", [None, "weight", "dout"])
def test_linear_of_mostly_zeros(dtype, broken):
    """Zeros are skipped; times inf or nan they are nan all the same."""
    x, weight = draw((70, 300), dtype), draw((50, 300), dtype, 1)
    bias, dout = draw((50,), dtype, 2), draw((70, 50), dtype, 3)
    x[draw((70, 300), dtype, 4) < 3] = 0
    if broken:
        {"weight": weight, "dout": dout}[broken][4, 7] = np.inf
    out, *gradients = with_gradient(F.linear, lambda _: dout, x, weight, bias)
    for each in layouts(x):
        assert_close(_core.linear(each, weight, bias), *out)
        got = _core.linear_backward(dout, each, weight, True, True, True)
        for ours, expected in zip(got, gradients, strict=True):
            assert_close(ours, *expected)


LINEAR_CASES = [
    (leading, sizes, vector, has_bias)
    for leading, sizes, vector, has_bias in itertools.product(
        [(), (1,), (5,), (0,), (2, 3), (2, 0, 3)],
        [(3, 4), (0, 4), (3, 0), (784, 50), (1, 1)],
        [False, True],
        [False, True],
    )
    if not (vector and has_bias and leading)  # torch has none
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("leading", "sizes", "vector", "has_bias"), LINEAR_CASES)
def test_linear(leading, sizes, dtype, vector, has_bias):
    features, outputs = sizes
    x = draw((*leading, features), dtype)
    weight = draw((features,) if vector else (outputs, features), dtype, 1)
    bias = [draw(() if vector else (outputs,), dtype, 2)] if has_bias else []
    out, *gradients = with_gradient(F.linear, lambda s: draw(s, dtype, 3), x, weight, *bias)
    for a, b in zip(layouts(x), layouts(weight), strict=True):
        for c in layouts(bias[0]) if has_bias else [None]:
            assert_close(_core.linear(a, b, c), *out)
    for dout in layouts(draw(out[0].shape, dtype, 3)):
        got = _core.linear_backward(dout, x, weight, True, True, has_bias)
        for ours, expected in itertools.zip_longest(got, gradients):
            if expected is None:
                assert ours is None
            else:
                assert_close(ours, *expected)
    dout = draw(out[0].shape, dtype, 3)
    only_x = _core.linear_backward(dout, None, weight, True, False, False)
    only_weight = _core.linear_backward(dout, x, None, False, True, False)
    assert_close(only_x[0], *gradients[0])
    assert_close(only_weight[1], *gradients[1])
    assert only_x[1:] == (None, None)
    assert only_weight[::2] == (None, None)


SGD_OPTIONS = [
    (momentum, dampening, decay, nesterov, maximize)
    for momentum, dampening, decay, nesterov, maximize in itertools.product(
        (0.0, 0.9), (0.0, 0.3), (0.0, 0.1), (False, True), (False, True)
    )
    if not (nesterov and (dampening or not momentum))
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("momentum", "dampening", "decay", "nesterov", "maximize"), SGD_OPTIONS)
def test_sgd_step(dtype, momentum, dampening, decay, nesterov, maximize):
    start = draw((5, 6), dtype)
    theirs = [torch.tensor(start, dtype=t, requires_grad=True) for t in (None, torch.float64)]
    optimisers = [
        torch.optim.SGD([p], 0.1, momentum, dampening, decay, nesterov, maximize=maximize)
        for p in theirs
    ]
    ours = [each for each in layouts(start) if each.flags.writeable]
    buffers = [np.zeros_like(each) if momentum else None for each in ours]
    for step in range(4):
        grad = draw((5, 6), dtype, step)
        for p, optimiser in zip(theirs, optimisers, strict=True):
            p.grad = torch.tensor(grad, dtype=p.dtype)
            optimiser.step()
        for param, buffer in zip(ours, buffers, strict=True):
            _core.sgd_step(
                param, grad, buffer, 0.1, momentum, dampening, decay, nesterov, maximize, step == 0
            )
            assert_close(np.asarray(param, dtype), *theirs)


def test_inputs_are_not_modified():
    x, weight, bias = draw((4, 5), np.float32), draw((3, 5), np.float32), draw(3, np.float32)
    dout, target = draw((4, 3), np.float32), np.array([0, 1, 2, 0])
    frozen = [x, weight, bias, dout, target]
    copies = [a.copy() for a in frozen]
    for a in frozen:
        a.flags.writeable = False
    out = _core.linear(x, weight, bias)
    _core.linear_backward(dout, x, weight, True, True, True)
    _core.softmax_backward(dout, _core.softmax(out, 0), 0)
    _core.log_softmax_backward(dout, _core.log_softmax(out, 1), 1)
    _core.cross_entropy(out, target, bias, -100, 1, 0.1, True, False)
    _core.nll_loss(_core.log_softmax(out, 1), target, bias, -100, 2)
    for a, copy in zip(frozen, copies, strict=True):
        np.testing.assert_array_equal(a, copy)


def test_results_own_their_memory_and_are_writable():
    x = draw((4, 5), np.float32)
    for out in (_core.relu(x), _core.softmax(x, 0), _core.logsumexp(x, 1, True)):
        assert out.flags.owndata
        assert out.flags.writeable
        assert out.flags.c_contiguous
        assert not np.shares_memory(out, x)


def test_numpy_scalars_are_0_d_arrays():
    assert _core.relu(np.float32(-1)) == 0
    assert _core.softmax(np.float64(3), -1).shape == ()
