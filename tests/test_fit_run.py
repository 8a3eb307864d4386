"""fit while it runs and afterwards: history, validation, callbacks, what is not finite."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from fit_helpers import CLASSES, ROWS, data, network_of_seed, reference, run, same, weights

import cnn_mnist
from cnn_mnist import nn

F = torch.nn.functional


# history --------------------------------------------------------------------------------


def test_history_sums_up_what_the_steps_gave():
    history = run(network_of_seed(), epochs=2)
    rows = np.array([50, 50, 50, 50, 3])
    steps = history.loss.reshape(2, 5), history.accuracy.reshape(2, 5)
    assert len(history) == 2 and history.steps_per_epoch == 5
    np.testing.assert_allclose(history.epoch_loss, steps[0] @ rows / ROWS)
    np.testing.assert_allclose(history.epoch_accuracy, steps[1] @ rows / ROWS)
    assert np.isnan(history.validation_loss).all() and len(history.validation_accuracy) == 2
    assert (history.seconds > 0).all() and history.lr.tolist() == [0.2, 0.2]
    for name in ("loss", "accuracy", "epoch_loss", "epoch_accuracy", "seconds"):
        assert getattr(history, name).dtype == np.float64


def test_history_prints_as_a_table():
    history = run(network_of_seed(), epochs=2)
    lines = repr(history).split("\n")
    assert lines[0].split() == ["epoch", "loss", "accuracy", "lr", "seconds"]
    assert lines[2].split()[:2] == ["2", f"{history.epoch_loss[1]:.5f}"]
    with_validation = run(network_of_seed(), validation=data(40, seed=1))
    assert "validation accuracy" in repr(with_validation).split("\n")[0]
    assert len({len(line) for line in repr(with_validation).split("\n")}) == 1


def test_validation_that_is_nan_is_printed():
    """Ignored rows only: their mean is 0 / 0."""
    x, y = data(40, seed=1)
    epochs = []
    history = run(network_of_seed(), validation=(x, np.full_like(y, -100)), callback=epochs.append)
    assert repr(history).split("\n")[1].split()[3:5] == ["nan", "nan"]
    assert repr(epochs[0]).endswith(", validation loss nan, validation accuracy nan")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight": np.array([1, 0.2, 3, 0.5, 1], np.float32), "label_smoothing": 0.1},
        {"ignore_index": 2},
    ],
)
def test_validation_is_measured_after_every_epoch_with_the_same_loss(options):
    x, y = data(70, seed=1)
    history = run(network_of_seed(), validation=(x, y), **options)
    for epochs in (1, 3):
        model = network_of_seed()
        run(model, epochs=epochs, **options)
        logits = torch.from_numpy(model(x).detach().numpy())
        weight = options.get("weight")
        loss = F.cross_entropy(
            logits,
            torch.from_numpy(y),
            weight=None if weight is None else torch.tensor(weight),
            **{k: v for k, v in options.items() if k != "weight"},
        )
        assert history.validation_loss[epochs - 1] == pytest.approx(loss.item(), abs=1e-6)
        counted = y != options.get("ignore_index", -100)
        accuracy = (logits.argmax(1).numpy() == y)[counted].mean()
        assert history.validation_accuracy[epochs - 1] == accuracy


def test_means_of_an_epoch_and_of_validation_leave_ignored_rows_out():
    x, y = data()
    y[20:] = 2
    model = network_of_seed()
    logits = torch.from_numpy(model(x).detach().numpy())
    labels = torch.from_numpy(y)
    options = {"epochs": 1, "batch_size": ROWS, "lr": 0.0, "ignore_index": 2}
    history = cnn_mnist.fit(model, x, y, **options, validation=(x, y))
    loss = F.cross_entropy(logits, labels, ignore_index=2).item()
    right = (logits.argmax(1) == labels)[labels != 2].double().mean().item()
    assert history.epoch_loss[0] == pytest.approx(loss, abs=1e-6)
    assert history.epoch_accuracy[0] == history.validation_accuracy[0] == right
    nothing = cnn_mnist.fit(model, x, y, **options, validation=(x[30:], y[30:]))
    assert np.isnan(nothing.validation_accuracy[0])


# callbacks ------------------------------------------------------------------------------


def test_a_callback_sees_the_trained_parameters_in_the_same_arrays():
    model = network_of_seed()
    arrays = [param.detach().numpy() for param in model.parameters()]
    seen = []

    def look(epoch):
        assert all(
            np.shares_memory(param.detach().numpy(), array)
            for param, array in zip(model.parameters(), arrays, strict=True)
        )
        seen.append((epoch.number, epoch.loss, epoch.step_loss.tolist(), epoch.lr, weights(model)))

    history = run(model, callback=look)
    assert [each[0] for each in seen] == [1, 2, 3]
    assert [each[1] for each in seen] == history.epoch_loss.tolist()
    assert [loss for each in seen for loss in each[2]] == history.loss.tolist()
    for number, *_, parameters in seen:
        other = network_of_seed()
        run(other, epochs=number)
        assert same(parameters, weights(other))


def test_a_callback_changes_the_learning_rate_and_stops():
    x, y = data()
    theirs = torch.nn.Sequential(torch.nn.Linear(17, 12), torch.nn.ReLU(), torch.nn.Linear(12, 5))
    ours = network_of_seed()
    theirs.load_state_dict(
        {k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()}
    )

    def halve(epoch):
        epoch.lr /= 2
        epoch.stop = epoch.number == 3

    history = run(ours, epochs=10, callback=halve)
    assert history.lr.tolist() == [0.2, 0.1, 0.05] and len(history) == 3
    losses = []
    for lr in history.lr:
        losses += reference(theirs, x, y, epochs=1, batch_size=50, lr=lr, shuffle=False)[0]
    np.testing.assert_allclose(history.loss, losses, atol=1e-5)


def test_a_callback_may_change_parameters_in_place():
    def clear(epoch):
        if epoch.number == 1:
            start = network_of_seed()
            model.load_state_dict(start.state_dict())

    model, once = network_of_seed(), network_of_seed()
    history = run(model, epochs=2, callback=clear)
    assert history.loss[:5].tolist() == history.loss[5:].tolist()
    run(once, epochs=1)
    assert same(weights(model), weights(once))


def test_a_callback_that_replaces_a_parameter_is_told():
    model = network_of_seed()

    def replace(epoch):
        model[2].weight = nn.Parameter(model[2].weight.detach().clone())

    with pytest.raises(RuntimeError, match="callback: 2.weight is another Parameter now"):
        run(model, epochs=2, callback=replace)


def test_what_a_callback_did_to_parameters_survives_its_own_error():
    start = network_of_seed().state_dict()

    def reset(epoch):
        model.load_state_dict(start)
        raise KeyError("enough")

    model = network_of_seed()
    with pytest.raises(KeyError, match="enough"):
        run(model, callback=reset)
    assert same(weights(model), weights(network_of_seed()))


def swap(model):
    def callback(epoch):
        model[0].weight.data = cnn_mnist.zeros(12, 17)

    return callback


def set_lr(value):
    def callback(epoch):
        epoch.lr = value

    return callback


def fail(epoch):
    raise KeyError("mine")


@pytest.mark.parametrize(
    "make, kind, text",
    [
        (lambda model: fail, KeyError, "mine"),
        (lambda model: set_lr(-1), ValueError, "lr: .* got -1"),
        (lambda model: set_lr(math.nan), ValueError, "lr: .* got nan"),
        (swap, RuntimeError, "callback: 0.weight has another array"),
    ],
)
def test_what_a_callback_may_not_do(make, kind, text):
    model, once = network_of_seed(), network_of_seed()
    with pytest.raises(kind, match=text):
        run(model, callback=make(model))
    run(once, epochs=1)
    assert same(weights(model)[1:], weights(once)[1:])


# what must not happen -------------------------------------------------------------------


def test_graphs_from_before_raise():
    model = network_of_seed()
    x, y = data()
    loss = nn.functional.cross_entropy(model(cnn_mnist.from_numpy(x)), cnn_mnist.from_numpy(y))
    run(model, epochs=1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    assert all(param.grad is None for param in model.parameters())


@pytest.mark.parametrize("row, step", [(0, 0), (120, 2), (202, 4)])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_loss_that_is_not_finite_stops_before_its_step(row, step, bad, epoch):
    x, y = data()

    def spoil(done):
        if done.number == epoch - 1:
            x[row] = bad

    model, before = network_of_seed(), network_of_seed()
    if epoch == 1:
        x[row] = bad
    with pytest.raises(FloatingPointError, match=f"^epoch {epoch}: .* step {step} is nan") as error:
        cnn_mnist.fit(model, x, y, epochs=4, batch_size=50, lr=0.2, shuffle=False, callback=spoil)
    assert (error.value.epoch, error.value.step) == (epoch, step)
    good_x, good_y = data()
    if epoch > 1:
        cnn_mnist.fit(
            before, good_x, good_y, epochs=epoch - 1, batch_size=50, lr=0.2, shuffle=False
        )
    if step:
        cnn_mnist.fit(
            before,
            good_x[: 50 * step],
            good_y[: 50 * step],
            epochs=1,
            batch_size=50,
            lr=0.2,
            shuffle=False,
        )
    assert all(np.isfinite(each).all() for each in weights(model))
    for a, b in zip(weights(model), weights(before), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("batch_size", [4, 50])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("epoch", [1, 2])
def test_zeros_are_not_skipped_where_a_weight_is_not_finite(batch_size, compressed, epoch):
    rng = np.random.default_rng(0)
    x = (rng.random((100, 64)) * (rng.random((100, 64)) < 0.1)).astype(np.float32)
    x[:, 5] = 0  # 0 * inf is nan, which reaches the loss of the first step
    rows = pytest.importorskip("scipy.sparse").csr_matrix(x) if compressed else x
    model = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, CLASSES))

    def spoil(done=None):
        model[0].weight.data[2, 5] = math.inf

    if epoch == 1:
        spoil()
    with pytest.raises(FloatingPointError, match=f"^epoch {epoch}: the loss of step 0 is nan"):
        cnn_mnist.fit(
            model,
            rows,
            rng.integers(0, CLASSES, 100),
            epochs=2,
            lr=0.1,
            batch_size=batch_size,
            callback=spoil,
        )


def test_a_learning_rate_that_explodes_raises():
    with pytest.raises(FloatingPointError):
        run(network_of_seed(), epochs=50, lr=1e30)


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("pixel, bias", [(8, 0), (0, 3e38)])  # weight or bias overflows
def test_parameters_that_overflow_in_the_last_step_raise(pixel, bias, momentum):
    model = nn.Linear(1, 2)
    with cnn_mnist.no_grad():
        model.weight.zero_()
        model.bias.fill_(bias)
    x = np.full((1, 1), pixel, np.float32)
    y = np.array([0])
    with pytest.raises(FloatingPointError, match="^epoch 1: a parameter .* after step 0") as error:
        cnn_mnist.fit(model, x, y, epochs=1, batch_size=1, lr=3e38, momentum=momentum)
    assert (error.value.epoch, error.value.step) == (1, 0)


def test_large_parameters_are_finite_though_their_sum_is_not():
    model = nn.Linear(1, 2)
    with cnn_mnist.no_grad():
        model.weight.zero_()
        model.bias.fill_(3e38)
    x, y = np.ones((1, 1), np.float32), np.array([0])
    history = cnn_mnist.fit(model, x, y, epochs=2, batch_size=1, lr=0.0)
    np.testing.assert_allclose(history.loss, math.log(2), rtol=1e-6)


def test_a_learning_rate_of_a_callback_is_checked_in_the_dtype_of_the_model():
    def explode(epoch):
        epoch.lr = 1e39

    with pytest.raises(ValueError, match="lr: expected a finite float32"):
        run(network_of_seed(), callback=explode)


# threads and memory ---------------------------------------------------------------------


def test_more_threads_than_a_machine_has():
    expected, model = network_of_seed(), network_of_seed()
    run(expected, epochs=2, num_threads=1)
    before = cnn_mnist.get_num_threads()
    try:
        cnn_mnist.set_num_threads(2**31 - 1)
        assert cnn_mnist.get_num_threads() == 2**31 - 1
        run(model, epochs=2)
        run(network_of_seed(), num_threads=2**31 - 1)
        assert len(cnn_mnist.predict(model, data(300)[0])) == 300
    finally:
        cnn_mnist.set_num_threads(before)
    assert same(weights(model), weights(expected))


SHORT_OF_MEMORY = """
import resource
import numpy as np
import cnn_mnist

x, y = np.ones((20000, 10), np.float32), np.zeros(20000, np.int64)
model = cnn_mnist.nn.Sequential(cnn_mnist.nn.Linear(10, 1024), cnn_mnist.nn.Linear(1024, 10))
cnn_mnist.fit(model, x, y, epochs=1, batch_size=10, lr=0.1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20), resource.RLIM_INFINITY))
try:
    cnn_mnist.fit(model, x, y, epochs=1, batch_size=20000, lr=0.1)
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads the size in /proc")
def test_fit_says_what_takes_less_memory():
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "not enough memory for training: a smaller batch_size and fewer threads take less\n"
    )
