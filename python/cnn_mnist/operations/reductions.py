"""Sums, means, spreads and extremes, over everything or along dimensions, beside their gradients.

`dim`/`keepdim` are torch's names, `axis`/`keepdims` NumPy's; both are taken. Results lie in memory
row after row, as torch's do, whatever the order of the input.
"""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _core
from ..dtypes import I64, of_numpy, to_numpy
from ..tape import Array, Storage, record, wants_grad, wrap
from .bounds import maximum, minimum
from .common import cast, check_bool, check_dim, check_dims, compute, either, keeps, quiet, sum_over

if TYPE_CHECKING:
    from ..tensor import Tensor


def _spread(g: Array, shape: tuple[int, ...], axes: tuple[int, ...], keepdim: bool) -> Array:
    """The gradient of a sum over `axes`: g at every element that went into it (a view)."""
    if not keepdim and shape:
        g = np.expand_dims(g, axes)
    return np.broadcast_to(g, shape)


def _axes(x: Array, dim: Any) -> tuple[int, ...]:
    axes = check_dims(dim, x.ndim)
    return axes if x.ndim else ()


def _add_up(x: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    if len(axes) == x.ndim and not keepdim:
        return _core.sum(x)
    return sum_over(x, axes, keepdim)


def sum(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Sum of all elements, or along `dim` (an int or several). Integers and bools give int64."""
    dim = either("dim", dim, "axis", axis, None)
    keepdim = keeps(keepdim, keepdims)
    if dtype is not None:
        if wants_grad(input) and to_numpy(dtype).kind != "f":
            raise RuntimeError(f"sum() has no gradient in {dtype}: write x.detach().sum(dtype=...)")
        input = cast(input, to_numpy(dtype))
    x = input._array
    axes = _axes(x, dim)
    if x.dtype.kind != "f":
        kind = x.dtype if dtype is not None else I64
        return wrap(np.asarray(x.sum(axis=axes, dtype=kind, keepdims=keepdim), order="C"))
    shape = x.shape
    name = "SumBackward0" if dim is None else "SumBackward1"
    return record(
        _add_up(x, axes, keepdim), name, (input,), lambda g: (_spread(g, shape, axes, keepdim),)
    )


def mean(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Mean of all elements, or along `dim`. Integers raise: write x.float().mean()."""
    if dim is None and axis is None and dtype is None and keepdim is False and keepdims is None:
        found = _core.mean(input)
        if found is not None:
            return found
    dim = either("dim", dim, "axis", axis, None)
    keepdim = keeps(keepdim, keepdims)
    if dtype is not None:
        input = cast(input, to_numpy(dtype))
    x = input._array
    if x.dtype.kind != "f":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {of_numpy(x.dtype).long_name}"
        )
    axes = _axes(x, dim)
    shape, count = x.shape, _count(x, axes)
    total = _add_up(x, axes, keepdim)
    out = compute(_core.div, np.divide, total, np.asarray(count, x.dtype))
    name = "MeanBackward0" if dim is None else "MeanBackward1"
    return record(
        out, name, (input,), lambda g: (_spread(g / g.dtype.type(count), shape, axes, keepdim),)
    )


def _count(x: Array, axes: tuple[int, ...]) -> int:
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return count


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Variance, unbiased: the sum of squared distances from the mean over n - correction.

    d var = 2 (x - mean) dx / (n - correction).
    """
    wide, gradients = _variance("var", input, dim, unbiased, keepdim, correction, axis, keepdims)
    value = quiet(np.asarray, wide, input._array.dtype, "C")
    return record(value, "VarBackward0", (input,), lambda g: (gradients(g),), (input,))


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Standard deviation: the square root of `var`; d std = d var / (2 std), 0 where std is 0."""
    wide, gradients = _variance("std", input, dim, unbiased, keepdim, correction, axis, keepdims)
    # of the wide one: the variance may be too small, or too large, for the type
    y = quiet(np.asarray, np.sqrt(wide), input._array.dtype, "C")

    def of_std(g: Array) -> tuple[Array]:
        return (gradients(np.where(y == 0, np.zeros_like(g), g / (2 * y))),)

    return record(y, "StdBackward0", (input,), of_std, (input,), True)


def _variance(
    name: str,
    input: Tensor,
    dim: Any,
    unbiased: bool,
    keepdim: bool,
    correction: float | None,
    axis: Any,
    keepdims: bool | None,
) -> tuple[Array, Callable[[Array], Array]]:
    """The variance in float64, and its gradient."""
    if isinstance(dim, bool):  # var(False): torch's overload with `unbiased` alone
        dim, unbiased = None, dim
    dim = either("dim", dim, "axis", axis, None)
    keepdim = keeps(keepdim, keepdims)
    check_bool("unbiased", unbiased)
    if correction is None:
        correction = int(unbiased)
    x = input._array
    if x.dtype.kind != "f":
        raise RuntimeError("std and var only support floating point and complex dtypes")
    axes = _axes(x, dim)
    freedom = builtins.max((_count(x, axes) if x.size else 0) - correction, 0)
    if freedom == 0:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            stacklevel=3,
        )
    wide = x.astype(np.float64, copy=False)

    def compute() -> tuple[Array, Array]:
        middle = np.sum(wide, axis=axes, keepdims=True) / np.float64(_count(x, axes))
        squares = np.sum((wide - middle) ** 2, axis=axes, keepdims=keepdim)
        return middle, np.divide(squares, freedom)

    middle, value = quiet(compute)

    def gradients(g: Array) -> Array:
        wide_g = _spread(g, x.shape, axes, keepdim)
        return (wide_g * (2 * (x - middle) / freedom)).astype(x.dtype)

    return value, gradients


