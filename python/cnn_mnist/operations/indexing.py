"""`x[index]` and `x[index] = value`, basic and with arrays, beside their gradients.

torch takes an index apart as NumPy does with one exception: an integer beside arrays picks
first, before the arrays are matched. So integers, slices and None are applied first (a view),
then arrays and masks to what is left (a copy).
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..dtypes import of_numpy
from ..tape import ONE_OF_MANY, Array, Storage, edges_of, make_node, record, view, wants_grad
from .common import NUMBER, array_like, element, laid_out, out_of_range, quiet, sum_to, to_array
from .inplace import EMPTY, changed, check_apart, check_overlap, prepare, rebase

if TYPE_CHECKING:
    from ..tensor import Tensor

Pick = Callable[[Array], Array]
_SIMPLE = (int, slice, type(None), type(Ellipsis))


def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]`: a view for integers, slices, None and ...; a copy for arrays and masks."""
    if type(index) is slice:
        return _basic(input, _slice(index), "SliceBackward0")
    basic, arrays, name = _parse(input._array, index)
    if basic is not None:
        input = _basic(input, basic, name)
    if arrays is None:
        return input
    x = input._array
    before = x.shape
    picks = _kept(arrays) if wants_grad(input) else arrays

    def gradients(g: Array) -> tuple[Array]:
        dx = np.zeros(before, g.dtype)
        np.add.at(dx, picks, g)  # an element picked twice gets both gradients
        return (dx,)

    return record(_taken(x, arrays), "IndexBackward0", (input,), gradients, (None,))


def parts(input: Tensor) -> Iterator[Tensor]:
    """The parts along the first dimension, each a view."""
    rows = range(len(input._array))
    return (_basic(input, (i, ...), "UnbindBackward0", ONE_OF_MANY) for i in rows)


def _taken(x: Array, arrays: tuple[Any, ...]) -> Array:
    """A copy of x[arrays], laid out by the steps of the other dimensions, then of the arrays."""
    order = _core.memory_order(x)
    out = np.asarray(x[arrays], order="C")
    if order is None or order == (*range(x.ndim),):
        return out
    steps, places, axis = [], [], 0
    for place, each in enumerate(arrays):
        if isinstance(each, slice):
            steps.append(x.strides[axis])
        else:
            places.append(place)
        axis += each.ndim if getattr(each, "dtype", None) == bool else 1
    adjacent = places[-1] - places[0] < len(places)
    n, at = out.ndim - len(steps), places[0] if adjacent else 0  # NumPy puts other ones first
    of_x = steps[:at] + [0] * n + steps[at:]
    of_arrays = [step if at <= i < at + n else 0 for i, step in enumerate(out.strides)]
    spread = np.lib.stride_tricks.as_strided
    return laid_out(out, *(spread(x, out.shape, steps) for steps in (of_x, of_arrays)))


def _basic(input: Tensor, picked: Any, name: str, fixed: str = "") -> Tensor:
    """The view `input[picked]`; `fixed`: see `view`."""
    shape = input._array.shape

    def spread(g: Array) -> Array:
        dx = np.zeros(shape, g.dtype)
        dx[picked] = g
        return dx

    return view(input, lambda array: array[picked], name, spread, fixed)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """`input[index] = value`, in place; g passes to `value`, and to `input` elsewhere."""
    basic, arrays, _ = _parse(input._array, index)
    source = value if isinstance(value, Storage) else None
    x = input._array
    target = x if basic is None else x[basic]
    y = _value(value, x)
    if arrays is not None and source is not None:
        _check_types(arrays, y, x)
    picked = target.shape if arrays is None else target[arrays].shape
    y = _fitting(y, picked)
    if y.ndim and y.shape == picked:
        check_overlap(target, y)
    part = target if arrays is None else EMPTY  # arrays may pick elements that share memory
    edges = None
    if prepare(input, source, part):
        check_apart(x)  # what shares memory with the part would keep its gradient
        edges = edges_of((input, source))
    quiet(operator.setitem, target, ... if arrays is None else arrays, y)
    changed(input)
    if edges is None:
        return
    given = None if source is None else (source._array.shape, source._array.dtype)
    fitted = y.shape  # without leading dimensions of size 1
    at = ... if arrays is None else _kept(arrays)

    def gradients(g: Array) -> tuple[Array, Array | None]:
        dx = g.copy()
        part = dx if basic is None else dx[basic]
        taken = part[at].copy()
        part[at] = 0
        if given is None:
            return dx, None
        dy = sum_to(taken, fitted).reshape(given[0])
        return dx, dy.astype(given[1], copy=False)

    name = "CopySlices" if arrays is None or basic is not None else "IndexPutBackward0"
    if arrays is None and picked == x.shape:  # all of it
        name = "CopyBackwards" if y.ndim or not x.ndim else "FillBackward3"
    rebase(input, make_node(name, edges, gradients))


def _kept(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies for backward: who gave the arrays may change them before it runs."""
    return tuple(each.copy() if isinstance(each, np.ndarray) else each for each in arrays)


def _value(value: Any, x: Array) -> Array:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long: an int beyond 64 bits")
    if isinstance(value, NUMBER):
        return element(value, x.dtype)
    if isinstance(value, Storage) or array_like(value):
        y = to_array(value)
        if y.dtype.kind in "biuf":
            return y
    raise TypeError(f"can't assign a {type(value).__name__} to a {x.dtype} Tensor")


def _check_types(arrays: tuple[Any, ...], y: Array, x: Array) -> None:
    """RuntimeError unless y has x's type. One element of any type fills what one mask picks."""
    given = [each for each in arrays if isinstance(each, np.ndarray)]
    fills = y.size == 1 and len(given) == 1 and given[0].dtype.kind == "b"
    if y.dtype != x.dtype and not fills and any(each.ndim for each in given):
        want = of_numpy(x.dtype)
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{want.long_name} for the destination and {of_numpy(y.dtype).long_name} for the "
            f"source: write value.to({want})"
        )


