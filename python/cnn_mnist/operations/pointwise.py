"""Functions of one element: each beside its gradient (g is the gradient of the result)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..dtypes import F32, I64
from ..tape import Array, record
from .common import NUMBER, cast, element, laid_out, number, quiet

if TYPE_CHECKING:
    from ..tensor import Tensor


def _floating(input: Tensor) -> Tensor:
    """Integers become float32."""
    return input if input._array.dtype.kind == "f" else cast(input, F32)


def exp(input: Tensor) -> Tensor:
    """e^x of each element. d exp(x) = exp(x) dx.

    Integers give float32. float32 results are within 1 ULP.
    """
    input = _floating(input)
    y = laid_out(_core.exp(input._array), input._array)
    return record(y, "ExpBackward0", (input,), lambda g: (g * y,), (), True)


def log(input: Tensor) -> Tensor:
    """Natural logarithm of each element. d log(x) = dx / x."""
    input = _floating(input)
    x = input._array
    return record(laid_out(_core.log(x), x), "LogBackward0", (input,), lambda g: (g / x,), (input,))


def sqrt(input: Tensor) -> Tensor:
    """Square root of each element. d sqrt(x) = dx / (2 sqrt(x))."""
    input = _floating(input)
    y = np.asarray(quiet(np.sqrt, input._array))
    return record(y, "SqrtBackward0", (input,), lambda g: (g / (2 * y),), (), True)


def abs(input: Tensor) -> Tensor:
    """Absolute value of each element. d|x| = sign(x) dx, 0 at 0 and nan."""
    x = input._array
    if x.dtype.kind == "b":
        raise NotImplementedError("\"abs_cpu\" not implemented for 'Bool'")

    def gradients(g: Array) -> tuple[Array]:
        return (g * ((x > 0).astype(x.dtype) - (x < 0)),)

    return record(np.abs(x), "AbsBackward0", (input,), gradients, (input,))


def relu(input: Tensor) -> Tensor:
    """max(x, 0); its gradient is g where x > 0 or x is nan, 0 elsewhere."""
    x = input._array
    if x.dtype.kind != "f":
        if x.dtype.kind == "b":
            raise RuntimeError("Boolean inputs not supported for relu")
        return record(np.maximum(x, 0), "ReluBackward0", (input,), lambda g: (g,))
    y = laid_out(_core.relu(x), x)
    return record(y, "ReluBackward0", (input,), lambda g: (_core.relu_backward(g, y),), (), True)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Each element moved into [min, max]; the gradient passes where it was inside, bounds included."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    return _clamp(input, min, max, "ClampBackward1")


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """max(x, min), as in the lesson's own relu; the gradient passes where x >= min."""
    return _clamp(input, min, None, "ClampMinBackward0")


def _bound(value: Any, dtype: np.dtype[Any]) -> Array | None:
    if value is None:
        return None
    return element(value, dtype) if isinstance(value, NUMBER) else number(value, dtype)


def _clamp(input: Tensor, low: Any, high: Any, name: str) -> Tensor:
    low, high = (each.item() if isinstance(each, np.generic) else each for each in (low, high))
    for each in (low, high):
        if isinstance(each, float) and input._array.dtype.kind != "f":
            input = cast(input, F32)
        elif type(each) is int and input._array.dtype.kind == "b":
            input = cast(input, I64)
    x = input._array
    if x.dtype.kind == "b":
        raise NotImplementedError("\"clamp_cpu\" not implemented for 'Bool'")
    lower, upper = (_bound(each, x.dtype) for each in (low, high))

    def gradients(g: Array) -> tuple[Array]:
        inside = np.ones(x.shape, bool)
        if lower is not None:
            inside &= x >= lower
        if upper is not None:
            inside &= x <= upper
        return (np.where(inside, g, np.zeros_like(g)),)

    y = x if lower is None else np.maximum(x, lower)
    return record(y if upper is None else np.minimum(y, upper), name, (input,), gradients, (input,))
