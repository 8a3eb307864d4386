"""Samplers: the order in which items are taken, bit for bit torch's (2.13).

Which generator is drawn from, how often and when is part of the contract.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...random import Generator, draw_seed, randint, randperm

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """An order of items: a subclass gives ``__iter__`` over indices and may give ``__len__``."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, ..., n - 1."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A permutation of the items, or independent draws.

    Parameters
    ----------
    data_source : sized
    replacement : bool
        Independent draws instead of a permutation.
    num_samples : int, optional
        How many indices; the size of `data_source` without it.
    generator : Generator, optional
        Drawn from directly. Without it every iteration draws a seed from the default
        generator and uses a private generator with that seed, as torch does.

    Raises
    ------
    TypeError
        When `replacement` is no bool.
    ValueError
        When `num_samples` (or the size of an empty `data_source`) is not positive.
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, "
                f"but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = Generator().manual_seed(draw_seed())
        whole, rest = divmod(self.num_samples, 32 if self.replacement else n)
        if self.replacement:
            for size in (*itertools.repeat(32, whole), rest):
                yield from randint(n, (size,), generator=generator).tolist()
        else:
            for _ in range(whole):
                yield from randperm(n, generator=generator).tolist()
            # torch draws this permutation also where nothing of it is used
            yield from randperm(n, generator=generator).tolist()[:rest]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of another sampler into lists of `batch_size`.

    Parameters
    ----------
    sampler : Sampler or iterable
    batch_size : int
    drop_last : bool
        Leave out a last list that would be shorter.

    Raises
    ------
    ValueError
        When `batch_size` is no positive int or `drop_last` is no bool.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def epoch_order(n: int, generator: Generator | None = None) -> NDArray[np.int64]:
    """The order in which a ``DataLoader(shuffle=True)`` goes through n rows.

    Draws from the generators exactly what one whole iteration of the loader draws: a base
    seed; then, without a generator, the seed of a private one and the permutation from it;
    with a generator the permutation and the one that ``RandomSampler`` draws for nothing.
    """
    draw_seed(generator)
    if generator is None:
        private = Generator().manual_seed(draw_seed())
        return randperm(n, generator=private)._array
    order = randperm(n, generator=generator)._array
    randperm(n, generator=generator)
    return order
