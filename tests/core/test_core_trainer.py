"""Trainer and forward: what they refuse, what they keep, how they stop; numbers against torch."""

import gc
import itertools
import os
import re
import signal
import threading
import time

import numpy as np
import pytest
import scipy.sparse
import torch
import torch.nn.functional as F
from layouts import strided

from cnn_mnist import _core

ROWS, FEATURES, CLASSES = 103, 20, 4


def network(depth, dtype, seed=0):
    """[(weight, bias)] of a chain that ends in CLASSES outputs."""
    rng = np.random.default_rng(seed)
    sizes = [FEATURES, *[7, 6, 5][: depth - 1], CLASSES]
    return [
        (rng.normal(0, 0.3, (o, i)).astype(dtype), rng.normal(0, 0.1, o).astype(dtype))
        for i, o in itertools.pairwise(sizes)
    ]


def layers_of(parameters):
    last = len(parameters) - 1
    return [(weight, bias, i < last) for i, (weight, bias) in enumerate(parameters)]


def data(dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, FEATURES)).astype(dtype)
    x[rng.random(x.shape) < 0.6] = 0
    return x, rng.integers(0, CLASSES, ROWS)


def csr(x):
    matrix = scipy.sparse.csr_matrix(x)
    return matrix.data, matrix.indices, matrix.indptr, matrix.shape


def trainer(layers=None, x=None, target=None, **changed):
    """A Trainer of a small problem, with some of its arguments changed."""
    arguments = {
        "layers": layers_of(network(2, np.float32)) if layers is None else layers,
        "relu_input": False,
        "x": data(np.float32)[0] if x is None else x,
        "target": data(np.float32)[1] if target is None else target,
        "batch_size": 16, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0,
        "nesterov": False, "maximize": False, "class_weight": None, "ignore_index": -100,
        "label_smoothing": 0.0, "fixed_order": False, "num_threads": 0,
    }  # fmt: skip
    unknown = set(changed) - set(arguments)
    assert not unknown
    return _core.Trainer(*(arguments | changed).values())


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
            assert correct[step] == (logits.argmax(1).numpy() == y[rows]).sum()
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


def weights(o, i, dtype=np.float32):
    return np.zeros((o, i), dtype)


def read_only():
    a = weights(CLASSES, FEATURES)
    a.flags.writeable = False
    return a


SHARED = weights(20, 20)
SPARSE = csr(np.eye(ROWS, FEATURES, dtype=np.float32))


def sparse(values=None, index=None, begin=None, shape=None):
    given = (values, index, begin, shape)
    return tuple(b if a is None else a for a, b in zip(given, SPARSE, strict=True))


