"""fit: the whole training loop in C, on the model's own arrays; predict: its answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .chain import Chain
from .claims import claimed
from .history import Epoch, History
from .optim import check_sgd_options
from .options import check_count, check_flag, check_is_number, check_number, thread_limit
from .random import Generator, check_generator
from .rows import Rows, class_weights, labels
from .tape import wrap
from .tensor import Tensor
from .utils.data.sampler import epoch_order

__all__ = ["fit", "predict"]


def fit(
    model: Any,
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    momentum: float = 0,
    nesterov: bool = False,
    weight_decay: float = 0,
    shuffle: bool = True,
    generator: Generator | None = None,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    validation: tuple[Any, Any] | None = None,
    callback: Callable[[Epoch], Any] | None = None,
    progress: bool = False,
    num_threads: int | None = None,
) -> History:
    """Train a chain of Linear and ReLU layers with cross-entropy and SGD.

    The numbers are those of the loop over ``DataLoader(TensorDataset(x, y), batch_size,
    shuffle)`` with `nn.CrossEntropyLoss` and `optim.SGD`, in the same order of rows and, if
    shuffled, with the same draws from the generators; without `shuffle` nothing is drawn (a
    DataLoader draws a seed for its workers, which nobody uses). The loop is C and releases
    the GIL; the parameters' arrays change in place after every epoch, before `callback` is
    called.

    Parameters
    ----------
    model : Module
        A `Linear`, a `Sequential` of Linear and ReLU layers, or a module whose `layers` list
        holds such layers and whose ``forward`` applies them in turn.
    x : array, shape (N, I), or scipy.sparse matrix
        In the dtype of the model's parameters. Shape (N, ...) where the model begins with
        `Flatten`. Neither copied nor changed where it is an array; nor may anybody else change
        it before `fit` returns, since zeros may be found only once.
    y : array of int64 or uint8, shape (N,)
        The class of each row, or `ignore_index`.
    epochs, batch_size : int
        At least 1, no default; the last batch of an epoch may be shorter.
    lr : float
        No default.
    momentum, weight_decay : float, default 0
    nesterov : bool, default False
        As for `optim.SGD`.
    shuffle : bool, default True
        A new order for every epoch, the one that ``DataLoader(shuffle=True)`` gives. False:
        the order of `x` in every epoch.
    generator : Generator, optional
        Where the orders come from; the default generator without it.
    weight : array, shape (C,), optional
        In the dtype of the model's parameters; without it every class weighs 1.
    ignore_index : int, default -100
    label_smoothing : float, default 0
        As for `nn.CrossEntropyLoss`.
    validation : (x, y), optional
        Measured after every epoch, with the same loss; without it nothing is.
    callback : callable, optional
        Called with an `Epoch` after every epoch. It may set its `lr` and `stop`, and may
        change parameters in place.
    progress : bool, default False
        Show a progress bar with loss and accuracy.
    num_threads : int, optional
        At most so many; without it as many as pay. The result has the same bits for each.

    Returns
    -------
    History

    Raises
    ------
    TypeError
        When the model is no such chain; the message names the layer.
    RuntimeError
        When shapes or dtypes do not fit, or another thread's `fit` is training a parameter.
    ValueError
        When an option is out of range, x and y differ in length, there are no rows, a layer
        stands twice in the chain or a parameter does not require grad.
    IndexError
        When a label is out of range; the message names its row.
    FloatingPointError
        When the loss of a batch is not finite, as that of rows that are all ignored; its
        ``epoch`` (from 1) and ``step`` (from 0, in that epoch) tell which. The parameters are
        as before that step. Also when a parameter is not finite after the last step of an
        epoch, of which no loss can tell any more.
    KeyboardInterrupt
        Within a tenth of a second of Ctrl-C. The parameters are as after the last whole step.
    """
    chain = Chain(model)
    _check_trainable(chain)
    check_count("epochs", epochs, 1)
    check_count("batch_size", batch_size, 1)
    check_count("ignore_index", ignore_index, None)
    for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
        check_number(name, value, chain.dtype)
    for name, value in (("nesterov", nesterov), ("shuffle", shuffle), ("progress", progress)):
        check_flag(name, value)
    check_sgd_options(lr, momentum, 0, weight_decay, nesterov)
    check_is_number("label_smoothing", label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    check_generator(generator)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: expected a callable, got {type(callback).__name__}")
    threads = thread_limit(num_threads)
    data = _data(chain, x, y, ignore_index, "")
    held_out = None if validation is None else _validation(chain, validation, ignore_index)
    loss = (class_weights(weight, chain.classes, chain.dtype), ignore_index, label_smoothing)
    options = (momentum, weight_decay, nesterov)
    with claimed(chain.parameters()):
        run = _Run(
            chain, data, held_out, loss, batch_size, shuffle, generator, threads, options
        )  # fmt: skip
        chain.check_forward(data[0])
        with _bar(progress, epochs * run.steps) as bar:
            return run.train(epochs, lr, callback, bar)


def predict(
    model: Any, x: Any, *, probabilities: bool = False, num_threads: int | None = None
) -> Any:
    """The class of each row: the index of its largest logit, or the softmax of its logits.

    Parameters
    ----------
    model : Module
        A chain of Linear and ReLU layers, as for `fit`.
    x : array, shape (N, I), or scipy.sparse matrix
    probabilities : bool
        Return probabilities instead of classes.
    num_threads : int, optional
        At most so many; without it as many as pay.

    Returns
    -------
    ndarray, or Tensor where x is one
        int64 (N,), or (N, C) in the dtype of the parameters.

    Raises
    ------
    TypeError
        When the model is no such chain; the message names the layer.
    RuntimeError
        When shapes or dtypes do not fit.
    ValueError
        When the model's last layer gives nothing: no classes.
    """
    chain = Chain(model)
    if not chain.classes:
        raise ValueError("model: expected at least one class, the out_features of its last layer")
    threads = thread_limit(num_threads)
    rows = Rows(x, chain.in_features, chain.dtype, chain.flatten, "x")
    logits = chain.forward(rows.core, threads)
    chain.check_forward(rows)
    answer = _core.softmax(logits, 1) if probabilities else _core.argmax(logits)
    return wrap(answer) if isinstance(x, Tensor) else answer


class _Run:
    """A trainer of the compiled module with what is needed around its epochs."""

    def __init__(
        self,
        chain: Chain,
        data: tuple[Rows, NDArray[np.int64]],
        validation: tuple[Rows, NDArray[np.int64]] | None,
        loss: tuple[Any, int, float],
        batch_size: int,
        shuffle: bool,
        generator: Generator | None,
        threads: int,
        sgd: tuple[float, float, bool],
    ) -> None:
        momentum, weight_decay, nesterov = sgd
        rows, target = data
        self._chain, self._validation, self._loss = chain, validation, loss
        self._shuffle, self._generator, self._threads = shuffle, generator, threads
        self._target, self._batch_size = target, batch_size
        self._n, self._parameters = len(rows), list(chain.parameters())
        self._arrays = [param._array for _, param in self._parameters]
        ends = np.minimum(np.arange(0, self._n, batch_size) + batch_size, self._n)
        self._batch_rows = np.diff(ends, prepend=0)
        counts = target != loss[1]
        self._counts = None if counts.all() else counts
        self._trainer = _core.Trainer(
            chain.layers(),
            chain.relu_input,
            rows.core,
            target,
            batch_size,
            momentum,
            0.0,
            weight_decay,
            nesterov,
            False,
            *loss,
            not shuffle,
            threads,
        )

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return len(self._batch_rows)

    def train(
        self, epochs: int, lr: float, callback: Callable[[Epoch], Any] | None, bar: Any
    ) -> History:
        history = History(self.steps)
        for number in range(1, epochs + 1):
            epoch = self._epoch(number, lr, bar)
            history.append(epoch)
            if callback is not None:
                self._call(callback, epoch)
                lr = epoch.lr
                if epoch.stop:
                    break
        return history

    def _epoch(self, number: int, lr: float, bar: Any) -> Epoch:
        order = epoch_order(self._n, self._generator) if self._shuffle else None
        before = (number - 1) * self.steps
        poll = None if bar is None else lambda done, total: bar.update(before + done - bar.n)
        start = time.perf_counter()
        try:
            loss, correct = self._trainer.epoch(order, lr, poll)
        except FloatingPointError as error:
            reason = self._weightless(error.step, order)  # type: ignore[attr-defined]
            error.args = (f"epoch {number}: {error}{reason}",)
            error.epoch = number  # type: ignore[attr-defined]
            raise
        finally:
            self._sync()
        seconds = time.perf_counter() - start
        rows = self._counted(order)
        epoch = Epoch(number, loss, correct, rows, self._validate(), seconds, lr)
        if bar is not None:
            bar.update(number * self.steps - bar.n)
            bar.set_postfix(loss=f"{epoch.loss:.4f}", accuracy=f"{epoch.accuracy:.4f}")
        return epoch

    def _weightless(self, step: int, order: NDArray[np.int64] | None) -> str:
        """Why a batch's mean loss is 0 / 0, if it is."""
        rows = slice(step * self._batch_size, (step + 1) * self._batch_size)
        target = self._target[rows if order is None else order[rows]]
        weight, ignore_index, _ = self._loss
        target = target[target != ignore_index]
        if not len(target):
            return f": all its rows have the label {ignore_index}, which is ignored"
        if weight is not None and not weight[target].any():
            return ": all its rows are of classes of weight 0"
        return ""

    def _counted(self, order: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """How many rows of each batch are not ignored."""
        if self._counts is None:
            return self._batch_rows
        counts = self._counts if order is None else self._counts[order]
        begins = np.cumsum(self._batch_rows) - self._batch_rows
        return np.add.reduceat(counts, begins, dtype=np.int64)

    def _validate(self) -> tuple[float, float] | None:
        if self._validation is None:
            return None
        rows, target = self._validation
        logits = self._chain.forward(rows.core, self._threads)
        weight, ignore_index, label_smoothing = self._loss
        loss, _, _ = _core.cross_entropy(
            logits, target, weight, ignore_index, 1, label_smoothing, False, False
        )
        counted = target != ignore_index
        if not counted.any():
            return float(loss), math.nan
        return float(loss), float((logits.argmax(axis=1) == target)[counted].mean())

    def _call(self, callback: Callable[[Epoch], Any], epoch: Epoch) -> None:
        """Let the callback see the epoch, and take over what it did to the parameters."""
        callback(epoch)
        check_number("lr", epoch.lr, self._chain.dtype)
        self._chain.check_same(self._parameters)
        for (path, param), array in zip(self._parameters, self._arrays, strict=True):
            if param._array is not array:
                raise RuntimeError(
                    f"callback: {path} has another array now; change parameters in place"
                )
        self._trainer.reload()

    def _sync(self) -> None:
        """Write the trained values into the parameters."""
        self._trainer.sync()
        for _, param in self._parameters:
            param._changes[0] += 1  # a graph that saved the old values must not go backward


def _data(
    chain: Chain, x: Any, y: Any, ignore_index: int, prefix: str
) -> tuple[Rows, NDArray[np.int64]]:
    rows = Rows(x, chain.in_features, chain.dtype, chain.flatten, f"{prefix}x")
    if not len(rows):
        raise ValueError(f"{prefix}x: expected at least one row, got none")
    return rows, labels(y, len(rows), chain.classes, ignore_index, f"{prefix}y")


def _validation(chain: Chain, pair: Any, ignore_index: int) -> tuple[Rows, NDArray[np.int64]]:
    if not isinstance(pair, (tuple, list)):
        raise TypeError(f"validation: expected a pair (x, y), got {type(pair).__name__}")
    if len(pair) != 2:
        raise ValueError(f"validation: expected a pair (x, y), got {len(pair)} members")
    return _data(chain, pair[0], pair[1], ignore_index, "validation ")


def _bar(progress: bool, total: int) -> Any:
    """A progress bar over all steps, or a context of None."""
    if not progress:
        return nullcontext()
    from tqdm import tqdm

    return tqdm(total=total, unit="step")


def _check_trainable(chain: Chain) -> None:
    """Raise ValueError unless every parameter is trained, writable and stands there once."""
    seen: list[tuple[str, NDArray[Any]]] = []
    for path, param in chain.parameters():
        array = param._array
        if not param.requires_grad:
            raise ValueError(f"model: {path} does not require grad, and fit trains all parameters")
        if not array.flags.writeable:
            raise ValueError(f"model: {path} is read-only")
        for other, known in seen:
            if np.may_share_memory(array, known):
                raise ValueError(
                    f"model: {path} shares memory with {other}; fit trains every layer by itself"
                )
        seen.append((path, array))
