"""The larger or the smaller of two, element by element: `clamp`, and `max` and `min` of two Tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dtypes import F32, I64, promote_types, result_type
from ..tape import Array, Storage, edges_of, kind_of, record, recorded, wrap
from .common import NUMBER, broadcast, cast, element, laid_out, pair, plain, quiet, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor


# clamp -------------------------------------------------------------------------------------
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Each element moved into [min, max]: numbers, or Tensors that broadcast with the input.

    The gradient passes where the element was inside, bounds included, else to the bound.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [each for each in (min, max) if each is not None]
    if all(isinstance(each, Storage) for each in bounds):
        return _between(input, min, max, "ClampBackward0")
    return _clamp(input, min, max, "clamp", "ClampBackward1")


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """max(x, min), as in the lesson's own relu; the gradient passes where x >= min."""
    if isinstance(min, Storage):
        return _between(input, min, None, "ClampMinBackward1")
    if min is None:
        raise TypeError("clamp_min(): argument 'min' must be a number or a Tensor, not NoneType")
    return _clamp(input, min, None, "clamp_min", "ClampMinBackward0")


def _clamp(input: Tensor, low: Any, high: Any, function: str, name: str) -> Tensor:
    low, high = plain(low), plain(high)
    for bound, each in (("min", low), ("max", high)):
        if isinstance(each, float) and input._array.dtype.kind != "f":
            input = cast(input, F32)
        elif type(each) is int and input._array.dtype.kind == "b":
            input = cast(input, I64)
        elif each is not None and not isinstance(each, NUMBER):
            raise TypeError(
                f"{function}(): argument '{bound}' must be a number, or each bound a Tensor, "
                f"not {kind_of(each)}"
            )
    x = input._array
    _refuse_bool(x)
    lower, upper = (None if each is None else element(each, x.dtype) for each in (low, high))

    def moved() -> Array:
        y = x if lower is None else _larger(x, lower)
        return np.asarray(y if upper is None else _smaller(y, upper))

    def gradients(g: Array) -> tuple[Array]:
        return (np.where(_inside(x, lower, upper), g, np.zeros_like(g)),)

    return record(laid_out(quiet(moved), x), name, (input,), gradients, (input,))


def _between(input: Tensor, low: Any, high: Any, name: str) -> Tensor:
    """clamp to Tensors, which get the gradient of the elements that they replace."""
    dtype = _mixed(each for each in (input, low, high) if each is not None)
    input = cast(input, dtype)
    low, high = (None if each is None else cast(each, dtype) for each in (low, high))
    x = input._array
    lower, upper = (None if each is None else each._array for each in (low, high))
    if lower is not None and upper is not None:  # torch takes bools beside one bound
        _refuse_bool(x)
    out = x if lower is None else broadcast(_larger, x, lower)
    out = np.asarray(out if upper is None else broadcast(_smaller, out, upper))
    operands = input, low, high
    edges = edges_of(operands)
    if edges is None:
        return wrap(out)

    def gradients(g: Array) -> Sequence[Array | None]:
        nothing = np.zeros_like(g)
        dx = np.where(_inside(x, lower, upper), g, nothing)
        below = False if lower is None else x < lower
        above = False if upper is None else x > upper
        if lower is not None and upper is not None:
            below, above = below & (lower < upper), above | (upper < lower)
        return (
            sum_to(dx, x.shape),
            None if lower is None else sum_to(np.where(below, g, nothing), lower.shape),
            None if upper is None else sum_to(np.where(above, g, nothing), upper.shape),
        )

    return recorded(out, name, edges, gradients, operands)


def _mixed(tensors: Iterable[Storage]) -> np.dtype[Any]:
    """torch's type of several mixed: 0-d ones together weigh less than the others together."""
    types: dict[int, np.dtype[Any]] = {}
    for each in tensors:
        rank, kind = min(each._array.ndim, 1) + 1, each._array.dtype
        types[rank] = promote_types(types.get(rank, kind), kind)
    return result_type(types[1], 1, types[2], 2) if len(types) == 2 else types.popitem()[1]


# NumPy gives the second of equal operands: a zero keeps its sign.
def _larger(x: Any, bound: Array) -> Any:
    return np.maximum(bound, x)


def _smaller(x: Any, bound: Array) -> Any:
    return np.minimum(bound, x)


def _inside(x: Array, lower: Array | None, upper: Array | None) -> Any:
    inside = True if lower is None else x >= lower
    return inside if upper is None else inside & (x <= upper)


def _refuse_bool(x: Array) -> None:
    if x.dtype.kind == "b":
        raise NotImplementedError("\"clamp_cpu\" not implemented for 'Bool'")


# two Tensors -------------------------------------------------------------------------------
def maximum(input: Any, other: Any) -> Tensor:
    """The larger of two elements, nan if one is; equal ones share the gradient."""
    return _extremum(input, other, np.maximum, "MaximumBackward0")


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of two elements, nan if one is; equal ones share the gradient."""
    return _extremum(input, other, np.minimum, "MinimumBackward0")


def _extremum(input: Any, other: Any, function: Any, name: str) -> Tensor:
    if not isinstance(other, Storage):
        where = f"{function.__name__}(): argument 'other'"
        raise TypeError(f"{where} must be Tensor, not {kind_of(other)}")
    a, b, x, y = pair(input, other)
    out = np.asarray(broadcast(function, x, y))
    edges = edges_of((a, b))
    if edges is None:
        return wrap(out)

    def gradients(g: Array) -> Sequence[Array | None]:
        shared = np.where(x == y, g / 2, g)
        x_loses, y_loses = (x < y, x > y) if function is np.maximum else (x > y, x < y)
        nothing = np.zeros_like(g)
        dx, dy = np.where(x_loses, nothing, shared), np.where(y_loses, nothing, shared)
        return sum_to(dx, x.shape), sum_to(dy, y.shape)

    return recorded(out, name, edges, gradients, (a, b))
