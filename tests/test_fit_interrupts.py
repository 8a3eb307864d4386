"""fit beside what happens around it: Ctrl-C, threads, a progress bar."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import redirect_stderr

import numpy as np
import pytest
from fit_helpers import data, network_of_seed, run, same, weights

import cnn_mnist

INTERRUPTED = """
    import sys, threading, time
    import numpy as np
    import cnn_mnist

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 100)).astype(np.float32)
    y = rng.integers(0, 10, 20_000)
    model = cnn_mnist.nn.Sequential(cnn_mnist.nn.Linear(100, 256), cnn_mnist.nn.ReLU(),
                                    cnn_mnist.nn.Linear(256, 10))
    start = [param.detach().numpy().copy() for param in model.parameters()]
    threading.Timer(1.0, lambda: print("now", flush=True)).start()
    try:
        cnn_mnist.fit(model, x, y, epochs=100_000, batch_size=32, lr=1e-3, shuffle=False)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    changed = [(param.detach().numpy() != before).any()
               for param, before in zip(model.parameters(), start)]
    print(all(changed), all(np.isfinite(p.detach().numpy()).all() for p in model.parameters()))
"""


def test_ctrl_c_stops_and_keeps_what_was_learnt():
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "now\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "stopped\nTrue True\n"
    assert process.returncode == 0


def test_an_interrupt_leaves_the_parameters_after_a_whole_step():
    x, y = (np.tile(each, (60,) + (1,) * (each.ndim - 1)) for each in data())
    model = network_of_seed()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        cnn_mnist.fit(model, x, y, epochs=10**6, batch_size=len(x) // 3, lr=0.01, shuffle=False)
    reached = weights(model)
    again = network_of_seed()
    deadline = time.monotonic() + 120
    while not same(weights(again), reached) and time.monotonic() < deadline:
        for part in np.array_split(np.arange(len(x)), 3):
            cnn_mnist.fit(
                again, x[part], y[part], epochs=1, batch_size=len(part), lr=0.01, shuffle=False
            )
            if same(weights(again), reached):
                break
    assert same(weights(again), reached)


# threads, progress ----------------------------------------------------------------------


def test_every_number_of_threads_gives_the_same_bits(isa):
    results = []
    for threads in (1, 2, 3, None):
        model = network_of_seed()
        history = run(model, num_threads=threads, momentum=0.9)
        results.append((history.loss.tobytes(), [each.tobytes() for each in weights(model)]))
    assert all(each == results[0] for each in results)


def test_other_threads_run_meanwhile():
    counted = []
    finished = threading.Event()

    def count():
        while not finished.is_set():
            counted.append(0)
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    run(network_of_seed(), epochs=300)
    finished.set()
    thread.join()
    assert counted


def test_progress_shows_a_bar_and_changes_nothing():
    quiet, shown = network_of_seed(), network_of_seed()
    run(quiet)
    with redirect_stderr(io.StringIO()) as text:
        history = run(shown, progress=True)
    assert same(weights(quiet), weights(shown))
    assert "15/15" in text.getvalue()
    assert f"loss={history.epoch_loss[-1]:.4f}" in text.getvalue()
    assert f"accuracy={history.epoch_accuracy[-1]:.4f}" in text.getvalue()
