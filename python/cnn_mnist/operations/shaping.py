"""New shapes over the same elements, and Tensors put together, beside their gradients."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dtypes import promote_types
from ..tape import Array, Storage, kind_of, record, view
from .common import cast, check_dim, check_dims, laid_out, size_given, size_of, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor


def _fit(x: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with its -1 worked out."""
    unknown = shape.count(-1)
    if unknown > 1:
        raise RuntimeError("only one dimension can be inferred")
    if builtins.any(size < -1 for size in shape):
        raise RuntimeError(f"invalid shape dimension {builtins.min(shape)}")
    known = 1
    for size in shape:
        known *= size if size != -1 else 1
    if unknown and known == 0 and x.size == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified "
            "dimension size -1 can be any value and is ambiguous"
        )
    if (x.size != known) if not unknown else (known == 0 or x.size % known):
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {x.size}")
    return tuple(x.size // known if size == -1 else size for size in shape)


def _shares(x: Array, y: Array) -> bool:
    return not x.size or np.may_share_memory(x, y)


def _reshaped(input: Tensor, shape: tuple[int, ...], must_share: bool) -> Tensor:
    x = input._array
    before = x.shape
    y = x.reshape(shape)
    if _shares(x, y):
        plain = must_share or x.flags.c_contiguous
        name = "ViewBackward0" if plain else "ReshapeAliasBackward0"
        return view(input, lambda array: array.reshape(shape), name, lambda g: g.reshape(before))
    if must_share:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return record(y, "UnsafeViewBackward0", (input,), lambda g: (g.reshape(before),))


def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """The same elements in another shape; a view where memory allows, else a copy."""
    wanted = size_of(size_given("reshape", sizes, shape, "shape"), "shape")
    return _reshaped(input, _fit(input._array, wanted), False)


def view_as_shape(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """The same memory in another shape; RuntimeError where that would take a copy."""
    wanted = size_of(size_given("view", sizes, size))
    return _reshaped(input, _fit(input._array, wanted), True)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim (inclusive) joined into one."""
    x = input._array
    start, end = check_dim(start_dim, x.ndim), check_dim(end_dim, x.ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not x.ndim:
        return _reshaped(input, (1,), False)
    if start == end:
        return input
    joined = int(np.prod(x.shape[start : end + 1]))
    return _reshaped(input, (*x.shape[:start], joined, *x.shape[end + 1 :]), False)


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1 (among `dim`)."""
    x = input._array
    several = isinstance(dim, (tuple, list))
    axes = () if several and not dim else check_dims(dim, x.ndim)
    ones = tuple(axis for axis in axes if x.ndim and x.shape[axis] == 1)
    before = x.shape
    name = "SqueezeBackward0" if dim is None else f"SqueezeBackward{1 + several}"
    return view(
        input,
        lambda array: array.squeeze(ones) if ones else array[...],
        name,
        lambda g: g.reshape(before),
    )


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`."""
    axis = check_dim(dim, input._array.ndim + 1)
    before = input._array.shape
    return view(
        input,
        lambda array: np.expand_dims(array, axis),
        "UnsqueezeBackward0",
        lambda g: g.reshape(before),
    )


def permute(input: Tensor, *order_of_dims: Any, dims: Any = None) -> Tensor:
    """Dimensions in another order."""
    x = input._array
    order = size_of(size_given("permute", order_of_dims, dims, "dims"), "dims")
    if len(order) != x.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {x.ndim} is not "
            f"equal to len(dims) = {len(order)}"
        )
    return _permuted(input, check_dims(order, x.ndim) if order else (), "PermuteBackward0")


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    return _exchanged(input, dim0, dim1, "TransposeBackward0")


def _exchanged(input: Tensor, dim0: int, dim1: int, name: str) -> Tensor:
    ndim = input._array.ndim
    a, b = check_dim(dim0, ndim), check_dim(dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = order[b], order[a]
    return _permuted(input, tuple(order), name)


def _permuted(input: Tensor, order: tuple[int, ...], name: str) -> Tensor:
    back = tuple(order.index(axis) for axis in range(len(order)))
    return view(input, lambda array: array.transpose(order), name, lambda g: g.transpose(back))


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and 0-d Tensors stay as they are."""
    ndim = input._array.ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return _permuted(input, tuple(reversed(range(ndim))), "TBackward0")


def reversed_dims(input: Tensor) -> Tensor:
    """`x.T`: all dimensions in reverse order."""
    if input._array.ndim != 2:
        warnings.warn(
            "x.T of a Tensor that is no matrix is deprecated: write x.mT for the transpose of each "
            "matrix in a batch, or x.permute(...)",
            stacklevel=2,
        )
    return _permuted(input, tuple(reversed(range(input._array.ndim))), "PermuteBackward0")


def matrix_transpose(input: Tensor) -> Tensor:
    """`x.mT`: the last two dimensions exchanged."""
    ndim = input._array.ndim
    if not ndim:
        warnings.warn("x.mT of a 0-d Tensor is deprecated: it is x itself", stacklevel=2)
        return input
    if ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {ndim}-D tensor."
        )
    return _exchanged(input, -2, -1, "TransposeBackward0")


def expand(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Dimensions of size 1 repeated without a copy; -1 keeps a size."""
    x = input._array
    wanted = size_of(size_given("expand", sizes, size))
    lead = len(wanted) - x.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand({list(x.shape)}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({x.ndim})"
        )
    shape = []
    for dim, length in enumerate(wanted):
        own = x.shape[dim - lead] if dim >= lead else None
        if length == -1 and own is None:
            raise RuntimeError(
                "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
                f"dimension {dim}"
            )
        if own not in (None, 1, length) and length != -1:
            raise RuntimeError(
                f"The expanded size of the tensor ({length}) must match the existing size ({own}) "
                f"at non-singleton dimension {dim}.  Target sizes: {list(wanted)}.  "
                f"Tensor sizes: {list(x.shape)}"
            )
        shape.append(own if length == -1 else length)
    before = x.shape
    return view(
        input,
        lambda array: _broadcast(array, tuple(shape)),
        "ExpandBackward0",
        lambda g: sum_to(g, before),
    )


def _broadcast(array: Array, shape: tuple[Any, ...]) -> Array:
    return np.lib.stride_tricks.as_strided(
        array, shape, np.broadcast_to(array, shape).strides, writeable=array.flags.writeable
    )


def clone(input: Tensor) -> Tensor:
    """A recorded copy."""
    x = input._array
    return record(laid_out(x.copy("K"), x), "CloneBackward0", (input,), lambda g: (g,))


def contiguous(input: Tensor) -> Tensor:
    """`input` itself if its memory is in C order, else a recorded copy that is."""
    if input._array.flags.c_contiguous:
        return input
    return record(np.ascontiguousarray(input._array), "CloneBackward0", (input,), lambda g: (g,))


# putting together ----------------------------------------------------------------------------
def _together(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Storage) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, "
            f"not {type(tensors).__name__}"
        )
    for index, each in enumerate(tensors):
        if not isinstance(each, Storage):
            raise TypeError(
                f"expected Tensor as element {index} in argument 0, but got {kind_of(each)}"
            )
    if not tensors:
        kind = RuntimeError if name == "stack" else ValueError
        raise kind(f"{name}(): expected a non-empty list of Tensors")
    dtype = tensors[0]._array.dtype
    for each in tensors[1:]:
        dtype = promote_types(dtype, each._array.dtype)
    return [cast(each, dtype) for each in tensors]


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one size side by side along a new dimension; each gets its slice of g."""
    parts = _together("stack", tensors)
    first = parts[0]._array.shape
    axis = check_dim(dim, len(first) + 1)
    for index, each in enumerate(parts):
        if each._array.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 "
                f"and {list(each._array.shape)} at entry {index}"
            )
    out = np.ascontiguousarray(np.stack([each._array for each in parts], axis))
    return record(out, "StackBackward0", parts, lambda g: list(np.moveaxis(g, axis, 0)))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after another along `dim`; each gets its part of g."""
    parts = _together("cat", tensors)
    # torch leaves tensors of shape (0,) out, whatever the shape of the others
    kept = [each._array for each in parts if each._array.shape != (0,)] or [parts[0]._array]
    first = kept[0]
    if not first.ndim:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    axis = check_dim(dim, first.ndim)
    for index, each in enumerate(kept):
        _check_cat(first, each, axis, index)
    out = np.ascontiguousarray(np.concatenate(kept, axis))
    shapes = [each._array.shape for each in parts]
    ends = np.cumsum([0 if shape == (0,) else shape[axis] for shape in shapes])

    def gradients(g: Array) -> list[Array]:
        pieces = np.split(g, ends[:-1], axis)
        return [p.reshape(shape) for p, shape in zip(pieces, shapes)]

    return record(out, "CatBackward0", parts, gradients)


def _check_cat(first: Array, each: Array, axis: int, index: int) -> None:
    if each.ndim != first.ndim:
        raise RuntimeError(
            f"Tensors must have same number of dimensions: got {first.ndim} and {each.ndim}"
        )
    for dim, (a, b) in enumerate(zip(first.shape, each.shape)):
        if dim != axis and a != b:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {axis}. "
                f"Expected size {a} but got size {b} for tensor number {index} in the list."
            )
