"""What training and prediction take on this machine: `python -m cnn_mnist bench`.

The comparison with other libraries is not here but in the repository's `benchmarks` folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, nn
from .random import Generator, manual_seed
from .training import fit, predict

ROUNDS = 3
SIZES = (784, 50, 10)


@dataclass(frozen=True)
class Task:
    """One line of the table."""

    name: str
    batch: int = 512
    epochs: int = 3
    lr: float = 0.1
    rows: int | None = None  # None: all
    shuffle: bool = False
    dense: bool = False  # no zeros in the input
    trains: bool = True  # else it predicts


TASKS = (
    Task("fit, batch 512"),
    Task("fit, batch 512, shuffled", shuffle=True),
    Task("fit, batch 512, no zeros", dense=True),
    Task("fit, batch 64", batch=64),
    Task("fit, batch 1", batch=1, epochs=1, lr=0.01, rows=10_000),
    Task("predict", epochs=1, trains=False),
)


def step_flop(sizes: Sequence[int], density: float = 1.0) -> float:
    """Floating-point operations of one row's forward, backward and update.

    Each layer multiplies three times (output, weight gradient, input gradient), the first one
    twice: nobody asks for the gradient of the input, of which `density` is not zero.
    """
    first, *others = (inputs * outputs for inputs, outputs in pairwise(sizes))
    return 2.0 * (2 * density * first + 3 * sum(others))


def forward_flop(sizes: Sequence[int], density: float = 1.0) -> float:
    """Floating-point operations of one row's forward pass."""
    first, *others = (inputs * outputs for inputs, outputs in pairwise(sizes))
    return 2.0 * (density * first + sum(others))


def best_seconds(call: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The shortest of `rounds` calls, after one that does not count."""
    call()
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def product_rate(size: int = 480, calls: int = 4) -> float:
    """FLOP/s of one thread in a large square product: what the kernels reach at their best."""
    a = np.full((size, size), 0.5, np.float32)
    return (
        calls
        * 2.0
        * size**3
        / best_seconds(lambda: [_core.linear(a, a, None) for _ in range(calls)], rounds=5)
    )


def measure(x: NDArray[np.float32], y: NDArray[np.int64], threads: Sequence[int]) -> Iterator[str]:
    """Time every task with every number of threads; yield the lines of a table."""
    peak = product_rate()
    yield (
        f"peak: {peak / 1e9:.1f} GFLOP/s on one thread, in a product of 480 x 480 matrices; "
        "measured anew around each task"
    )
    yield f"network: {'-'.join(map(str, SIZES))}; zeros in the input: {np.mean(x == 0):.0%}"
    yield "GFLOP/s counts zeros as if they were multiplied, 'of peak' what is not zero alone"
    yield ""
    yield (
        f"{'work':26} {'threads':>7} {'s/epoch':>9} {'rows/s':>12} {'GFLOP/s':>8} {'of peak':>8}"
    )
    for task, count in product(TASKS, threads):
        rows, labels = x[: task.rows], y[: task.rows]
        if task.dense:
            rows = rows + np.float32(1e-3)
        seconds = best_seconds(_call(task, rows, labels, count)) / task.epochs
        before, peak = peak, product_rate()
        yield _line(task, rows, count, seconds, count * max(before, peak))


def _line(task: Task, x: NDArray[np.float32], threads: int, seconds: float, peak: float) -> str:
    flop = step_flop if task.trains else forward_flop
    rate = len(x) / seconds
    share = rate * flop(SIZES, np.count_nonzero(x) / x.size) / peak
    return (
        f"{task.name:26} {threads:7} {seconds:9.4f} {rate:12,.0f} "
        f"{rate * flop(SIZES) / 1e9:8.1f} {share:8.0%}"
    )


def _call(
    task: Task, x: NDArray[np.float32], y: NDArray[np.int64], threads: int
) -> Callable[[], Any]:
    def train() -> None:
        manual_seed(1)
        model = nn.Sequential(nn.Linear(*SIZES[:2]), nn.ReLU(), nn.Linear(*SIZES[1:]))
        fit(
            model,
            x,
            y,
            epochs=task.epochs,
            batch_size=task.batch,
            lr=task.lr,
            shuffle=task.shuffle,
            generator=Generator().manual_seed(1),
            num_threads=threads,
        )

    if task.trains:
        return train
    model = nn.Sequential(nn.Linear(*SIZES[:2]), nn.ReLU(), nn.Linear(*SIZES[1:]))
    return lambda: predict(model, x, num_threads=threads)
