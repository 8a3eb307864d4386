"""The digits that come with the package."""

import numpy as np
import pytest

from cnn_mnist import datasets
from cnn_mnist.datasets import sample


def test_shapes_and_values():
    splits = datasets.digits_sample()
    assert [len(y) for _, y in splits] == list(sample.ROWS)
    for x, y in splits:
        assert type(x) is type(y) is np.ndarray
        assert x.shape == (len(y), 784) and x.dtype == np.float32 and x.flags.c_contiguous
        assert y.dtype == np.int64 and set(y.tolist()) == set(range(10))
        np.testing.assert_array_equal(x * 256, np.clip(np.rint(x * 256), 0, 255))
        assert np.bincount(y).min() > 5


def test_the_callers_own_arrays():
    (x, y), *_ = datasets.digits_sample()
    x[:], y[:] = 2, 2
    (x, y), *_ = datasets.digits_sample()
    assert x.max() < 1 and y[0] == 5


def test_size_and_licence_beside_it():
    assert sample.FILE.stat().st_size < 420_000
    assert "Attribution-Share Alike 3.0" in sample.FILE.with_name("digits_sample.txt").read_text()


def test_rows_of_the_real_mnist(mnist_dir, full_size):
    for some, real in zip(datasets.digits_sample(), datasets.mnist(mnist_dir), strict=True):
        for got, want in zip(some, real, strict=True):
            np.testing.assert_array_equal(got, want[: len(got)])


def test_can_be_remade(mnist_dir, full_size):
    import lzma

    import make_digits_sample

    if len(datasets.idx.find_idx(mnist_dir)) < 4:
        pytest.skip("CNN_MNIST_DATA has no IDX files")
    with lzma.open(sample.FILE) as file:
        shipped = np.lib.format.read_array(file, allow_pickle=False)
    np.testing.assert_array_equal(shipped, make_digits_sample.sample_rows(mnist_dir))
