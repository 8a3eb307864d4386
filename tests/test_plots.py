"""Pictures: what is drawn, on which Axes, and what wrong input gives."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from cnn_mnist import plots

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RANDOM = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


class History(SimpleNamespace):
    def __len__(self):
        return len(self.epoch_loss)


def history(epochs=2, steps=5, validation=True):
    given = np.linspace(0.8, 0.9, epochs) if validation else np.full(epochs, np.nan)
    return History(
        steps_per_epoch=steps,
        loss=np.linspace(2, 1, epochs * steps), accuracy=np.linspace(0, 0.9, epochs * steps),
        epoch_loss=np.linspace(2, 1, epochs), epoch_accuracy=np.linspace(0.5, 0.9, epochs),
        validation_loss=given, validation_accuracy=given,
    )  # fmt: skip


def drawn(ax):
    """The figure can be rendered, and is no blank."""
    ax.figure.canvas.draw()
    assert np.asarray(ax.figure.canvas.buffer_rgba()).std() > 1
    return ax


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_training_curves():
    run = history()
    loss, accuracy = plots.training_curves(run)
    assert drawn(loss).figure is accuracy.figure
    for ax, steps, epochs, validation in (
        (loss, run.loss, run.epoch_loss, run.validation_loss),
        (accuracy, run.accuracy, run.epoch_accuracy, run.validation_accuracy),
    ):
        step_line, epoch_line, validation_line = ax.lines
        np.testing.assert_array_equal(step_line.get_ydata(), steps)
        np.testing.assert_allclose(step_line.get_xdata(), np.arange(1, 11) / 5)
        np.testing.assert_array_equal(epoch_line.get_ydata(), epochs)
        np.testing.assert_array_equal(epoch_line.get_xdata(), [0.5, 1.5])
        np.testing.assert_array_equal(validation_line.get_ydata(), validation)
        np.testing.assert_array_equal(validation_line.get_xdata(), [1, 2])
    assert len(loss.get_legend().get_texts()) == 3


def test_training_curves_without_validation_into_own_axes():
    _, axes = plt.subplots(2, 1)
    loss, accuracy = plots.training_curves(history(epochs=1, validation=False), axes=axes)
    assert [loss, accuracy] == list(axes)
    assert len(loss.lines) == len(accuracy.lines) == 2
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("shape", [(7, 784), (7, 28, 28), (7, 64), (1, 784)])
def test_digits(shape):
    x = RANDOM.random(shape, np.float32)
    ax = drawn(plots.digits(x, columns=3))
    picture = ax.images[0].get_array().filled(np.nan)
    assert np.nansum(picture) == pytest.approx(x.sum(), rel=1e-5)
    assert np.isfinite(picture).sum() == x.size
    assert texts(ax) == []


def test_digits_stand_in_reading_order():
    x = np.stack([np.full((2, 2), i) for i in range(5)])
    picture = plots.digits(x, columns=2).images[0].get_array().filled(-1)
    np.testing.assert_array_equal(picture[2::4, 0::4], [[0, 1], [2, 3], [4, -1]])


def test_digits_with_labels():
    x = RANDOM.random((3, 784))
    assert texts(plots.digits(x, [1, 2, 3])) == ["1", "2", "3"]
    ax = drawn(plots.digits(x, np.array([1, 2, 3]), np.array([1, 7, 3])))
    assert texts(ax) == ["1", "7 (2)", "3"]
    assert [text.get_color() == plots.WRONG for text in ax.texts] == [False, True, False]


def test_text_stands_above_its_digit():
    ax = plots.digits(np.ones((4, 28, 28)), [0, 1, 2, 3], columns=2)
    picture = ax.images[0].get_array().filled(0)
    for text in ax.texts:
        x, y = map(round, text.get_position())
        assert picture[y, x] == 0 and picture[y + 3, x] == 1


def test_weights():
    weight = RANDOM.normal(size=(6, 784))
    ax = drawn(plots.weights(weight, columns=3))
    low, high = ax.images[0].get_clim()
    assert low == -high and 2 < high < np.abs(weight).max()
    layer = SimpleNamespace(parameters=lambda: iter([weight, np.zeros(6)]))
    np.testing.assert_array_equal(plots.weights(layer, columns=3).images[0].get_array(),
                                  ax.images[0].get_array())  # fmt: skip


def test_weights_of_zero():
    low, high = drawn(plots.weights(np.zeros((2, 16)))).images[0].get_clim()
    assert low < 0 < high


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_confusion_counts_are_scikit_learns(dtype):
    metrics = pytest.importorskip("sklearn.metrics")
    true, predicted = RANDOM.integers(0, 10, (2, 1000)).astype(dtype)
    counts = plots.confusion_counts(true, predicted)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(true, predicted))


def test_confusion_counts_rows_are_true():
    np.testing.assert_array_equal(plots.confusion_counts([1, 1, 0], [2, 2, 0], 3),
                                  [[1, 0, 0], [0, 0, 2], [0, 0, 0]])  # fmt: skip


def test_confusion_matrix():
    ax = drawn(plots.confusion_matrix([1, 1, 0, 2], [2, 2, 0, 2], classes=3))
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    assert cells == {(0, 0): "1", (2, 1): "2", (2, 2): "1"}
    white = (ax.images[0].get_array() == 1).all(axis=-1)
    assert white.tolist() == [[False, True, True], [True, True, False], [True, True, False]]
    assert ax.get_title("left") == "2 of 4 right (50.00%)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")


def test_confusion_matrix_of_nothing():
    none = np.zeros(0, np.int64)
    assert texts(drawn(plots.confusion_matrix(none, none))) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.digits(np.zeros((2, 783))), r"x: expected shape .*, got \(2, 783\)"),
        (lambda: plots.digits(np.zeros(784)), r"x: expected shape .*, got \(784,\)"),
        (lambda: plots.digits(np.zeros((2, 784)), [1]), r"true: expected shape \(2,\), got \(1,\)"),
        (lambda: plots.digits(np.zeros((2, 784)), [1, 2], [3]), r"predicted: expected shape"),
        (lambda: plots.weights(np.zeros((50, 10))), r"layer: expected shape .*, got \(50, 10\)"),
        (lambda: plots.confusion_matrix([0, 10], [0, 0]), "true: .* 0 to 9, got 10 at row 1"),
        (lambda: plots.confusion_matrix([0], [-1]), "predicted: .* 0 to 9, got -1 at row 0"),
        (lambda: plots.confusion_counts([0, 1], [0]), r"predicted: .* \(2,\), got int64 .* \(1,\)"),
        (lambda: plots.confusion_counts([0.0], [0]), "true: expected integers .* got float64"),
        (lambda: plots.confusion_counts([[0]], [[0]]), r"true: .* of shape \(1, 1\)"),
    ],
)  # fmt: skip
def test_wrong_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert plt.get_fignums() == []


def test_matplotlib_is_imported_when_used_and_named_when_missing():
    program = """
import sys
import numpy as np
from cnn_mnist import plots
assert "matplotlib" not in sys.modules
assert plots.confusion_counts([1], [1]).sum() == 1
sys.modules["matplotlib"] = None
for draw in (
    lambda: plots.digits(np.zeros((1, 784))),
    lambda: plots.weights(np.zeros((1, 784))),
    lambda: plots.confusion_matrix([1], [1]),
    lambda: plots.training_curves(None),
):
    try:
        draw()
    except ModuleNotFoundError as error:
        assert "pip install 'cnn_mnist[plots]'" in str(error), error
    else:
        raise SystemExit("no error")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
