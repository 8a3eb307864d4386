"""Rows of input, their labels and the weights of classes, checked for the compiled module."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .dtypes import of_numpy
from .operations.common import array_like
from .operations.creation import as_tensor
from .tape import wrap
from .tensor import Tensor

Array = NDArray[Any]


class Rows:
    """The rows of x, as they came and as the compiled module takes them.

    Parameters
    ----------
    x : array, shape (N, I), or scipy.sparse matrix
        Anything that `as_tensor` takes.
    columns : int
        I, what the first layer takes.
    dtype : dtype
        That of the layers.
    flatten : bool
        Whether x may be (N, d1, ..., dK).
    name : str
        What messages call it.

    Attributes
    ----------
    core : ndarray or tuple
        (N, I), or (values, index, begin, shape) of compressed rows.

    Raises
    ------
    RuntimeError
        When shape or dtype are not those that the first layer takes.
    """

    def __init__(
        self, x: Any, columns: int, dtype: np.dtype[Any], flatten: bool, name: str
    ) -> None:
        self._sparse = hasattr(x, "tocsr")
        self._given: Any = x.tocsr() if self._sparse else _array(name, x)
        shape, kind = self._given.shape, self._given.dtype
        if len(shape) < 2 or len(shape) > 2 and not flatten:
            hint = "" if len(shape) < 2 else "; nn.Flatten() before the first layer joins the rest"
            raise RuntimeError(f"{name}: expected shape (N, {columns}), got {tuple(shape)}{hint}")
        if kind != dtype:
            raise RuntimeError(
                f"{name}: mat1 and mat2 must have the same dtype: expected "
                f"{dtype}, that of the model's parameters, got {kind}"
            )
        found = math.prod(shape[1:])
        if found != columns:
            raise RuntimeError(
                f"{name}: mat1 and mat2 shapes cannot be multiplied: expected "
                f"{columns} columns, the in_features of the first layer, got "
                f"{found}"
            )
        self.core: Any = (
            _compressed(self._given) if self._sparse else self._given.reshape(shape[0], columns)
        )

    def __len__(self) -> int:
        return int(self._given.shape[0])

    def first(self, n: int) -> Tensor:
        """The first n rows as they came, dense."""
        rows = self._given[:n]
        return wrap(rows.toarray() if self._sparse else rows)


def _array(name: str, value: Any, dtype: Any = None) -> Array:
    """The array of `value` in native byte order; Python numbers become `dtype`."""
    if type(value) is np.ndarray:
        return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))
    try:
        return as_tensor(value, None if array_like(value) else dtype)._array
    except (TypeError, ValueError, RuntimeError) as error:
        raise type(error)(f"{name}: {error}") from None


def _compressed(x: Any) -> tuple[Array, Array, Array, tuple[int, int]]:
    # scipy trusts indptr; a wrong one is left to the trainer, which names the place
    begin, entries = x.indptr, min(x.indices.size, x.data.size)
    sound = begin[0] >= 0 and begin[-1] <= entries and bool((begin[1:] >= begin[:-1]).all())
    if sound and not x.has_canonical_format:  # columns in order, each once in a row
        x = x.copy()
        x.sum_duplicates()
    return (
        x.data,
        x.indices,
        x.indptr.astype(np.int64, copy=False),
        x.shape,
    )


def labels(y: Any, rows: int, classes: int, ignore_index: int, name: str) -> NDArray[np.int64]:
    """The classes of the rows as int64, all in [0, classes) or `ignore_index`.

    Raises
    ------
    RuntimeError
        When y is not one-dimensional, or neither int64 nor uint8.
    ValueError
        When there are not as many labels as rows.
    IndexError
        When a label is out of range.
    """
    target = _array(name, y)
    try:
        return _core.labels(target, rows, classes, ignore_index)
    except (IndexError, RuntimeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def class_weights(weight: Any, classes: int, dtype: np.dtype[Any]) -> Array | None:
    """The factor of each class; Python numbers become `dtype`.

    Raises
    ------
    RuntimeError
        When there is not one for each class, or they are of another dtype.
    """
    if weight is None:
        return None
    array = _array("weight", weight, dtype)
    if array.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or "
            "no classes but got weight tensor of shape: "
            f"{list(array.shape)}"
        )
    if array.dtype != dtype:
        names = (of_numpy(each).long_name for each in (dtype, array.dtype))
        raise RuntimeError("weight: expected scalar type {} but found {}".format(*names))
    return array
