"""softmax, log_softmax and logsumexp along a dimension, computed by the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..dtypes import F32, of_numpy, to_numpy
from ..tape import Array, record
from .common import cast, check_dim, check_dims, either

if TYPE_CHECKING:
    from ..tensor import Tensor


def _rows(input: Tensor, dim: int, dtype: Any, name: str) -> tuple[Tensor, int]:
    if dtype is not None:
        input = cast(input, to_numpy(dtype))
    x = input._array
    if x.dtype.kind != "f":
        kind = of_numpy(x.dtype).long_name
        raise NotImplementedError(f'"{name}_lastdim_kernel_impl" not implemented for \'{kind}\'')
    return input, check_dim(dim, x.ndim)


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
    keepdim = either("keepdim", keepdim, "keepdims", keepdims, False)
    if dim is None:
        raise TypeError("logsumexp() missing 1 required argument: 'dim'")
    if input._array.dtype.kind != "f":
        input = cast(input, F32)
    x = input._array
    axes = check_dims(dim, x.ndim)
    rows, back = _as_rows(x, axes)
    y = _core.logsumexp(rows, -1, False)

    def gradients(g: Array) -> tuple[Array]:
        return (back(_core.logsumexp_backward(g.reshape(y.shape), rows, y, -1, False)),)

    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape)) if keepdim else y.shape
    return record(y.reshape(kept), "LogsumexpBackward0", (input,), gradients, (input,), True)


def _as_rows(x: Array, axes: tuple[int, ...]) -> Any:
    """x with `axes` moved to the end and joined into one, and the way back."""
    if not x.ndim:
        return x.reshape(1), lambda g: g.reshape(())
    others = [i for i in range(x.ndim) if i not in axes]
    order = [*others, *axes]
    moved = x.transpose(order)
    joined = moved.reshape([x.shape[i] for i in others] + [int(np.prod([x.shape[i] for i in axes]))])
    return joined, lambda g: g.reshape(moved.shape).transpose(np.argsort(order))
