"""Comparisons, logic and tests: results are bool Tensors, free of gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..dtypes import of_numpy
from ..tape import Storage, kind_of, wrap
from .common import broadcast, check_dims, either, keeps, mismatch, pair

if TYPE_CHECKING:
    from ..tensor import Tensor


def _compare(function: Callable[..., Any], input: Any, other: Any) -> Tensor:
    result = _core.compare_integers(function, input, other)
    if result is None:
        _, _, x, y = pair(input, other)
        result = wrap(broadcast(function, x, y))
    return result


def eq(input: Any, other: Any) -> Tensor:
    """input == other, element by element."""
    return _compare(np.equal, input, other)


def ne(input: Any, other: Any) -> Tensor:
    """input != other, element by element."""
    return _compare(np.not_equal, input, other)


def lt(input: Any, other: Any) -> Tensor:
    """input < other, element by element."""
    return _compare(np.less, input, other)


def le(input: Any, other: Any) -> Tensor:
    """input <= other, element by element."""
    return _compare(np.less_equal, input, other)


def gt(input: Any, other: Any) -> Tensor:
    """input > other, element by element."""
    return _compare(np.greater, input, other)


def ge(input: Any, other: Any) -> Tensor:
    """input >= other, element by element."""
    return _compare(np.greater_equal, input, other)


def _bitwise(
    name: str, function: Callable[..., Any], input: Any, other: Any, refused: str = "f"
) -> Tensor:
    _, _, x, y = pair(input, other)
    if x.dtype.kind in refused:
        raise mismatch(x, y) or NotImplementedError(
            f"\"{name}_cpu\" not implemented for '{of_numpy(x.dtype).long_name}'"
        )
    return wrap(broadcast(function, x, y))


def bitwise_and(input: Any, other: Any) -> Tensor:
    """input & other: of masks, or bit by bit of integers."""
    return _bitwise("bitwise_and", np.bitwise_and, input, other)


def bitwise_or(input: Any, other: Any) -> Tensor:
    """input | other: of masks, or bit by bit of integers."""
    return _bitwise("bitwise_or", np.bitwise_or, input, other)


def bitwise_xor(input: Any, other: Any) -> Tensor:
    """input ^ other: of masks, or bit by bit of integers."""
    return _bitwise("bitwise_xor", np.bitwise_xor, input, other)


def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """input << other of integers: input * 2**other."""
    return _bitwise("lshift", np.left_shift, input, other, "fb")


def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """input >> other of integers: input / 2**other, rounded down."""
    return _bitwise("rshift", np.right_shift, input, other, "fb")


def rlshift(input: Any, other: Any) -> Tensor:
    """other << input."""
    return bitwise_left_shift(other, input)


def rrshift(input: Any, other: Any) -> Tensor:
    """other >> input."""
    return bitwise_right_shift(other, input)


def bitwise_not(input: Tensor) -> Tensor:
    """~input: of a mask, or bit by bit of integers."""
    if input._array.dtype.kind == "f":
        raise NotImplementedError(
            f"\"bitwise_not_cpu\" not implemented for '{input.dtype.long_name}'"
        )
    return wrap(np.invert(input._array))


def invert(input: Tensor) -> Tensor:
    """`bitwise_not`; floats raise Python's error for an operand."""
    if input._array.dtype.kind == "f":
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return bitwise_not(input)


def isnan(input: Tensor) -> Tensor:
    """Where `input` is not a number."""
    return wrap(np.isnan(input._array))


def isinf(input: Tensor) -> Tensor:
    """Where `input` is infinite."""
    return wrap(np.isinf(input._array))


def isfinite(input: Tensor) -> Tensor:
    """Where `input` is neither infinite nor nan."""
    return wrap(np.isfinite(input._array))


def _quantify(
    function: Any, input: Tensor, dim: Any, keepdim: bool, axis: Any, keepdims: bool | None
) -> Tensor:
    dim = either("dim", dim, "axis", axis, None)
    keepdim = keeps(keepdim, keepdims)
    x = input._array
    axes: tuple[int, ...] | None = check_dims(dim, x.ndim)
    if isinstance(dim, (tuple, list)) and not dim:
        axes = ()  # not every dimension, as for sums: torch tests each element by itself
    elif not x.ndim:
        axes = None
    found = function(x, axis=axes, keepdims=keepdim)
    return wrap(np.asarray(found, x.dtype if x.dtype == np.uint8 else bool, "C"))


def all(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Whether every element (along `dim`) is true."""
    return _quantify(np.all, input, dim, keepdim, axis, keepdims)


def any(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Whether some element (along `dim`) is true."""
    return _quantify(np.any, input, dim, keepdim, axis, keepdims)


def _check_other(function: str, other: Any) -> None:
    if not isinstance(other, Storage):
        raise TypeError(f"{function}(): argument 'other' must be Tensor, not {kind_of(other)}")


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same size and elements."""
    _check_other("equal", other)
    _, _, x, y = pair(input, other)
    return x.shape == y.shape and bool(np.array_equal(x, y))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |input - other| <= atol + rtol |other| everywhere."""
    _check_other("allclose", other)
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"{input.dtype.long_name} did not match {other.dtype.long_name}: "
            "both Tensors must have the same dtype"
        )
    _, _, x, y = pair(input, other)
    close = broadcast(lambda a, b: np.isclose(a, b, rtol, atol, equal_nan), x, y)
    return bool(np.all(close))
