"""Changes in place: `x -= y`, `x.zero_()`; what the tape allows, counts and records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._core import grad_enabled
from ..dtypes import of_numpy
from ..tape import (
    Array,
    Node,
    Storage,
    current,
    edges_of,
    kind_of,
    make_node,
    replay_all,
    spread_all,
    succeed,
    wants_grad,
    wrap,
)
from . import arithmetic, bounds, comparisons, pointwise
from .arithmetic import ONE, add, div, mul, old_form, refuse_bool, scaled, sub
from .common import NUMBER, element, exactly, mismatch, pair, quiet, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor


EMPTY = np.empty(0)  # `part` of what one number fills: its elements may share memory


# what the tape needs to know -------------------------------------------------------------------
def prepare(tensor: Storage, source: Storage | None = None, part: Array | None = None) -> bool:
    """Before a change in place, with values from `source`: whether it is to be recorded.

    RuntimeError if the change would falsify gradients, or if elements of what is written
    (`part`, by default all of it) share memory.
    """
    x = tensor._array
    check_apart(x if part is None else part)
    if not grad_enabled():
        return False
    wanted = wants_grad(tensor, source) and x.dtype.kind == "f"
    if tensor._view is None:
        if tensor._requires_grad and tensor._node is None:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation."
            )
        return wanted
    root, _, _, fixed = tensor._view
    required = root._requires_grad or tensor._requires_grad
    if fixed and (wanted or required):
        raise RuntimeError(fixed.format("is being"))
    if required and root._node is None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
    return wanted


def check_apart(x: Array) -> None:
    """RuntimeError if elements of x share memory."""
    shared = x.base is not None and any(n > 1 and not step for n, step in zip(x.shape, x.strides))
    if shared and x.size:
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )


def check_overlap(x: Array, y: Array) -> None:
    """RuntimeError if writing x would change what is still to be read of y, as torch sees it.

    Arrays with gaps are not looked at: NumPy copies y where it must.
    """
    if x is y or not np.may_share_memory(x, y):
        return
    same = x.ctypes.data == y.ctypes.data and x.strides == y.strides and x.shape == y.shape
    if not same and _dense(x) and _dense(y):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor "
            "refer to a single memory location. Please clone() the tensor before performing the "
            "operation."
        )


def _dense(x: Array) -> bool:
    order = sorted(range(x.ndim), key=lambda dim: -x.strides[dim])
    return x.transpose(order).flags.c_contiguous


def changed(tensor: Storage) -> None:
    """Count a change of the memory, which all views of it share."""
    tensor._changes[0] += 1


def rebase(tensor: Storage, node: Node) -> None:
    """From now on `tensor`'s value is what `node` made; if it is a view, its root's part too."""
    view = tensor._view
    if view is None:
        succeed(tensor, node)
        return
    root, steps, *_ = view
    before = root._node

    def gradients(g: Array) -> Sequence[Array]:
        part = replay_all(steps, g)
        written = spread_all(steps, np.ones_like(part))
        return np.where(written != 0, np.zeros_like(g), g), part

    succeed(root, make_node("CopySlices", [before, node], gradients))
    current(tensor)


def _recorded(tensor: Tensor, result: Tensor) -> Tensor:
    """Put the recorded `result` in the place of `tensor`'s value."""
    _store(tensor, result._array)
    node = result._node
    if node is not None:
        node.saved = [
            (tensor._changes, tensor._changes[0]) if counter is result._changes else (counter, at)
            for counter, at in node.saved
        ]
        rebase(tensor, node)
    return tensor


def _before(tensor: Tensor) -> Tensor:
    """A copy of the value with the history of `tensor`, for an operation that keeps it."""
    copy = wrap(tensor._array.copy())
    copy._node, copy._requires_grad = tensor._node, tensor._requires_grad
    return copy


def _store(tensor: Storage, y: Array) -> None:
    x = tensor._array
    _check_result(x, y.shape, y.dtype)
    x[...] = y
    changed(tensor)


def _check_result(x: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """RuntimeError unless x can take a result of this shape and type."""
    if shape != x.shape:
        raise RuntimeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(shape)}"
        )
    if dtype != x.dtype:
        _check_type(dtype, x.dtype)


