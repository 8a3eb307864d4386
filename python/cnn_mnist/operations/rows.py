"""softmax, log_softmax and logsumexp along a dimension, computed by the kernels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..dtypes import F32, of_numpy, to_numpy
from ..tape import Array, record
from .common import cast, check_dim, check_dims, either, keeps

if TYPE_CHECKING:
    from ..tensor import Tensor


def _rows(input: Tensor, dim: int, dtype: Any, name: str) -> tuple[Tensor, int]:
    if dtype is not None:
        input = cast(input, to_numpy(dtype))
    x = input._array
    dim = check_dim(dim, x.ndim)
    if x.dtype.kind != "f":
        kind = of_numpy(x.dtype).long_name
        raise NotImplementedError(f"\"{name}_lastdim_kernel_impl\" not implemented for '{kind}'")
    return input, dim


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) along `dim`; dx = (g - sum(g y)) y. `dtype` casts first."""
    input, dim = _rows(input, dim, dtype, "softmax")
    y = _core.softmax(input._array, dim)
    return record(
        y, "SoftmaxBackward0", (input,), lambda g: (_core.softmax_backward(g, y, dim),), (), True
    )


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """x_i - log(sum_j exp(x_j)) along `dim`; dx = g - exp(y) sum(g). `dtype` casts first."""
    input, dim = _rows(input, dim, dtype, "log_softmax")
    y = _core.log_softmax(input._array, dim)
    return record(
        y,
        "LogSoftmaxBackward0",
        (input,),
        lambda g: (_core.log_softmax_backward(g, y, dim),),
        (),
        True,
    )


def logsumexp(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """log(sum_j exp(x_j)) along `dim` (an int or several); dx = g exp(x - y)."""
    dim = either("dim", dim, "axis", axis, None)
    keepdim = keeps(keepdim, keepdims)
    if dim is None:
        raise TypeError("logsumexp() missing 1 required argument: 'dim'")
    if input._array.dtype.kind != "f":
        input = cast(input, F32)
    x = input._array
    axes = check_dims(dim, x.ndim)
    joined = _joined(x, axes)
    y = _core.logsumexp(joined, -1, False)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape)) if keepdim else y.shape

    def gradients(g: Array) -> tuple[Array]:
        return (logsumexp_gradient(g, x, y, axes),)

    return record(y.reshape(kept), "LogsumexpBackward0", (input,), gradients, (input,), True)


def logsumexp_gradient(g: Array, x: Array, y: Array, axes: tuple[int, ...]) -> Array:
    """dx = g exp(x - y); g and y with or without the dimensions summed over."""
    joined = _joined(x, axes)
    shape = joined.shape[:-1] if x.ndim else ()
    dx = _core.logsumexp_backward(g.reshape(shape), joined, y.reshape(shape), -1, False)
    if not x.ndim:
        return dx.reshape(())
    order = _order(x, axes)
    moved = tuple(x.shape[axis] for axis in order)
    return dx.reshape(moved).transpose(np.argsort(order))


def _order(x: Array, axes: tuple[int, ...]) -> list[int]:
    return [*(i for i in range(x.ndim) if i not in axes), *axes]


def _joined(x: Array, axes: tuple[int, ...]) -> Array:
    """x with `axes` moved to the end and joined into one."""
    if not x.ndim:
        return x.reshape(1)
    moved = x.transpose(_order(x, axes))
    count = math.prod(x.shape[axis] for axis in axes)
    return moved.reshape(*moved.shape[: x.ndim - len(axes)], count)
