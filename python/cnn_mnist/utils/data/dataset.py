"""Data sets: what has items."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from ...random import Generator, randperm
from ...tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """What has items: a subclass gives ``__getitem__`` and, for most uses, ``__len__``.

    A data set that can fetch many items at once may give ``__getitems__(indices)``, which
    returns the list of items; the loader then calls that.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors that belong together: item i is the tuple of their rows i.

    Parameters
    ----------
    *tensors : Tensor
        Shape (n, ...) each, the same n.

    Raises
    ------
    AssertionError
        When the tensors differ in their first dimension.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        rows = [tensor.shape[0] for tensor in tensors]
        if any(n != rows[0] for n in rows):
            raise AssertionError(f"Size mismatch between tensors: {rows} rows")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class Subset(Dataset[T_co]):
    """The items of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Split a data set at random into parts of the given lengths.

    Parameters
    ----------
    lengths : sequence of int or of float
        Items in each part, or fractions that sum to 1: then part i gets
        ``floor(fraction * n)`` items and what remains goes to the first parts, one each.
    generator : Generator, optional
        Drawn from once, for ``randperm(n)``; the default generator without it.

    Raises
    ------
    ValueError
        When the lengths do not sum to the size of the data set, or a fraction is not
        between 0 and 1.
    """
    size = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
        counts = [math.floor(size * fraction) for fraction in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
    else:
        counts = list(lengths)  # type: ignore[arg-type]
    if sum(counts) != size:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"(sum of {counts} is {sum(counts)}, expected {size})"
        )
    indices = randperm(sum(counts), generator=generator).tolist()
    ends = itertools.accumulate(counts)
    return [
        Subset(dataset, indices[end - count : end]) for end, count in zip(ends, counts, strict=True)
    ]