def _fitting(y: Array, shape: tuple[int, ...]) -> Array:
    """`y` without leading dimensions of size 1 that the target lacks; it must broadcast then."""
    while y.ndim > len(shape) and y.shape[0] == 1:
        y = y[0]
    try:
        np.broadcast_to(y, shape)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(y.shape)} cannot be broadcast to "
            f"indexing result of shape {list(shape)}"
        ) from None
    return y


# what an index means -------------------------------------------------------------------------
def _parse(x: Array, index: Any) -> tuple[Any, Any, str]:
    """(basic index or None, index of arrays or None, torch's name of the last basic step)."""
    if type(index) is slice:
        return _slice(index), None, "SliceBackward0"
    if type(index) is int:
        _check_int(x, index, 0)
        return (index, ...), None, "SelectBackward0"
    if type(index) is list and _means_tuple(index):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated: "
            "use x[tuple(seq)] instead of x[seq]",
            stacklevel=3,
        )
        index = tuple(index)
    items = [_item(each) for each in (index if type(index) is tuple else (index,))]
    items = _fill_ellipsis(x, items)
    basic: list[Any] = []
    arrays: list[Any] = []
    name = "AliasBackward0"
    axis = 0
    for item in items:
        if item is None:
            arrays.append(slice(None))
            name = "UnsqueezeBackward0"
        elif type(item) is int:
            _check_int(x, item, axis)
            axis += 1
            name = "SelectBackward0"
        elif type(item) is slice:
            arrays.append(slice(None))
            if item.indices(x.shape[axis]) != (0, x.shape[axis], 1):
                name = "SliceBackward0"
            axis += 1
        else:
            spans = item.ndim if item.dtype.kind == "b" else 1
            _check_mask(x, item, axis)
            arrays.append(item)
            basic += [slice(None)] * spans
            axis += spans
            continue
        basic.append(item)
    plain = len(arrays) == sum(type(each) is slice for each in arrays)
    if plain:
        return (*basic, ...), None, name
    only_arrays = all(type(each) is slice and each == slice(None) for each in basic)
    return None if only_arrays else (*basic, ...), tuple(arrays), name


def _means_tuple(index: list[Any]) -> bool:
    """torch takes a short list that holds sequences, slices or Tensors as a tuple."""
    return len(index) < 32 and any(
        each is None
        or each is Ellipsis
        or isinstance(each, (list, tuple, range, slice, Storage, np.ndarray))
        for each in index
    )


def _item(item: Any) -> Any:
    """One part of an index: int, slice, None, Ellipsis or array."""
    if type(item) in _SIMPLE:
        return _slice(item) if type(item) is slice else item
    if isinstance(item, (bool, np.bool_)):
        return np.asarray(item)
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, (list, range, tuple)):
        array = np.asarray([to_array(each) if isinstance(each, Storage) else each for each in item])
        array = array.astype(np.int64) if not array.size else array
    elif isinstance(item, Storage) or hasattr(item, "__array__"):
        array = to_array(item)
    else:
        raise (TypeError if isinstance(item, (str, bytes)) else IndexError)(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(item).__name__})"
        )
    return _index_array(array)


def _index_array(array: Array) -> Any:
    if array.dtype == np.uint8:
        warnings.warn(
            "indexing with dtype uint8 is deprecated and means a mask, as in torch: "
            "use a bool Tensor for a mask, .long() for indices",
            stacklevel=5,
        )
        return array.astype(bool)
    if array.dtype.kind not in "bi":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if array.ndim == 0 and array.dtype.kind == "i":
        return int(array)
    return array


def _slice(index: slice) -> slice:
    step = index.step
    if step is not None and step.__index__() <= 0:
        raise ValueError("slice step must be positive")
    return index


def _fill_ellipsis(x: Array, items: list[Any]) -> list[Any]:
    spans = 0
    for item in items:
        if isinstance(item, np.ndarray) and item.dtype.kind == "b":
            spans += item.ndim
        elif item is not None and item is not Ellipsis:
            spans += 1
    if spans > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
    where = [i for i, item in enumerate(items) if item is Ellipsis]
    first = where[0] if where else len(items)
    fill = [slice(None)] * (x.ndim - spans)
    return items[:first] + fill + [each for each in items[first + 1 :] if each is not Ellipsis]


def _check_int(x: Array, index: int, axis: int) -> None:
    if not x.ndim:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` to convert it to a number"
        )
    size = x.shape[axis]
    if not -size <= index < size:
        raise out_of_range(
            index, f"index {index} is out of bounds for dimension {axis} with size {size}"
        )


def _check_mask(x: Array, item: Array, axis: int) -> None:
    if item.dtype.kind != "b":
        return
    for i, size in enumerate(item.shape):
        if size != x.shape[axis + i]:
            raise IndexError(
                f"The shape of the mask {list(item.shape)} at index {i} does not match the shape "
                f"of the indexed tensor {list(x.shape)} at index {axis + i}"
            )