def _check_type(result: np.dtype[Any], target: np.dtype[Any]) -> None:
    if "biuf".index(result.kind) > "biuf".index(target.kind) and not (
        result.kind in "iu" and target.kind in "iu"
    ):
        raise RuntimeError(
            f"result type {of_numpy(result).long_name} can't be cast to the desired output type "
            f"{of_numpy(target).long_name}"
        )


# arithmetic ----------------------------------------------------------------------------------
def _arithmetic(
    tensor: Tensor,
    other: Any,
    operation: Callable[[Any, Any], Tensor],
    kernel: Callable[[Storage, Any], bool],
) -> Tensor:
    if kernel(tensor, other):
        return tensor
    source = other if isinstance(other, Storage) else None
    if source is not None:
        check_overlap(tensor._array, source._array)
    if prepare(tensor, source):
        return _recorded(tensor, operation(_before(tensor), other))
    _store(tensor, operation(tensor, other)._array)
    return tensor


def add_(input: Tensor, other: Any, *factored: Any, alpha: float = 1) -> Tensor:
    """input += alpha * other, in place."""
    if factored:
        other, alpha = old_form("add_", other, factored, alpha)
    other = other if alpha is ONE else _scaled(input, other, alpha)
    return _arithmetic(input, other, add, _core.add_)


def sub_(input: Tensor, other: Any, *factored: Any, alpha: float = 1) -> Tensor:
    """input -= alpha * other, in place."""
    if factored:
        other, alpha = old_form("sub_", other, factored, alpha)
    if alpha is not ONE:
        refuse_bool(input, other)
        other = _scaled(input, other, alpha)
    return _arithmetic(input, other, sub, _core.sub_)


def _scaled(input: Tensor, other: Any, alpha: float) -> Any:
    if isinstance(other, Storage):
        check_overlap(input._array, other._array)
    return scaled(input, other, alpha)


def mul_(input: Tensor, other: Any) -> Tensor:
    """input *= other, in place."""
    return _arithmetic(input, other, mul, _core.mul_)


