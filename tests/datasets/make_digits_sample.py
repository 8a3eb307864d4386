"""Makes python/cnn_mnist/datasets/digits_sample.npy.xz from a folder with MNIST's IDX files:

python tests/datasets/make_digits_sample.py FOLDER
"""

import io
import lzma
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.datasets import idx, sample

# found by trying all: no pixel depends on its position modulo 4, much on its four upper bits
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0}]


def sample_rows(folder: Path) -> NDArray[np.uint8]:
    """(rows, 785): the first digits of each of MNIST's three splits; label, then pixels."""
    x, y, x_test, y_test = (
        idx.read_idx(path, shape)
        for path, shape in zip(idx.find_idx(folder), idx.FILES.values(), strict=True)
    )
    rows = np.column_stack([y, x.reshape(-1, idx.PIXELS)])
    test_rows = np.column_stack([y_test, x_test.reshape(-1, idx.PIXELS)])
    train, valid, test = sample.ROWS
    n = idx.TRAIN_ROWS
    return np.concatenate([rows[:train], rows[n : n + valid], test_rows[:test]])


if __name__ == "__main__":
    npy = io.BytesIO()
    np.save(npy, sample_rows(Path(sys.argv[1])), allow_pickle=False)
    sample.FILE.write_bytes(lzma.compress(npy.getvalue(), filters=FILTERS))
    print(f"{sample.FILE}: {sample.FILE.stat().st_size:,} bytes")
