"""Pictures of a training: curves, digits, first-layer weights, the confusion matrix.

Every function draws into the Axes that it is given, or into a new figure, and returns the Axes;
none shows or saves anything. Needs matplotlib: ``pip install 'cnn_mnist[plots]'``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion_counts", "confusion_matrix", "digits", "training_curves", "weights"]

TRAINING, VALIDATION, WRONG, INK = "#4477aa", "#ee7733", "#cc3311", "#333333"


def training_curves(history: Any, *, axes: Any = None) -> tuple[Axes, Axes]:
    """Loss and accuracy of every step and epoch, and of the validation where there was one.

    Parameters
    ----------
    history : History
        What `cnn_mnist.fit` returned.
    axes : sequence of two Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    (loss, accuracy) : tuple of Axes
        Both over the epochs: a step's value stands where the step ends, the mean of an epoch in
        its middle, a validation at its end.
    """
    plt = _pyplot()
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    if axes is None:
        _, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    loss, accuracy = axes
    _curve(loss, history, history.loss, history.epoch_loss, history.validation_loss)
    _curve(accuracy, history, history.accuracy, history.epoch_accuracy, history.validation_accuracy)
    loss.set_ylim(bottom=0)
    loss.set_ylabel("cross-entropy")
    loss.set_title("loss", loc="left")
    accuracy.set_ylim(top=1)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    accuracy.set_title("accuracy", loc="left")
    for ax in (loss, accuracy):
        ax.set_xlabel("epoch")
        ax.set_xlim(0, max(len(history), 1))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    loss.legend(frameon=False)
    return loss, accuracy


def _curve(ax: Axes, history: Any, steps: Any, epochs: Any, validation: Any) -> None:
    ends = np.arange(1, len(history) + 1)
    ax.plot(
        np.arange(1, len(steps) + 1) / history.steps_per_epoch, steps,
        color=TRAINING, alpha=0.4, linewidth=0.8, label="training, each step",
    )  # fmt: skip
    ax.plot(ends - 0.5, epochs, "o-", color=TRAINING, markersize=4, label="training, epoch mean")
    if np.isfinite(validation).any():
        ax.plot(ends, validation, "s-", color=VALIDATION, markersize=4.5, clip_on=False, zorder=3,
                label="validation")  # fmt: skip


def digits(
    x: Any, true: Any = None, predicted: Any = None, *, columns: int = 10, ax: Axes | None = None
) -> Axes:
    """Digits in a grid, with what they are and what they were taken for.

    Parameters
    ----------
    x : array, shape (n, 784), (n, 28, 28) or another square
        The first is at the top left.
    true, predicted : array of int, shape (n,), optional
        Written above each digit. Where the two differ it reads ``predicted (true)``, in red.
    columns : int
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    images = _images(x, "x")
    named = {"true": true, "predicted": predicted}
    given = [_labels(a, len(images), name) for name, a in named.items() if a is not None]
    ax, above = _grid(images, columns, ax, head=9 if given else 0, cmap="gray_r", vmin=0)
    for i in range(len(images) if given else 0):
        wrong = len(given) == 2 and given[0][i] != given[1][i]
        text = f"{given[1][i]} ({given[0][i]})" if wrong else f"{given[-1][i]}"
        colour = WRONG if wrong else INK
        ax.text(*above(i), text, color=colour, ha="center", va="bottom", fontsize=9)
    return ax


def weights(layer: Any, *, columns: int = 10, ax: Axes | None = None) -> Axes:
    """The weights of a first layer as pictures: where a unit wants ink and where it wants none.

    Parameters
    ----------
    layer : Module or array, shape (units, 784) or another square
        A `Linear` or its weight; of another module the first parameter.
    columns : int
    ax : Axes, optional

    Returns
    -------
    Axes
        Red is positive, blue negative, white zero, on one scale for all units. The scale ends at
        the 99.5th percentile of the absolute values.
    """
    weight = next(iter(layer.parameters())) if hasattr(layer, "parameters") else layer
    images = _images(weight, "layer")
    scale = float(np.quantile(np.abs(images), 0.995)) or 1.0
    ax, _ = _grid(images, columns, ax, head=0, cmap="RdBu_r", vmin=-scale, vmax=scale)
    bar = ax.figure.colorbar(ax.images[0], ax=ax, shrink=0.6, aspect=30, pad=0.02, extend="both")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    return ax


