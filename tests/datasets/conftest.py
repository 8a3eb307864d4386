"""A home without data, and MNIST files with made-up digits."""

import gzip

import numpy as np
import pytest
from made_up_mnist import idx_bytes, made_up

from cnn_mnist.datasets import idx, lesson_pickle

SIZES = {idx: ("FILES", "TRAIN_ROWS"), lesson_pickle: ("ROWS",)}
FULL = [(module, name, getattr(module, name)) for module, names in SIZES.items() for name in names]


@pytest.fixture(scope="module", autouse=True)
def small():
    """A hundredth of MNIST's rows, so that the tests are quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idx, "FILES", {n: (s[0] // 100, *s[1:]) for n, s in idx.FILES.items()})
        patch.setattr(idx, "TRAIN_ROWS", idx.TRAIN_ROWS // 100)
        patch.setattr(lesson_pickle, "ROWS", tuple(rows // 100 for rows in lesson_pickle.ROWS))
        yield


@pytest.fixture
def full_size(monkeypatch):
    """MNIST's own numbers of rows."""
    for module, name, value in FULL:
        monkeypatch.setattr(module, name, value)


@pytest.fixture(scope="module")
def arrays(small):
    return made_up(idx.FILES)


@pytest.fixture(scope="module")
def zipped(arrays):
    """Made-up MNIST files, gzipped."""
    return {
        f"{name}.gz": gzip.compress(idx_bytes(array), 1, mtime=0) for name, array in arrays.items()
    }


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without data; the value is the cache folder."""
    monkeypatch.delenv("CNN_MNIST_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "cnn_mnist"


@pytest.fixture(scope="module")
def splits(arrays):
    x, y, x_test, y_test = arrays.values()
    return tuple(
        (a.reshape(-1, 784).astype(np.float32) / 256, b.astype(np.int64))
        for a, b in [(x[:500], y[:500]), (x[500:], y[500:]), (x_test, y_test)]
    )