def div_(input: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input /= other, in place."""
    if rounding_mode is not None:
        return _rounded_div_(input, other, rounding_mode=rounding_mode)
    return _arithmetic(input, other, div, _core.div_)


# filling -------------------------------------------------------------------------------------
def _fill(tensor: Tensor, value: Any, name: str, source: Storage | None = None) -> Tensor:
    """Overwrite all elements with those of `source`, without one with a number."""
    wanted = prepare(tensor, source, EMPTY if source is None else None)
    if source is None:
        quiet(tensor._array.fill, value)
    else:
        quiet(np.copyto, tensor._array, source._array, "unsafe")
    tensor._changes[0] += 1
    if wanted:
        _overwritten(tensor, name, source)
    return tensor


def _overwritten(tensor: Storage, name: str, source: Storage | None = None) -> None:
    """All elements are new: the gradient of the old ones is 0, and g passes to `source`."""
    edges = edges_of((tensor, source)) or []
    shape, dtype = (None, None) if source is None else (source._array.shape, source._array.dtype)

    def gradients(g: Array) -> Sequence[Array | None]:
        return np.zeros_like(g), None if shape is None else sum_to(g, shape).astype(dtype)

    rebase(tensor, make_node(name, edges, gradients))


def zero_(input: Tensor) -> Tensor:
    """All elements 0, in place."""
    return input if _core.zero_(input) else _fill(input, 0, "ZeroBackward0")


def fill_(input: Tensor, value: Any) -> Tensor:
    """All elements `value` (a number or 0-d Tensor), in place."""
    if not isinstance(value, (Storage, *NUMBER)):
        raise TypeError(f"fill_(): expected a number or 0-d Tensor, got {type(value).__name__}")
    if isinstance(value, Storage):
        if value._array.ndim:
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{value._array.ndim} dimensions."
            )
        return _fill(input, 0, "FillBackward3", value)
    return _fill(input, element(value, input._array.dtype), "FillBackward2")


def copy_(input: Tensor, other: Tensor, non_blocking: bool = False) -> Tensor:
    """The elements of `other` (a Tensor, or a number), broadcast and converted, in place."""
    if isinstance(other, NUMBER):
        other = wrap(exactly(other))
    if not isinstance(other, Storage):
        raise TypeError(f"copy_(): argument 'other' must be Tensor, not {kind_of(other)}")
    try:
        np.broadcast_to(other._array, input._array.shape)
    except ValueError:
        raise RuntimeError(
            f"The size of src {list(other._array.shape)} must match the size of the tensor "
            f"{list(input._array.shape)}"
        ) from None
    check_overlap(input._array, other._array)
    return _fill(input, 0, "CopyBackwards", other)


# random numbers ------------------------------------------------------------------------------
def uniform_(
    input: Tensor, low: float = 0.0, to: float = 1.0, *, generator: Any = None, **named: Any
) -> Tensor:
    """Uniform numbers of [low, to) from torch's generator, in place, in memory order.

    torch calls the lower bound `from`, which is no name in Python but can be given by `**`.
    """
    from ..random import uniform_ as fill

    low = _lower("uniform_", low, named)
    return _draw(input, "UniformBackward0", fill, low, to, generator)


def _lower(function: str, low: Any, named: dict[str, Any]) -> Any:
    low = named.pop("from", low)
    if named:
        raise TypeError(f"{function}() got an unexpected keyword argument '{next(iter(named))}'")
    return low


def random_(
    input: Tensor,
    low: int | None = None,
    to: int | None = None,
    *,
    generator: Any = None,
    **named: Any,
) -> Tensor:
    """Whole numbers of [low, to) from torch's generator, in place.

    Without bounds from 0 to the dtype's largest, of a floating one to 2**24 or 2**53.
    """
    from ..random import integers_ as fill

    low = _lower("random_", low, named)
    if to is None:
        low, to = None, low
    return _draw(input, "RandomBackward0", fill, 0 if low is None else low, to, generator)


def _draw(input: Tensor, name: str, fill: Callable[..., None], *arguments: Any) -> Tensor:
    wanted = prepare(input)
    fill(input._array, *arguments)
    changed(input)
    if wanted:
        _overwritten(input, name)
    return input


# any operation -------------------------------------------------------------------------------
_Operation = Callable[..., "Tensor"]


def _in_place(operation: _Operation, name: str) -> _Operation:
    """`operation` with its result in the place of its first argument."""

    def function(input: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        source = arguments[0] if arguments and isinstance(arguments[0], Storage) else None
        if source is not None:
            check_overlap(input._array, source._array)
        prepare(input, source)
        return _recorded(input, operation(_before(input), *arguments, **keywords))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{operation.__name__}`, in place."
    return function


abs_: _Operation = _in_place(pointwise.abs, "abs_")
clamp_: _Operation = _in_place(bounds.clamp, "clamp_")
clamp_min_: _Operation = _in_place(bounds.clamp_min, "clamp_min_")
exp_: _Operation = _in_place(pointwise.exp, "exp_")
_rounded_div_: _Operation = _in_place(arithmetic.div, "div_")
floor_divide_: _Operation = _in_place(arithmetic.floor_divide, "floor_divide_")
log_: _Operation = _in_place(pointwise.log, "log_")
neg_: _Operation = _in_place(arithmetic.neg, "neg_")
pow_: _Operation = _in_place(arithmetic.pow, "pow_")
relu_: _Operation = _in_place(pointwise.relu, "relu_")
remainder_: _Operation = _in_place(arithmetic.remainder, "remainder_")
sqrt_: _Operation = _in_place(pointwise.sqrt, "sqrt_")


def _bitwise_in_place(operation: _Operation) -> _Operation:
    """A bitwise operation, which has no gradient, with its result in the place of `input`."""

    def function(input: Tensor, other: Any) -> Tensor:
        if isinstance(other, Storage):
            check_overlap(input._array, other._array)
        prepare(input)
        _, _, x, y = pair(input, other)
        error = mismatch(x, y)
        if error is not None:
            raise error
        _check_result(input._array, np.broadcast_shapes(x.shape, y.shape), x.dtype)
        _store(input, operation(input, other)._array)
        return input

    function.__name__ = function.__qualname__ = operation.__name__ + "_"
    function.__doc__ = f"`{operation.__name__}`, in place."
    return function


bitwise_and_: _Operation = _bitwise_in_place(comparisons.bitwise_and)
bitwise_or_: _Operation = _bitwise_in_place(comparisons.bitwise_or)
bitwise_xor_: _Operation = _bitwise_in_place(comparisons.bitwise_xor)
bitwise_left_shift_: _Operation = _bitwise_in_place(comparisons.bitwise_left_shift)
bitwise_right_shift_: _Operation = _bitwise_in_place(comparisons.bitwise_right_shift)
