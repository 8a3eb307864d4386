"""Tensors from data and from scratch; types as torch infers them."""

from __future__ import annotations

import builtins
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dtypes import BOOL, F32, F64, I64, of_numpy, promote_types, to_numpy
from ..tape import Array, Storage, wrap
from .common import (
    array_like,
    cast,
    check_device,
    check_range,
    laid_out,
    new_shape,
    plain,
    quiet,
    size_given,
    to_array,
    warn_of_lost_grad,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new leaf Tensor with a copy of `data`.

    Parameters
    ----------
    data : number, (nested) sequence, array or Tensor
        Python floats give float32, ints int64, bools bool; arrays keep their type (float64 too).
    dtype : dtype, optional
    requires_grad : bool

    Raises
    ------
    TypeError
        An element type that Tensors cannot hold; numbers beside sequences.
    RuntimeError
        Something that holds no numbers, as None.
    ValueError
        Sequences of unequal length.
    """
    check_device(device)
    if isinstance(data, Storage):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use x.detach().clone() or "
            "x.detach().clone().requires_grad_(True), rather than tensor(x).",
            stacklevel=2,
        )
    return _leaf(_copied(data, dtype), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a Tensor that shares its memory where type and kind of `data` allow.

    A Tensor of the right type comes back as it is, history included.
    """
    check_device(device)
    kind = None if dtype is None else to_numpy(dtype)
    if isinstance(data, Storage):
        return cast(data, data._array.dtype if kind is None else kind)
    if array_like(data):
        array = _checked(to_array(data))
        same = kind is None or kind == array.dtype
        return wrap(array.view() if same else quiet(array.astype, kind))
    return wrap(_copied(data, dtype))


def from_numpy(ndarray: Array) -> Tensor:
    """A Tensor over the memory of `ndarray`, of any layout."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return wrap(_checked(ndarray).view())  # its shape stays, whatever the caller's becomes


def _leaf(array: Array, requires_grad: bool) -> Tensor:
    result = wrap(array)
    return result.requires_grad_(requires_grad) if requires_grad else result


def _checked(array: Array) -> Array:
    """`array` if Tensors can hold it."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order: "
            "write x.astype(x.dtype.newbyteorder('='))"
        )
    of_numpy(array.dtype)
    return array


def _copied(data: Any, dtype: Any) -> Array:
    kind = None if dtype is None else to_numpy(dtype)
    if array_like(data) and not isinstance(data, np.generic):
        array = _checked(to_array(data))
        dtype = array.dtype if kind is None else kind
        return laid_out(quiet(np.array, array, dtype), array)  # type: ignore[no-any-return]
    found = _infer(data)
    values = _unwrapped(data)
    try:
        if kind is None or kind.kind not in "iu":
            return quiet(np.array, values, kind or found)  # type: ignore[no-any-return]
        check_range(quiet(np.array, values, F64 if found.kind == "f" else I64), kind)
        return quiet(np.array, values, I64).astype(kind)  # type: ignore[no-any-return]
    except ValueError as error:
        raise _ragged(values, _sizes_of_first(values)) or ValueError(
            f"could not make a Tensor of the sequence: {error}"
        ) from None
    except OverflowError:
        raise ValueError("Overflow when unpacking long long: an int beyond 64 bits") from None