REFUSED = [
    ({"layers": []}, ValueError, "at least one layer, got 0"),
    ({"layers": 3}, TypeError, "layers must be a list of tuples, not int"),
    ({"layers": [3]}, TypeError, "layers[0] must be a tuple (weight, bias, relu), not 3"),
    (
        {"layers": [(weights(5, 20), None, True), (weights(4, 6), None, False)]},
        RuntimeError,
        "layers[1]: weight: expected shape [4, 5], got [4, 6]",
    ),
    (
        {"layers": [(weights(5, 20), None, True), (weights(4, 5, float), None, False)]},
        RuntimeError,
        "layers[1]: weight: expected dtype float32, got float64",
    ),
    (
        {"layers": [(weights(4, 21), None, True)]},
        RuntimeError,
        "cannot be multiplied (103x20 and 21x4): x has 20 columns, layers[0] takes 21",
    ),
    (
        {"layers": [(weights(4, 20), np.zeros(5, np.float32), True)]},
        RuntimeError,
        "layers[0]: bias: expected shape [4], got [5]",
    ),
    (
        {"layers": [(weights(4, 20), np.zeros(4), True)]},
        RuntimeError,
        "layers[0]: bias: expected dtype float32, got float64",
    ),
    (
        {"layers": [(np.zeros(20, np.float32), None, True)]},
        RuntimeError,
        "layers[0]: weight: expected 2 dimensions, got 1",
    ),
    ({"layers": [(weights(4, 20, int), None, 1)]}, NotImplementedError, "for 'Long'"),
    ({"layers": [(read_only(), None, True)]}, ValueError, "layers[0]: weight is read-only"),
    ({"layers": [(None, None, True)]}, TypeError, "layers[0]: weight must be numpy.ndarray"),
    (
        {"layers": [(SHARED, None, True), (SHARED, None, True)]},
        RuntimeError,
        "layers[1]: weight shares memory with layers[0]: weight",
    ),
    (
        {"layers": [(SHARED, SHARED[3], True)]},
        RuntimeError,
        "layers[0]: bias shares memory with layers[0]: weight",
    ),
    ({"layers": [(weights(0, 20), None, True)]}, ValueError, "at least one class, got 0"),
    ({"x": np.ones((ROWS, 20))}, RuntimeError, "x: expected dtype float32, got float64"),
    ({"x": np.ones(20, np.float32)}, RuntimeError, "x: expected 2 dimensions (rows, columns)"),
    ({"x": np.ones((ROWS, 20), int)}, NotImplementedError, "not implemented for 'Long'"),
    ({"x": 3}, TypeError, "x must be numpy.ndarray, not int"),
    ({"target": np.zeros(9, int)}, ValueError, "batch_size (103) to match target batch_size: got"),
    ({"target": np.zeros((ROWS, 1), int)}, ValueError, "got target of shape [103, 1]"),
    ({"target": np.zeros(ROWS, "i4")}, RuntimeError, "Long or Byte, but got Int"),
    ({"target": np.full(ROWS, 4)}, IndexError, "Target 4 at row 0 is out of bounds for 4 classes."),
    ({"target": np.full(ROWS, -1)}, IndexError, "Target -1 at row 0 is out of bounds"),
    ({"batch_size": 0}, ValueError, "batch_size: expected a positive number, got 0"),
    ({"batch_size": -1}, ValueError, "batch_size: expected a positive number, got -1"),
    ({"batch_size": 1.5}, TypeError, "batch_size must be int, not float"),
    ({"momentum": "a"}, TypeError, "momentum must be float, not str"),
    ({"class_weight": np.ones(3, "f")}, RuntimeError, "class_weight: expected shape [4], got [3]"),
    ({"class_weight": np.ones(4)}, RuntimeError, "class_weight: expected dtype float32"),
    ({"label_smoothing": 2.0}, RuntimeError, "between 0.0 and 1.0. Got: 2.0"),
    ({"num_threads": -1}, ValueError, "num_threads: expected 0 (automatic) or a positive number"),
    ({"x": (1, 2)}, TypeError, "CSR must be a tuple (values, index, begin, (rows, columns))"),
    ({"x": sparse(shape=3)}, TypeError, "CSR must be a tuple"),
    ({"x": sparse(shape=(-1, 20))}, RuntimeError, "x: rows must be non-negative, got -1"),
    ({"x": sparse(shape=(ROWS, 19))}, ValueError, "index[19] is 19 in row 19, expected rising"),
    ({"x": sparse(shape=(ROWS, 2**31))}, ValueError, "columns are more than int32 can name"),
    ({"x": sparse(shape=(ROWS, 21))}, RuntimeError, "x has 21 columns, layers[0] takes 20"),
    ({"x": sparse(index=SPARSE[1] + 20)}, ValueError, "index[0] is 20 in row 0, expected rising"),
    ({"x": sparse(index=-1 - SPARSE[1])}, ValueError, "index[0] is -1 in row 0"),
    (
        {"x": sparse(index=SPARSE[1].astype(np.int64) + 2**32)},
        ValueError,
        "index[0] is 4294967296 in row 0",
    ),
    ({"x": sparse(index=SPARSE[1].astype(float))}, TypeError, "a vector of int32 or int64"),
    ({"x": sparse(index=SPARSE[1][:-1])}, RuntimeError, "x: index: expected shape [20], got [19]"),
    ({"x": sparse(begin=SPARSE[2][::-1])}, ValueError, "begin[0] is 20, expected a number in [0"),
    ({"x": sparse(begin=SPARSE[2] + 1)}, ValueError, "begin[0] is 1, expected a number in [0, 0]"),
    ({"x": sparse(begin=SPARSE[2] * 2)}, ValueError, "is 22, expected a number in [20, 20]"),
    ({"x": sparse(begin=SPARSE[2][:-1])}, RuntimeError, "begin: expected shape [104], got [103]"),
    ({"x": sparse(values=SPARSE[0].astype(float))}, RuntimeError, "values: expected dtype float32"),
    (
        {"x": sparse(index=np.zeros(20, "i4"), begin=np.array([0] + [20] * ROWS))},
        ValueError,
        "index[1] is 0 in row 0, expected rising columns below 20",
    ),
]


