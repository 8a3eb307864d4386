"""fit by several threads: one model is trained by one of them at a time."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from fit_helpers import data, network_of_seed, run, same, weights

import cnn_mnist
from cnn_mnist import nn

REFUSED = r"model: fit in another thread is training (\d\.)?weight"


class Held:
    """A model whose fit waits in its callback, in a thread of its own."""

    def __init__(self, model):
        self.model, self.running, self.go_on = model, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=run, args=(model,), kwargs={"callback": self.wait})

    def wait(self, epoch):
        self.running.set()
        assert self.go_on.wait(60)

    def __enter__(self):
        self.thread.start()
        assert self.running.wait(60)
        return self

    def __exit__(self, *error):
        self.go_on.set()
        self.thread.join()


def test_a_model_that_another_thread_trains_is_refused():
    model, alone = network_of_seed(), network_of_seed()
    run(alone)
    with Held(model):
        before, state = weights(model), cnn_mnist.Generator().manual_seed(1)
        with pytest.raises(RuntimeError, match=REFUSED):
            run(model, shuffle=True, generator=state)
        assert same(before, weights(model))
        assert state.get_state().equal(cnn_mnist.Generator().manual_seed(1).get_state())
    assert same(weights(model), weights(alone))  # as if nobody had come
    run(model)


def test_a_model_with_one_of_its_parameters_is_refused():
    model = network_of_seed()
    last = next(each for each in reversed(list(model.modules())) if isinstance(each, nn.Linear))
    other = nn.Sequential(nn.Linear(17, last.in_features), nn.ReLU(), last)
    with Held(model):
        with pytest.raises(RuntimeError, match=r"training 2\.weight"):
            run(other)
        view = nn.Linear(last.in_features, last.out_features)
        view.weight.data = last.weight.data[:]
        x, y = data()
        with pytest.raises(RuntimeError, match=r"training weight"):
            cnn_mnist.fit(view, x[:, : last.in_features], y, epochs=1, batch_size=50, lr=0.1)
    run(other)


def test_other_models_and_the_thread_itself_are_not():
    model = network_of_seed()
    with Held(model):
        run(network_of_seed())
    inner = []
    run(model, epochs=1, callback=lambda epoch: inner.append(run(model)))
    assert inner


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_fit_that_ends_early_lets_go(error):
    model, done = network_of_seed(), []

    def fail(epoch):
        raise error

    def train():
        with pytest.raises(error):
            run(model, callback=fail)
        bad = np.full_like(data()[0], np.inf)
        with pytest.raises(FloatingPointError):
            cnn_mnist.fit(model, bad, data()[1], epochs=1, batch_size=50, lr=0.1)
        done.append(True)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert done
    run(network_of_seed())
    run(model)


FORKED = """
import os, signal, sys
from fit_helpers import network_of_seed, run
from test_fit_threads import Held

model = network_of_seed()
with Held(model):
    child = os.fork()
    if not child:
        signal.alarm(60)
        run(model)
        os._exit(0)
    sys.exit(os.waitpid(child, 0)[1] != 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_trains_its_own_copy():
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    subprocess.run(command, check=True, env=here, timeout=120)
