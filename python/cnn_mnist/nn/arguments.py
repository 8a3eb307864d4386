"""What the functions take: arrays, Tensors and whatever offers its elements as an array."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..operations.common import own, to_array
from ..operations.layers import REDUCTIONS
from ..tape import Array, Storage, wrap

_ndarray = np.ndarray


def as_array(function: str, name: str, value: Any) -> Array:
    """The array of an argument; TypeError for what offers none, such as a list."""
    if type(value) is _ndarray:
        return value
    if isinstance(value, Storage) or hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return to_array(value)
    if not isinstance(value, (str, bytes)):
        try:
            return np.asarray(memoryview(value))
        except TypeError:
            pass
    raise TypeError(f"{function}(): argument '{name}' must be Tensor, not {type(value).__name__}")


def all_arrays(a: Any, b: Any, optional: Any) -> bool:
    """Whether all are plain arrays: the short way, without Tensors."""
    if type(a) is not _ndarray or type(b) is not _ndarray:
        return False
    return optional is None or type(optional) is _ndarray


def all_tensors(a: Any, b: Any, optional: Any) -> bool:
    """Whether all are Tensors."""
    if not isinstance(a, Storage) or not isinstance(b, Storage):
        return False
    return optional is None or isinstance(optional, Storage)


def as_tensor(function: str, name: str, value: Any, keep_beside: tuple[Any, ...] = ()) -> Any:
    """The argument as a Tensor; an array is copied where an operation on it and one of
    `keep_beside` is recorded that needs it again."""
    if isinstance(value, Storage):
        return value
    return wrap(own(as_array(function, name, value), *keep_beside))


def as_tensor_or_none(
    function: str, name: str, value: Any, keep_beside: tuple[Any, ...] = ()
) -> Any:
    """`as_tensor`, or None."""
    return None if value is None else as_tensor(function, name, value, keep_beside)


def as_gradient(function: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """grad_output, which may be a number where the result is 0-d."""
    if isinstance(value, (int, float)):
        return np.array(value, dtype)
    return as_array(function, "grad_output", value)


def check_reduced(
    function: str, name: str, value: Array, input: Array, dims: tuple[int, ...], keepdim: bool
) -> None:
    """RuntimeError unless `value` has the shape of the input without `dims`, or with 1 there."""
    sizes = ((i in dims, size) for i, size in enumerate(input.shape))
    expected = [1 if gone else size for gone, size in sizes if keepdim or not gone]
    if list(value.shape) != expected:
        raise RuntimeError(
            f"{function}(): argument '{name}': expected shape {expected}, got {list(value.shape)}"
        )


def like(results: Any, *arguments: Any) -> Any:
    """Arrays, or Tensors if there is one among the arguments."""
    for each in arguments:
        if isinstance(each, Storage):
            return tuple(map(wrap, results)) if isinstance(results, tuple) else wrap(results)
    return results


def reduction_of(
    reduction: str, size_average: bool | None, reduce: bool | None, stacklevel: int = 3
) -> str:
    """The reduction meant by its name or its deprecated names, which win."""
    if size_average is not None or reduce is not None:
        mean = size_average is None or size_average
        reduction = "none" if reduce is False else "mean" if mean else "sum"
        warnings.warn(
            "size_average and reduce args will be deprecated, "
            f"please use reduction='{reduction}' instead.",
            stacklevel=stacklevel,
        )
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction: none, mean or sum")
    return reduction
