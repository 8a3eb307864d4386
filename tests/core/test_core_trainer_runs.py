"""How a Trainer's epoch ends before its time, and what it is among threads."""

import itertools
import os
import signal
import threading
import time

import numpy as np
import pytest
from small_training import CLASSES, data, layers_of, network, trainer

from cnn_mnist import _core


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