def confusion_counts(true: Any, predicted: Any, classes: int = 10) -> NDArray[np.int64]:
    """How often class i (row) was taken for class j (column).

    Parameters
    ----------
    true, predicted : array of int, shape (n,)
        From 0 to `classes` - 1.
    classes : int

    Returns
    -------
    ndarray, int64, shape (classes, classes)
    """
    pair = [np.asarray(true), np.asarray(predicted)]
    for name, a in zip(("true", "predicted"), pair, strict=True):
        if a.ndim != 1 or a.dtype.kind not in "iu" or len(a) != len(pair[0]):
            raise ValueError(
                f"{name}: expected integers of shape {pair[0].shape[:1]}, got {a.dtype.name} of "
                f"shape {a.shape}"
            )
        if len(a) and not 0 <= a.min() <= a.max() < classes:
            row = int(np.argmax((a < 0) | (a >= classes)))
            raise ValueError(
                f"{name}: expected classes 0 to {classes - 1}, got {a[row]} at row {row}"
            )
    cells = np.bincount(
        pair[0].astype(np.int64) * classes + pair[1].astype(np.int64), minlength=classes * classes
    )
    return cells.reshape(classes, classes)


def confusion_matrix(
    true: Any, predicted: Any, *, classes: int = 10, ax: Axes | None = None
) -> Axes:
    """The table of `confusion_counts`: rows are the true classes, columns the predicted ones.

    Parameters
    ----------
    true, predicted : array of int, shape (n,)
    classes : int
    ax : Axes, optional

    Returns
    -------
    Axes
        A cell's colour is its share of its row; orange cells are mistakes, shaded so that one in
        ten is already dark.
    """
    counts = confusion_counts(true, predicted, classes)
    plt = _pyplot()
    if ax is None:
        size = 1.5 + 0.5 * classes, 1.2 + 0.47 * classes
        _, ax = plt.subplots(figsize=size, layout="constrained")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(classes, dtype=bool)
    blues, oranges = plt.get_cmap("Blues"), plt.get_cmap("Oranges")
    shade = np.where(right, share**2, np.minimum(share / 0.1, 1)) * 0.75
    colours = np.where(right[..., None], blues(shade), oranges(shade))
    colours[counts == 0] = 1
    ax.imshow(colours)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            ax.text(j, i, f"{count}", ha="center", va="center", fontsize=8,
                    color="white" if shade[i, j] > 0.5 else INK)  # fmt: skip
    ax.set_xticks(range(classes))
    ax.set_yticks(range(classes))
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    total, hits = int(counts.sum()), int(counts.trace())
    if total:
        ax.set_title(f"{hits:,} of {total:,} right ({hits / total:.2%})", loc="left", fontsize=10)
    return ax


def _grid(
    images: NDArray[Any], columns: int, ax: Axes | None, *, head: int, **colours: Any
) -> tuple[Axes, Callable[[int], tuple[float, float]]]:
    """Draw (n, h, w) images as one picture with `head` pixels for text above each.

    Returns the Axes and the function i -> (x, y) of the middle of the line above image i.
    """
    plt = _pyplot()
    n, height, width = images.shape
    columns = max(1, min(columns, n))
    rows = max(1, math.ceil(n / columns))
    down, right = height + 2 + head, width + 2
    picture = np.full((rows * down, columns * right), np.nan)
    for i, image in enumerate(images):
        bottom, left = (i // columns + 1) * down, i % columns * right
        picture[bottom - height : bottom, left : left + width] = image
    if ax is None:
        size = max(2.0, columns * right / 42), max(1.5, rows * down / 42)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.imshow(picture, **colours)
    ax.set_axis_off()

    def above(i: int) -> tuple[float, float]:
        row, column = divmod(i, columns)
        return column * right + width / 2, (row + 1) * down - height - 1.5

    return ax, above


def _images(x: Any, name: str) -> NDArray[Any]:
    """(n, side, side) from rows or from pictures."""
    a = np.asarray(x)
    if a.ndim == 2:
        side = math.isqrt(a.shape[1])
        if side * side == a.shape[1]:
            return a.reshape(-1, side, side)
    if a.ndim != 3:
        raise ValueError(f"{name}: expected shape (n, 784) or (n, 28, 28), got {a.shape}")
    return a


def _labels(a: Any, n: int, name: str) -> NDArray[Any]:
    labels = np.asarray(a)
    if labels.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), got {labels.shape}")
    return labels


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "cnn_mnist.plots needs matplotlib: pip install 'cnn_mnist[plots]'", name=error.name
        ) from error
    return plt
