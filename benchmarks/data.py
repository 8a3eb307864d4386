"""The arrays of a work: the same digits, labels, initial weights and orders for every peer."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .works import Work

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SEED = 1
ROWS = 50_000


@dataclass(frozen=True)
class Case:
    """A work with its arrays."""

    work: Work
    x: Floats  # (rows, features), 64-byte aligned
    y: Integers  # (rows,)
    weights: list[tuple[Floats, Floats]]  # a layer: (out, in), (out,)
    orders: Integers | None  # (epochs, rows) where the work is shuffled

    @property
    def density(self) -> float:
        return float(np.count_nonzero(self.x)) / max(self.x.size, 1)


def digits() -> tuple[Floats, Integers, str]:
    """MNIST's 50,000 training digits if they are on this machine, else the sample that the
    package carries, repeated to as many rows; and a phrase that says which."""
    from cnn_mnist import datasets

    try:
        (x, y), *_ = datasets.mnist(download=False)
        return x, y, f"MNIST, its {len(x):,} training digits"
    except FileNotFoundError:
        if os.environ.get("CNN_MNIST_DATA"):  # a folder was named, and it is wrong
            raise
    (x, y), *_ = datasets.digits_sample()
    rows = np.arange(ROWS) % len(x)
    return x[rows], y[rows], f"{len(x):,} MNIST digits, repeated to {ROWS:,} rows"


def store(folder: Path) -> str:
    """Writes the digits for the workers; returns what they are."""
    x, y, description = digits()
    np.save(folder / "x.npy", x.astype(np.float32))
    np.save(folder / "y.npy", y.astype(np.int64))
    return description


def aligned(x: Floats) -> Floats:
    """A copy of x at a multiple of 64 bytes, which JAX takes without another copy."""
    buffer = np.empty(x.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    copy = buffer[start : start + x.nbytes].view(np.float32).reshape(x.shape)
    copy[...] = x
    return copy


def as_they_are(x: Floats, work: Work) -> Floats:
    return np.tile(x, (1, -(-work.sizes[0] // x.shape[1])))[:, : work.sizes[0]]


def zero_free(x: Floats, work: Work) -> Floats:
    return x + np.float32(1e-3)


def standardised(x: Floats, work: Work) -> Floats:
    return (x - x.mean(dtype=np.float64).astype(np.float32)) / x.std(dtype=np.float64).astype(
        np.float32
    )


def masked(x: Floats, work: Work) -> Floats:
    """Pixels without a zero, of which a random share stays."""
    stays = np.random.default_rng(SEED).random(x.shape, np.float32) < work.density
    return (x + np.float32(1e-3)) * stays


def logits(x: Floats, work: Work) -> Floats:
    return 3 * np.random.default_rng(SEED).standard_normal((len(x), work.sizes[0]), np.float32)


INPUTS: dict[str, Callable[[Floats, Work], Floats]] = {
    "mnist": as_they_are,
    "zero-free": zero_free,
    "standardised": standardised,
    "masked": masked,
    "logits": logits,
}


def initial_weights(sizes: tuple[int, ...]) -> list[tuple[Floats, Floats]]:
    """Uniform within 1 / sqrt(inputs), as nn.Linear draws them."""
    generator = np.random.default_rng(SEED)
    return [
        (
            (generator.random((outputs, inputs), np.float32) * 2 - 1) / np.float32(inputs**0.5),
            (generator.random(outputs, np.float32) * 2 - 1) / np.float32(inputs**0.5),
        )
        for inputs, outputs in pairwise(sizes)
    ]


def shuffled_orders(rows: int, epochs: int) -> Integers:
    """The orders that DataLoader(shuffle=True), hence `fit(shuffle=True)`, draws from a
    generator seeded with SEED."""
    from cnn_mnist import Generator
    from cnn_mnist.utils.data.sampler import epoch_order

    generator = Generator().manual_seed(SEED)
    return np.array([epoch_order(rows, generator) for _ in range(epochs)])


def load(folder: Path, work: Work) -> Case:
    """The arrays of `work`, from the digits in `folder`."""
    x = np.load(folder / "x.npy", mmap_mode="r")[: work.rows]
    y = np.load(folder / "y.npy")[: work.rows]
    orders = shuffled_orders(len(x), work.epochs) if work.shuffle else None
    return Case(work, aligned(INPUTS[work.input](x, work)), y, initial_weights(work.sizes), orders)