def _is_sequence(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def _sizes_of_first(values: Any) -> tuple[int, ...]:
    """The lengths of the sequence, of its first part, of the first part of that, ..."""
    sizes = []
    while _is_sequence(values):
        sizes.append(len(values))
        values = values[0] if len(values) else None
    return tuple(sizes)


def _ragged(values: Any, sizes: tuple[int, ...], dim: int = 0) -> Exception | None:
    """torch's error for the first part that does not have the size of the first ones."""
    if isinstance(values, np.ndarray) and values.shape == sizes[dim:]:
        return None
    if dim == len(sizes):
        kind = type(values).__name__
        return TypeError(f"must be real number, not {kind}") if _is_sequence(values) else None
    expected = f"expected sequence of length {sizes[dim]} at dim {dim}"
    if not _is_sequence(values):
        return TypeError(f"not a sequence: {expected} (got {type(values).__name__})")
    if len(values) != sizes[dim]:
        return ValueError(f"{expected} (got {len(values)})")
    return next(filter(None, (_ragged(each, sizes, dim + 1) for each in values)), None)


def _unwrapped(data: Any) -> Any:
    """Sequences with their Tensors replaced by arrays."""
    if isinstance(data, Storage):
        if data._array.size != 1:
            raise (ValueError if data._array.dtype.kind == "f" else TypeError)(
                "only one element tensors can be converted to Python scalars: use stack"
            )
        warn_of_lost_grad(data, stacklevel=6)
        return data._array.reshape(())
    if isinstance(data, (list, tuple)) and builtins.any(
        isinstance(each, (Storage, list, tuple)) for each in data
    ):
        return list(map(_unwrapped, data))  # adds no frame of its own to the stacklevel
    return data


def _infer(data: Any) -> np.dtype[Any]:
    """torch's type of Python data."""
    if isinstance(data, np.generic) or array_like(data):
        return of_numpy(to_array(data).dtype).dtype
    if isinstance(data, bool):
        return BOOL
    if isinstance(data, int):
        return I64
    if isinstance(data, float):
        return F32
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if hasattr(data, "toarray"):  # SciPy's, whose parts are sparse again
        raise TypeError(f"a {type(data).__name__} is sparse, Tensors are not: write x.toarray()")
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__") or isinstance(data, dict):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    kinds = set(map(type, data))
    if not kinds:
        return F32
    if kinds <= {builtins.float, builtins.int, builtins.bool}:
        return F32 if float in kinds else I64 if int in kinds else BOOL
    if isinstance(next(iter(data)), str):
        raise ValueError("too many dimensions 'str'")
    types = {_infer(each) for each in data}
    result = types.pop()
    for each in types:
        result = promote_types(result, each)
    return result


# from scratch ------------------------------------------------------------------------------
def zeros(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A Tensor of zeros, float32 unless `dtype` says otherwise."""
    check_device(device)
    return _leaf(np.zeros(*_sizes("zeros", sizes, size, dtype)), requires_grad)


def ones(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A Tensor of ones, float32 unless `dtype` says otherwise."""
    check_device(device)
    return _leaf(np.ones(*_sizes("ones", sizes, size, dtype)), requires_grad)


def _sizes(
    function: str, sizes: Sequence[Any], size: Any, dtype: Any
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a new array."""
    kind = F32 if dtype is None else to_numpy(dtype)
    return new_shape(function, size_given(function, sizes, size), kind), kind


def arange(
    start: float | None = None,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below `end`; int64 for integers, float32 with a float among them."""
    check_device(device)
    if end is None:
        start, end = 0, start
    start = 0 if start is None else start
    start, end, step = map(plain, (start, end, step))
    for each in (start, end, step):
        if not isinstance(each, (int, float)):
            raise TypeError(f"arange(): expected numbers, got {type(each).__name__}")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    whole = builtins.all(isinstance(each, int) for each in (start, end, step))
    kind = to_numpy(dtype) if dtype is not None else I64 if whole else F32
    if kind.kind == "b":
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if kind == I64 and not whole:  # torch counts with what it counts
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero, also rounded towards 0 for int64")
    (count,) = new_shape("arange", (math.ceil((end - start) / step),), kind)
    if kind.kind in "iu":
        values = int(start) + int(step) * np.arange(count, dtype=I64)
    else:
        values = quiet(_steps, start, step, count, kind)
    return _leaf(values.astype(kind, copy=False), requires_grad)


def _steps(start: float, step: float, count: int, kind: np.dtype[Any]) -> Array:
    """start + step * i as torch's AVX2 loop rounds it on one thread.

    It goes in blocks, each counted from its first number; the last ones stand alone.
    """
    exact = 2.0 ** (np.finfo(kind).nmant + 1)  # all smaller whole numbers are exact
    whole = float(start).is_integer() and float(step).is_integer()
    if count == 0 or whole and max(abs(start), abs(start + step * count)) <= exact:
        return start + step * np.arange(count, dtype=F64)
    lanes = 32 // kind.itemsize
    i = np.arange(count, dtype=F64)
    blocks = i[: count - count % (2 * lanes)].reshape(-1, lanes)
    first = _fused(step, blocks[:, :1], start).astype(kind).astype(F64)
    inside = _fused(step, np.arange(lanes, dtype=F64), first).ravel()
    return np.concatenate([inside, _fused(step, i[blocks.size :], start)]).astype(kind)


def _fused(step: float, i: Array, start: Any) -> Array:
    """step * i + start, rounded once: what the roundings leave off (Dekker) is added last."""
    mantissa, exponent = math.frexp(step)
    half = math.ldexp(round(mantissa * 2**26), exponent - 26)
    high, low = half * i, (step - half) * i
    product = high + low
    total = product + start
    change = total - product
    left = (product - (total - change)) + (start - change) + (low - (product - high))
    return np.where(np.isfinite(left), total + left, total)
