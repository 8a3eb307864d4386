"""Reads the lesson's mnist.pkl.gz without running anything that the file asks for.

A pickle is a program, and unpickling a stranger's file runs it. Here the few names that arrays
need lead to the classes below, which build plain NumPy arrays of numbers and nothing else (NumPy's
own reconstruction would trust the file's memory layout); any other name is refused.
"""

import gzip
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .idx import PIXELS, Splits, check_labels

ROWS = (50_000, 10_000, 10_000)


def read_lesson_pickle(path: Path) -> Splits:
    """The three splits of the lesson's pickle, written by Python 2 or by Python 3.

    Raises
    ------
    pickle.UnpicklingError
        The pickle asks for something other than NumPy arrays; the message names it.
    ValueError
        A damaged file, or arrays of another shape or type than the lesson's.
    """
    try:
        with gzip.open(path) as file:
            # Python 2's strings are raw bytes; the lesson reads them as latin-1, which is the same
            splits = _ArrayUnpickler(file, encoding="bytes").load()
            if file.read(1):  # reading on also makes gzip compare its checksum
                raise ValueError("more data after the end of the pickle")
    except _Refused as refused:
        raise pickle.UnpicklingError(f"{path}: {refused}") from None
    except Exception as error:  # a damaged pickle can fail in any way
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        raise ValueError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    return _checked(path, splits)


def _checked(path: Path, splits: Any) -> Splits:
    """Fresh arrays of the lesson's shapes and types, or ValueError."""
    if not isinstance(splits, tuple | list) or len(splits) != 3:
        raise ValueError(f"{path}: expected a tuple of 3 splits, got {_describe(splits)}")
    result: list[Any] = []
    for name, rows, pair in zip(("training", "validation", "test"), ROWS, splits, strict=True):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"{path}: {name}: expected (images, labels), got {_describe(pair)}")
        x, y = (item.value if isinstance(item, _Array) else item for item in pair)
        images = _array(path, f"{name} images", x, (rows, PIXELS), np.float32)
        labels = _array(path, f"{name} labels", y, (rows,), np.int64)
        check_labels(path, labels)
        result.append((images, labels))
    return result[0], result[1], result[2]


def _array(path: Path, what: str, got: Any, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    expected = f"a {np.dtype(dtype).name} array of shape {shape}"
    if _describe(got) != expected:
        raise ValueError(f"{path}: {what}: expected {expected}, got {_describe(got)}")
    return np.array(got, dtype, order="C")


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a {value.dtype.name} array of shape {value.shape}"
    size = f" of {len(value)}" if isinstance(value, tuple | list) else ""
    return type(value).__name__ + size


class _Refused(Exception):
    """The pickle asks for a global that no array needs."""


class _Array:
    """Stands for a numpy.ndarray until __setstate__ gives it its numbers."""

    __slots__ = ("value",)

    def __init__(self, value: NDArray[Any] | None = None) -> None:
        self.value = value

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = _numbers(raw, dtype, shape, "F" if fortran else "C")


class _Dtype:
    """Stands for a numpy.dtype of plain numbers: a letter, a size and a byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = _text(state[1])


# The callables of a pickle are instances without attributes of their own, since a pickle may also
# set the attributes of whatever it names.
class _Reconstruct:
    __slots__ = ()

    def __call__(self, subtype: object, shape: object, code: object) -> _Array:
        return _Array()


class _MakeDtype:
    __slots__ = ()

    def __call__(self, code: Any, align: object = False, copy: object = False) -> _Dtype:
        return _Dtype(_text(code))


class _FromBuffer:
    """numpy's _frombuffer, by which pickle protocol 5 writes an array."""

    __slots__ = ()

    def __call__(self, raw: Any, dtype: Any, shape: Any, order: Any) -> _Array:
        return _Array(_numbers(raw, dtype, shape, _text(order)))


class _Encode:
    """_codecs.encode, by which Python 3 writes bytes into protocol 2; latin-1 only."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise _Refused(f"_codecs.encode with encoding {encoding!r}: expected 'latin1'")
        return text.encode("latin-1")


_NDARRAY = object()  # the type itself, which _reconstruct is called with
_GLOBALS = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _MakeDtype(),
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy.core.numeric", "_frombuffer"): _FromBuffer(),
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer(),
    ("_codecs", "encode"): _Encode(),
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _GLOBALS:
            raise _Refused(f"the global {module}.{name} is refused: only NumPy arrays are read")
        return _GLOBALS[module, name]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _numbers(raw: Any, dtype: _Dtype, shape: Any, order: Any) -> NDArray[Any]:
    code = dtype.order.replace("|", "=") + dtype.code
    if not re.fullmatch("[<>=][fiu][1248]", code):
        raise ValueError(f"dtype {code!r}: expected one of plain numbers")
    return np.frombuffer(raw, code).reshape(shape, order=order)
