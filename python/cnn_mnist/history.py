"""What `fit` reports: each step's loss and accuracy, and a summary of each epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Epoch:
    """One epoch of `fit`, as its callback gets it.

    Attributes
    ----------
    number : int
        1 for the first.
    step_loss, step_accuracy : ndarray
        Shape (steps,): the mean loss of each batch before its step, and the share of its rows
        whose largest logit was the target's. Ignored rows do not count.
    loss, accuracy : float
        Their means over the rows of the epoch, those that are ignored left out.
    validation_loss, validation_accuracy : float
        After the epoch; nan without validation data.
    seconds : float
        What the steps of the epoch took.
    lr : float
        The learning rate. A callback may set it for the epochs that follow.
    stop : bool
        A callback may set it: this epoch is the last one then.
    """

    __slots__ = (
        "_validated",
        "accuracy",
        "loss",
        "lr",
        "number",
        "seconds",
        "step_accuracy",
        "step_loss",
        "stop",
        "validation_accuracy",
        "validation_loss",
    )

    def __init__(
        self,
        number: int,
        loss: Floats,
        correct: NDArray[np.int64],
        rows: NDArray[np.int64],
        validation: tuple[float, float] | None,
        seconds: float,
        lr: float,
    ) -> None:
        self.number = number
        self.step_loss = loss
        self.step_accuracy = correct / rows
        self.loss = float(loss @ rows / rows.sum())
        self.accuracy = float(correct.sum() / rows.sum())
        self._validated = validation is not None
        self.validation_loss, self.validation_accuracy = validation or (math.nan, math.nan)
        self.seconds = seconds
        self.lr = lr
        self.stop = False

    def __repr__(self) -> str:
        text = f"Epoch {self.number}: loss {self.loss:.4g}, accuracy {self.accuracy:.4g}"
        if not self._validated:
            return text
        return (
            f"{text}, validation loss {self.validation_loss:.4g}, "
            f"validation accuracy {self.validation_accuracy:.4g}"
        )


class History:
    """The epochs of a `fit`; ``print(history)`` shows them as a table.

    Attributes
    ----------
    loss, accuracy : ndarray
        Shape (steps,): one number for each step of all epochs.
    epoch_loss, epoch_accuracy : ndarray
        Shape (epochs,): means over the rows of each epoch.
    validation_loss, validation_accuracy : ndarray
        Shape (epochs,), after each epoch; nan without validation data.
    lr, seconds : ndarray
        Shape (epochs,).
    steps_per_epoch : int
    """

    def __init__(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self._validated = False
        self._steps: dict[str, list[Floats]] = {"step_loss": [], "step_accuracy": []}
        self._epochs: dict[str, list[float]] = {
            name: []
            for name in (
                "loss",
                "accuracy",
                "validation_loss",
                "validation_accuracy",
                "lr",
                "seconds",
            )
        }

    def append(self, epoch: Epoch) -> None:
        """Add what an epoch gave."""
        self._validated |= epoch._validated
        for columns in (self._steps, self._epochs):
            for name, values in columns.items():
                values.append(getattr(epoch, name))

    def __len__(self) -> int:
        return len(self._epochs["loss"])

    @property
    def loss(self) -> Floats:
        return np.concatenate(self._steps["step_loss"] or [np.empty(0)])

    @property
    def accuracy(self) -> Floats:
        return np.concatenate(self._steps["step_accuracy"] or [np.empty(0)])

    @property
    def epoch_loss(self) -> Floats:
        return np.array(self._epochs["loss"])

    @property
    def epoch_accuracy(self) -> Floats:
        return np.array(self._epochs["accuracy"])

    @property
    def validation_loss(self) -> Floats:
        return np.array(self._epochs["validation_loss"])

    @property
    def validation_accuracy(self) -> Floats:
        return np.array(self._epochs["validation_accuracy"])

    @property
    def lr(self) -> Floats:
        return np.array(self._epochs["lr"])

    @property
    def seconds(self) -> Floats:
        return np.array(self._epochs["seconds"])

    def __repr__(self) -> str:
        columns: list[tuple[str, Any, str]] = [
            ("loss", self.epoch_loss, ".5f"),
            ("accuracy", self.epoch_accuracy, ".4f"),
            ("validation loss", self.validation_loss, ".5f"),
            ("validation accuracy", self.validation_accuracy, ".4f"),
            ("lr", self.lr, "g"),
            ("seconds", self.seconds, ".3f"),
        ]
        if not self._validated:
            columns = [column for column in columns if "validation" not in column[0]]
        lines = ["epoch  " + "  ".join(f"{name:>8}" for name, _, _ in columns)]
        for i in range(len(self)):
            lines.append(
                f"{i + 1:5}  "
                + "  ".join(
                    f"{values[i]:>{max(8, len(name))}{form}}" for name, values, form in columns
                )
            )
        return "\n".join(lines)
