"""Element types of Tensors under torch's names, and torch's rules for mixing them."""

from __future__ import annotations

import builtins
from typing import Any, final

import numpy as np


@final
class dtype:
    """Element type of a Tensor: `cnn_mnist.float32` and its siblings, one object each.

    NumPy takes it wherever it takes a dtype (`np.zeros(3, dtype=cnn_mnist.float32)`), and it
    equals the NumPy dtype that it stands for.

    Attributes
    ----------
    name : str
        `"float32"`.
    dtype : numpy.dtype
        The NumPy dtype; this attribute is also what NumPy looks for.
    long_name : str
        The name in torch's error messages: `"Float"` for float32, `"Long"` for int64.
    """

    __module__ = "cnn_mnist"
    __slots__ = ("dtype", "long_name", "name")

    def __init__(self, name: str, long_name: str) -> None:
        self.name = name
        self.long_name = long_name
        self.dtype = np.dtype(name)

    @property
    def is_floating_point(self) -> builtins.bool:
        return self.dtype.kind == "f"

    @property
    def itemsize(self) -> builtins.int:
        return self.dtype.itemsize

    def __repr__(self) -> str:
        return f"cnn_mnist.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    def __hash__(self) -> builtins.int:
        return hash(self.dtype)

    def __eq__(self, other: object) -> builtins.bool:
        if self is other:
            return True
        if other is None or isinstance(other, dtype):
            return False
        try:
            return self.dtype == np.dtype(other)  # type: ignore[call-overload]
        except TypeError:
            return NotImplemented


float32 = float = dtype("float32", "Float")
float64 = double = dtype("float64", "Double")
int8 = dtype("int8", "Char")
int16 = short = dtype("int16", "Short")
int32 = int = dtype("int32", "Int")
int64 = long = dtype("int64", "Long")
uint8 = dtype("uint8", "Byte")
bool_ = bool = dtype("bool", "Bool")

ALL = (float32, float64, int8, int16, int32, int64, uint8, bool_)
_OF_NUMPY = {each.dtype: each for each in ALL}
_OF_PYTHON = {builtins.float: float64, builtins.int: int64, builtins.bool: bool_}

F32, F64, I64, U8, BOOL = (each.dtype for each in (float32, float64, int64, uint8, bool_))


def of_numpy(numpy_dtype: np.dtype[Any]) -> dtype:
    """The dtype of a NumPy dtype; TypeError when Tensors cannot hold it."""
    found = _OF_NUMPY.get(numpy_dtype)
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{numpy_dtype}. "
            f"The only supported types are: {_names()}."
        )
    return found


def to_numpy(kind: Any) -> np.dtype[Any]:
    """The NumPy dtype of `kind`: a dtype of ours, NumPy's, or Python's float, int, bool.

    TypeError, naming what Tensors hold, for any other.
    """
    if type(kind) is dtype:
        return kind.dtype
    if isinstance(kind, type) and kind in _OF_PYTHON:
        return _OF_PYTHON[kind].dtype
    if kind is None:
        raise _no_dtype(kind)
    try:
        return of_numpy(np.dtype(kind)).dtype
    except (TypeError, ValueError) as error:
        raise _no_dtype(kind) from error


def _no_dtype(kind: Any) -> TypeError:
    return TypeError(f"dtype must be one of cnn_mnist's ({_names()}), not {kind!r}")


def _names() -> str:
    return ", ".join(each.name for each in ALL)


def check_limits(low: builtins.int, high: builtins.int, kind: np.dtype[Any]) -> None:
    """Raise unless all of low..high fit into `kind`."""
    if kind.kind == "f":
        return
    smallest, largest = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
    for name, value in (("from", low), ("to - 1", high)):
        if not smallest <= value <= largest:
            raise RuntimeError(f"{name} is out of bounds for {kind.name}: {value}")


def promote_types(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """torch's type of a mix: a floating type wins over any integer, whatever their widths."""
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2}


def result_type(
    a: np.dtype[Any], a_rank: builtins.int, b: np.dtype[Any], b_rank: builtins.int
) -> np.dtype[Any]:
    """torch's type of an operation on `a` and `b`.

    The operand of lower rank (0 Python number, 1 0-d Tensor, 2 Tensor with dimensions)
    decides only when it is of a higher category: bool < integer < floating.
    """
    if a_rank == b_rank:
        return promote_types(a, b)
    high, low = (a, b) if a_rank > b_rank else (b, a)
    return low if _CATEGORY[low.kind] > _CATEGORY[high.kind] else high