@pytest.mark.parametrize(("changed", "kind", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_refused(changed, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        trainer(**changed)


def test_arguments_are_counted():
    with pytest.raises(TypeError, match="takes exactly 15 positional arguments"):
        _core.Trainer()
    with pytest.raises(TypeError, match="no keyword arguments"):
        _core.Trainer(layers=[])


ORDERS = [
    (np.arange(9), RuntimeError, "order: expected shape [103], got [9]"),
    (np.zeros(ROWS, int), ValueError, "a permutation of 103 rows, got 0 a second time at 1"),
    (np.arange(ROWS) + 1, ValueError, "a permutation of 103 rows, got 103 at 102"),
    (np.arange(ROWS) - 1, ValueError, "a permutation of 103 rows, got -1 at 0"),
    (np.arange(float(ROWS)), TypeError, "order: expected int64, got float64"),
    (3, TypeError, "order must be numpy.ndarray, not int"),
]


@pytest.mark.parametrize(("order", "kind", "text"), ORDERS, ids=[text for *_, text in ORDERS])
def test_order(order, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        trainer().epoch(order, 0.1, None)


def test_arguments_of_epoch():
    run = trainer(fixed_order=True)
    with pytest.raises(ValueError, match="was made for a fixed order"):
        run.epoch(np.arange(ROWS), 0.1, None)
    with pytest.raises(TypeError, match="'poll' must be callable or None, not int"):
        run.epoch(None, 0.1, 3)
    with pytest.raises(TypeError, match="'lr' must be float, not str"):
        run.epoch(None, "a", None)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_before_its_step(bad):
    x, y = data(np.float32)
    x[40] = bad
    parameters = network(2, np.float32)
    run = trainer(layers_of(parameters), x, y, batch_size=16)
    with pytest.raises(FloatingPointError, match="the loss of step 2 is nan") as error:
        run.epoch(None, 0.1, None)
    assert error.value.step == 2
    run.sync()
    expected = network(2, np.float32)
    until = trainer(layers_of(expected), x[:32], y[:32], batch_size=16)
    until.epoch(None, 0.1, None)
    until.sync()
    for a, b in zip(itertools.chain(*parameters), itertools.chain(*expected), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def slow():
    """A Trainer whose epoch takes a second or more, in steps of some milliseconds."""
    rng = np.random.default_rng(0)
    layers = [
        (rng.normal(0, 0.01, (o, i)).astype(np.float32), None, o != CLASSES)
        for i, o in [(784, 400), (400, 400), (400, CLASSES)]
    ]
    x = rng.random((20_000, 784), np.float32)
    y = rng.integers(0, CLASSES, len(x))
    return trainer(layers, x, y, batch_size=50, num_threads=1, fixed_order=True), layers


def test_poll_stops_the_epoch_after_a_whole_step(slow):
    run, layers = slow
    calls = []

    def poll(done, total):
        calls.append(done)
        assert total == 400
        if len(calls) == 3:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        run.epoch(None, 0.01, poll)
    assert calls == sorted(calls)
    assert 0 < calls[-1] < 400
    before = layers[0][0].copy()
    run.sync()
    assert not np.array_equal(layers[0][0], before)


def test_ctrl_c_stops_the_epoch(slow):
    run, _ = slow
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.epoch(None, 0.01, None)
    timer.join()
    run.sync()


def test_one_call_at_a_time(slow):
    run, _ = slow
    refused = []

    def poll(*_):
        for call in (run.sync, run.reload, lambda: run.epoch(None, 0.1, None)):
            with pytest.raises(RuntimeError, match="this Trainer is already running") as error:
                call()
            refused.append(error)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run.epoch(None, 0.01, poll)
    assert len(refused) == 3
    run.sync()


def test_two_threads_in_one_trainer(slow):
    run, _ = slow
    stop = threading.Event()
    errors = []

    def other():
        while not stop.wait(0.01):
            try:
                run.sync()
            except RuntimeError as error:
                errors.append(str(error))
                return

    thread = threading.Thread(target=other)
    thread.start()

    def poll(*_):
        time.sleep(0.005)
        if errors:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run.epoch(None, 0.01, poll)
    stop.set()
    thread.join()
    assert "already running, in another thread" in errors[0]


def test_trainers_run_side_by_side():
    """Trainers of several threads share the pool; each gets its own numbers."""
    x, y = data(np.float32)
    expected = trainer(x=x, target=y).epoch(None, 0.1, None)[0]
    results = []

    def work():
        run = trainer(x=x, target=y)
        results.append(run.epoch(None, 0.1, None)[0])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for losses in results:
        np.testing.assert_array_equal(losses, expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_same_bits_for_every_number_of_threads(threads):
    before = _core.get_num_threads()
    results = []
    for n in (1, threads):
        _core.set_num_threads(n)
        parameters = network(3, np.float32)
        run = trainer(layers_of(parameters), batch_size=64, momentum=0.9)
        run.epoch(None, 0.1, None)
        run.sync()
        results.append(parameters)
    _core.set_num_threads(before)
    for a, b in zip(itertools.chain(*results[0]), itertools.chain(*results[1]), strict=True):
        np.testing.assert_array_equal(a, b)
