"""DataLoader: batches of a data set, in the order of a sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...operations.creation import as_tensor
from ...random import Generator, draw_seed
from .collate import default_collate, default_convert
from .dataset import Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler


class DataLoader:
    """Iterates over a data set in batches, in the calling process.

    Parameters
    ----------
    dataset : Dataset
        Anything with ``__getitem__`` and ``__len__``.
    batch_size : int or None
        Items in a batch; None gives the items themselves.
    shuffle : bool, optional
        A new permutation for every iteration, bit for bit torch's.
    sampler : iterable of int, optional
        The order of items, instead of `shuffle`.
    batch_sampler : iterable of list of int, optional
        The batches, instead of `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers : int
        Taken so that code written for torch runs: batches and their order do not depend on
        it, and here the calling process loads them all.
    collate_fn : callable, optional
        Makes a batch of a list of items; `default_collate` without it.
    pin_memory, pin_memory_device : bool, str
        Taken as `num_workers` is; there is no device to pin memory for.
    drop_last : bool
        Leave out a last batch that would be shorter.
    timeout, worker_init_fn, multiprocessing_context, prefetch_factor, in_order
        Checked as torch checks them, and kept: they are about worker processes, of which
        there are none, so `worker_init_fn` is not called.
    generator : Generator, optional
        Drawn from instead of the default one: a base seed for every iterator, and the
        permutation where `shuffle` is set.
    persistent_workers : bool
        As in torch the base seed is then drawn once, by the first iterator.

    Raises
    ------
    ValueError
        When options exclude each other or a number is out of range.
    TypeError
        When `multiprocessing_context` is neither a context nor a name.
    AssertionError
        From iterating, when there is a `timeout` but `num_workers` is 0.
    """

    _fixed = (
        "batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"
    )  # fmt: skip
    _initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        multiprocessing_context = _context(multiprocessing_context, num_workers)
        _check_batches(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.drop_last = drop_last
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self._seeded = False  # the base seed of persistent workers is drawn
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in self._fixed:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        if not (self.persistent_workers and self._seeded):
            draw_seed(self.generator)  # the base seed of torch's workers
        self._seeded = True
        if self.timeout and not self.num_workers:
            raise AssertionError("timeout option needs num_workers > 0: nothing is waited for")
        return _Batches(self, indices)

    def __len__(self) -> int:
        return len(
            self.sampler
            if self.batch_sampler is None  # type: ignore[arg-type]
            else self.batch_sampler
        )


class _Batches:
    """One pass over a loader; it goes on after an error of the data set, as torch's does."""

    def __init__(self, loader: DataLoader, indices: Iterator[Any]) -> None:
        self._loader, self._indices = loader, indices
        self._dataset, self._collate = loader.dataset, loader.collate_fn
        self._one_by_one = loader.batch_sampler is None

    def __iter__(self) -> _Batches:
        return self

    def __next__(self) -> Any:
        indices = next(self._indices)
        if self._one_by_one:
            return self._collate(self._dataset[indices])
        rows = _rows(self._dataset, indices) if self._collate is default_collate else None
        return self._collate(_items(self._dataset, indices)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._loader)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if not hasattr(num_workers, "__index__"):
        raise TypeError(f"num_workers: expected an int, got {num_workers!r}")
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; "
            "use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError("prefetch_factor option needs num_workers > 0")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _context(given: Any, num_workers: int) -> Any:
    """The context of `multiprocessing` that is meant by a context or a start method's name."""
    if given is None:
        return None
    if num_workers == 0:
        raise ValueError("multiprocessing_context option needs num_workers > 0")
    import multiprocessing.context  # dear, and rarely needed

    if isinstance(given, str):
        methods = multiprocessing.get_all_start_methods()
        if given not in methods:
            raise ValueError(
                f"multiprocessing_context option should be a start method in {methods}, got {given!r}"
            )
        return multiprocessing.get_context(given)
    if not isinstance(given, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a context or the name of a start method, "
            f"got {given!r}"
        )
    return given


def _check_batches(
    batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: Any
) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, "
                "shuffle, sampler, and drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


def _items(dataset: Any, indices: list[Any]) -> list[Any]:
    if getattr(dataset, "__getitems__", None):
        return list(dataset.__getitems__(indices))
    return [dataset[index] for index in indices]


def _rows(dataset: Any, indices: list[Any]) -> list[Any] | None:
    """What `default_collate` would make of these items, by one indexing a tensor; or None."""
    if not all(type(index) is int for index in indices):
        return None
    if type(dataset) is Subset:
        return _rows(dataset.dataset, [dataset.indices[index] for index in indices])
    if type(dataset) is TensorDataset:
        return [as_tensor(tensor[indices]) for tensor in dataset.tensors]
    return None
