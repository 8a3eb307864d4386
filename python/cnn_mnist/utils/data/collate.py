"""From a list of items to one batch: the loader's default `collate_fn`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...operations.creation import as_tensor, tensor
from ...operations.shaping import stack
from ...tensor import Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """Put the items of a batch together, along a new first dimension.

    Tensors and arrays are stacked, Python floats become a float64 Tensor, ints an int64 and
    bools a bool one, strings stay a list; mappings, named tuples and sequences are collated
    member by member (a tuple of members gives a list).

    Raises
    ------
    TypeError
        When an item is nothing of these.
    RuntimeError
        When sequences of a batch differ in length, or tensors in shape.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch)
    if isinstance(first, np.ndarray) and first.dtype.kind in "biuf":
        return stack([as_tensor(item) for item in batch])
    if isinstance(first, (np.bool_, np.number)):
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=np.float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _like_mapping(
            first, {key: default_collate([item[key] for item in batch]) for key in first}
        )
    if isinstance(first, Sequence):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        members = [default_collate(member) for member in zip(*batch, strict=True)]
        if hasattr(first, "_fields"):  # a named tuple
            return type(first)(*members)
        return members if isinstance(first, tuple) else _like_sequence(first, members)
    kind = first.dtype if isinstance(first, np.ndarray) else type(first)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, "
        f"dicts or lists; found {kind}"
    )


def default_convert(item: Any) -> Any:
    """Make Tensors of the arrays of one item: what the loader does with ``batch_size=None``."""
    if isinstance(item, (np.ndarray, np.bool_, np.number)) and item.dtype.kind in "biuf":
        return as_tensor(item)
    if isinstance(item, Mapping):
        return _like_mapping(item, {key: default_convert(item[key]) for key in item})
    if isinstance(item, tuple):
        members = [default_convert(member) for member in item]
        return type(item)(*members) if hasattr(item, "_fields") else members
    if isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
        return _like_sequence(item, [default_convert(member) for member in item])
    return item


def _like_mapping(pattern: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    try:
        if isinstance(pattern, MutableMapping):  # may carry more than its items: keep that
            clone = copy.copy(pattern)
            clone.update(items)
            return clone
        return type(pattern)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _like_sequence(pattern: Sequence[Any], members: list[Any]) -> Any:
    try:
        if isinstance(pattern, MutableSequence):
            clone = copy.copy(pattern)
            for i, member in enumerate(members):
                clone[i] = member
            return clone
        return type(pattern)(members)  # type: ignore[call-arg]
    except TypeError:
        return members
