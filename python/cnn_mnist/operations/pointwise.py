"""Functions of one element: each beside its gradient (g is the gradient of the result)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from ..dtypes import F32
from ..tape import Array, record
from .common import cast, laid_out, quiet

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
