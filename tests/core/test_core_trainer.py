"""Trainer and forward: numbers against torch, arrays of any layout, and who owns what."""

import gc
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from layouts import strided
from small_training import CLASSES, FEATURES, ROWS, csr, data, layers_of, network, trainer

from cnn_mnist import _core


def torchs_forward(parameters, x):
    for i, (weight, bias) in enumerate(parameters):
        x = F.linear(x, weight, bias)
        x = x.relu() if i < len(parameters) - 1 else x
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("batch_size", "depth", "shuffled", "compressed"),
    [
        (16, 1, False, False), (16, 2, True, False), (16, 4, False, True), (16, 1, True, True),
        (200, 2, True, True), (200, 1, False, False), (1, 2, False, True), (1, 1, True, False),
    ],
)  # fmt: skip
def test_two_epochs_as_torch(isa, dtype, batch_size, depth, shuffled, compressed):
    (x, y), start = data(dtype), network(depth, dtype)
    weight = np.array([0.5, 1, 2, 1], dtype)
    momentum = 0.9 if shuffled else 0.0
    ignore_index = 1 if shuffled and batch_size > 1 else -100
    ours = [(w.copy(), b.copy()) for w, b in start]
    run = trainer(
        layers_of(ours), csr(x) if compressed else x, y, batch_size=batch_size,
        momentum=momentum, nesterov=shuffled, weight_decay=0.01 * compressed,
        class_weight=weight if compressed else None, ignore_index=ignore_index,
        label_smoothing=0.1 * shuffled, fixed_order=not shuffled,
    )  # fmt: skip
    theirs = [[torch.tensor(p, requires_grad=True) for p in pair] for pair in start]
    optimiser = torch.optim.SGD(
        itertools.chain(*theirs), 0.02, momentum, 0, 0.01 * compressed, shuffled
    )
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(ROWS) if shuffled else np.arange(ROWS)
        losses, correct = run.epoch(order if shuffled else None, 0.02, None)
        assert losses.dtype == np.float64
        assert correct.dtype == np.int64
        assert losses.shape == correct.shape == (-(-ROWS // batch_size),)
        for step, rows in enumerate(np.split(order, range(batch_size, ROWS, batch_size))):
            logits = torchs_forward(theirs, torch.tensor(x[rows]))
            loss = F.cross_entropy(
                logits, torch.tensor(y[rows]), torch.tensor(weight) if compressed else None,
                ignore_index=ignore_index, label_smoothing=0.1 * shuffled,
            )  # fmt: skip
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            assert losses[step] == pytest.approx(loss.item(), abs=tolerance)
            right = (logits.argmax(1).numpy() == y[rows]) & (y[rows] != ignore_index)
            assert correct[step] == right.sum()
    run.sync()
    for pair, expected in zip(ours, theirs, strict=True):
        for a, b in zip(pair, expected, strict=True):
            np.testing.assert_allclose(a, b.detach().numpy(), atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("relu_input", [False, True])
def test_forward_as_torch(isa, dtype, depth, relu_input):
    (x, _), start = data(dtype), network(depth, dtype)
    tensors = [[torch.tensor(p) for p in pair] for pair in start]
    first = torch.tensor(x).relu() if relu_input else torch.tensor(x)
    expected = torchs_forward(tensors, first).numpy()
    layers = layers_of(start)
    for each in (x, strided(x), np.asfortranarray(x), csr(x), x[:0], x[:1]):
        rows = each[3][0] if isinstance(each, tuple) else len(each)
        logits = _core.forward(layers, relu_input, each, 0)
        assert logits.dtype == dtype
        np.testing.assert_allclose(logits, expected[:rows], atol=1e-5)


def test_strided_parameters_are_written_back():
    start, (x, y) = network(2, np.float32), data(np.float32)
    plain = [(w.copy(), b.copy()) for w, b in start]
    other = [(np.asfortranarray(w), strided(b)) for w, b in start]
    for parameters in (plain, other):
        run = trainer(layers_of(parameters), x, y)
        run.epoch(None, 0.1, None)
        run.sync()
    for a, b in zip(plain, other, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    assert not np.array_equal(plain[0][0], start[0][0])


def test_reload_takes_what_somebody_else_wrote():
    for order in "CF":
        parameters = [(np.array(w, order=order), b) for w, b in network(2, np.float32)]
        run = trainer(layers_of(parameters))
        first, _ = run.epoch(None, 0.0, None)
        parameters[0][0][...] *= 2
        np.testing.assert_array_equal(run.epoch(None, 0.0, None)[0], first)
        run.reload()
        assert not np.array_equal(run.epoch(None, 0.0, None)[0], first)


def test_input_with_a_distance_between_rows_is_not_copied():
    wide = np.zeros((ROWS, 3 * FEATURES), np.float32)
    x = wide[:, :FEATURES]
    x[...] = data(np.float32)[0]
    expected = trainer().epoch(None, 0.1, None)[0]
    np.testing.assert_array_equal(trainer(x=x).epoch(None, 0.1, None)[0], expected)


def test_arrays_live_as_long_as_their_trainer():
    run = trainer([(np.zeros((CLASSES, FEATURES), np.float32), None, False)])
    gc.collect()
    losses, _ = run.epoch(None, 0.1, None)
    assert losses[0] == pytest.approx(np.log(CLASSES), rel=1e-6)


def test_targets_are_the_trainers_own_copy():
    target = data(np.float32)[1]
    run = trainer(target=target)
    expected = trainer().epoch(None, 0.0, None)[0]
    target[...] = 10**6
    np.testing.assert_array_equal(run.epoch(None, 0.0, None)[0], expected)


def test_compressed_rows_are_the_trainers_own_copy():
    values, index, begin, shape = csr(data(np.float32)[0])
    expected = trainer().epoch(None, 0.0, None)[0]
    for kind in (np.int32, np.int64):
        columns, starts = index.astype(kind), begin.astype(kind)
        run = trainer(x=(values, columns, starts, shape))
        columns[...] = starts[...] = 10**6
        np.testing.assert_allclose(run.epoch(None, 0.0, None)[0], expected, rtol=1e-5)


def test_no_rows():
    run = trainer(x=np.zeros((0, FEATURES), np.float32), target=np.zeros(0, np.int64))
    losses, correct = run.epoch(None, 0.1, None)
    assert losses.shape == correct.shape == (0,)
