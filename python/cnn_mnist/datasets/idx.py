"""MNIST's own file format: a big-endian header, then one unsigned byte a pixel or label.

Source of the format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits",
section "File formats for the MNIST database".
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Split = tuple[NDArray[np.float32], NDArray[np.int64]]
Splits = tuple[Split, Split, Split]

PIXELS = 28 * 28
CLASSES = 10
TRAIN_ROWS = 50_000  # of the 60,000 training digits; the lesson validates on the others

# name of the file: the shape that its header must give
FILES: dict[str, tuple[int, ...]] = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}


def find_idx(folder: Path) -> list[Path]:
    """The files of FILES that `folder` holds, in that order; plain before gzipped."""
    found = []
    for name in FILES:
        both = (folder / name, folder / f"{name}.gz")
        found += [path for path in both if path.is_file()][:1]
    return found


def read_mnist(files: list[Path]) -> Splits:
    """The lesson's three splits from the four files of FILES, in that order."""
    pairs = zip(files, FILES.values(), strict=True)
    x, y, x_test, y_test = (read_idx(path, shape) for path, shape in pairs)
    check_labels(files[1], y)
    check_labels(files[3], y_test)
    n = TRAIN_ROWS
    return split(x[:n], y[:n]), split(x[n:], y[n:]), split(x_test, y_test)


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The unsigned bytes of an IDX file, gzipped if its name ends in .gz.

    Raises
    ------
    ValueError
        Not a whole gzip file, not the magic number of `shape`, another shape, or a length
        that disagrees with it.
    """
    header = struct.Struct(f">{1 + len(shape)}I")
    expected = header.size + math.prod(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(expected + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file: {error}") from error
    if len(data) < header.size:
        raise ValueError(f"{path}: expected {expected:,} bytes, got {len(data):,}")
    magic, *got = header.unpack_from(data)
    if magic != 0x800 + len(shape):
        raise ValueError(
            f"{path}: expected the magic number {0x800 + len(shape)} of an IDX file of unsigned "
            f"bytes in {len(shape)} dimension(s), got {magic}"
        )
    if tuple(got) != shape:
        raise ValueError(f"{path}: expected shape {shape}, got {tuple(got)}")
    if len(data) != expected:
        got_bytes = f"{len(data):,}" if len(data) < expected else "more"
        raise ValueError(f"{path}: expected {expected:,} bytes, got {got_bytes}")
    return np.frombuffer(data, np.uint8, offset=header.size).reshape(shape)


def check_labels(path: Path, y: NDArray[Any]) -> None:
    """Raise ValueError at the first label that is no digit; `path` is what the message names."""
    wrong = (y < 0) | (y >= CLASSES)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{path}: expected labels 0 to 9, got {y[row]} at row {row}")


def split(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
    """(n, ...) bytes and (n,) labels as the lesson has them: (n, 784) float32 k/256, int64."""
    x = pixels.reshape(-1, PIXELS).astype(np.float32)
    x *= np.float32(1 / 256)  # a power of two: exact
    return x, labels.astype(np.int64)