# extremes ----------------------------------------------------------------------------------
class MaxAlongDim(NamedTuple):
    """What `x.max(dim)` returns: values, and their first indices along dim."""

    values: Any
    indices: Any

    def __repr__(self) -> str:
        return _extremes_text("max", self.values, self.indices)


class MinAlongDim(NamedTuple):
    """What `x.min(dim)` returns: values, and their first indices along dim."""

    values: Any
    indices: Any

    def __repr__(self) -> str:
        return _extremes_text("min", self.values, self.indices)


def _extremes_text(name: str, values: Any, indices: Any) -> str:
    return f"cnn_mnist.return_types.{name}(\nvalues={values!r},\nindices={indices!r})"


def max(
    input: Tensor,
    dim_or_other: Any = None,
    keepdim: bool = False,
    *,
    dim: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    other: Any = None,
) -> Any:
    """Largest element, nan if there is one; along `dim`: (values, indices).

    `max(other)`, a Tensor, compares element by element.

    Equal largest elements share the gradient; along `dim` the index returned gets all.
    """
    return _extreme("max", input, dim_or_other, keepdim, dim, axis, keepdims, other)


def min(
    input: Tensor,
    dim_or_other: Any = None,
    keepdim: bool = False,
    *,
    dim: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    other: Any = None,
) -> Any:
    """Smallest element, nan if there is one; along `dim`: (values, indices).

    `min(other)`, a Tensor, compares element by element.

    Equal smallest elements share the gradient; along `dim` the index returned gets all.
    """
    return _extreme("min", input, dim_or_other, keepdim, dim, axis, keepdims, other)


# of each: elementwise, reduce, locate, the type of the pair
_EXTREMES: dict[str, tuple[Any, Any, Any, Any]] = {
    "max": (maximum, np.max, np.argmax, MaxAlongDim),
    "min": (minimum, np.min, np.argmin, MinAlongDim),
}


def _extreme(
    name: str,
    input: Tensor,
    dim_or_other: Any,
    keepdim: bool,
    dim: Any,
    axis: Any,
    keepdims: bool | None,
    other: Any,
) -> Any:
    elementwise, reduce, locate, pair_type = _EXTREMES[name]
    if isinstance(dim_or_other, Storage) and dim is other is None and not keepdim:
        dim_or_other, other = None, dim_or_other
    given = [each for each in (dim_or_other, dim, other) if each is not None]
    if len(given) > 1 or (other is not None and axis is not None):
        raise TypeError(f"{name}(): expected dim or other, got both")
    if other is not None:
        return elementwise(input, other)
    dim = either("dim", dim_or_other if dim is None else dim, "axis", axis, None)
    keepdim = keeps(keepdim, keepdims)
    if keepdim and dim is None:
        raise TypeError(f"{name}(): keepdim needs a dim")
    x = input._array
    title = name.capitalize()
    if dim is not None:
        dim = check_dim(dim, x.ndim)
        _refuse_empty(name, x, dim)
        indices = np.asarray(locate(x, axis=dim) if x.ndim else np.zeros((), I64), order="C")
        at = np.expand_dims(indices, dim) if x.ndim else indices
        values = np.take_along_axis(x, at, dim) if x.ndim else x.copy()
        values = np.asarray(values if keepdim else values.reshape(indices.shape), order="C")
        found = wrap(at if keepdim else indices)
        along = record(
            values,
            f"{title}Backward0",
            (input,),
            lambda g: (_put_along(g, x, at, dim),),
            (found,),
        )
        return pair_type(along, found)
    _refuse_empty(name, x, None)
    value = np.asarray(reduce(x))

    def gradients(g: Array) -> tuple[Array]:
        ties = (x == value) | (np.isnan(x) & np.isnan(value))
        return (np.where(ties, g / np.count_nonzero(ties), 0).astype(x.dtype),)

    return record(value, f"{title}Backward1", (input,), gradients, (input,), True)


def _put_along(g: Array, x: Array, at: Array, dim: int) -> Array:
    if not x.ndim:
        return g
    dx = np.zeros(x.shape, x.dtype)
    np.put_along_axis(dx, at, g.reshape(at.shape), dim)
    return dx


def _refuse_empty(name: str, x: Array, dim: int | None) -> None:
    if dim is None and not x.size:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    if dim is not None and x.ndim and not x.shape[dim]:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")


def argmax(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Index of the largest element, the first of equal ones; nan counts as the largest."""
    if axis is None and keepdim is False and keepdims is None:
        found = _core.argmax_along(input, dim)
        if found is not None:
            return found
    return _locate("argmax", np.argmax, input, dim, keepdim, axis, keepdims)


def argmin(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Index of the smallest element, the first of equal ones; nan counts as the smallest."""
    return _locate("argmin", np.argmin, input, dim, keepdim, axis, keepdims)


def _locate(
    name: str,
    function: Any,
    input: Tensor,
    dim: int | None,
    keepdim: bool,
    axis: int | None,
    keepdims: bool | None,
) -> Tensor:
    dim = either("dim", dim, "axis", axis, None)
    keepdim = keeps(keepdim, keepdims)
    x = input._array
    if x.dtype.kind == "b":
        raise RuntimeError(f"{name}(): does not support bool input")
    if dim is not None:
        dim = check_dim(dim, x.ndim) if x.ndim else check_dim(dim, 0) and None
    if dim is None:
        if not x.size:
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
            )
        found = np.asarray(function(x), I64)
        return wrap(found.reshape((1,) * x.ndim) if keepdim else found)
    _refuse_empty(name, x, dim)
    return wrap(np.asarray(function(x, axis=dim, keepdims=keepdim), I64, "C"))
