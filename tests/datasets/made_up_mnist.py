"""Files like MNIST's with made-up digits, for the tests of `datasets`."""

import struct

import numpy as np


def pixels(shape):
    """Bytes of every value, in a period that is prime to the width of a digit."""
    size = int(np.prod(shape))
    return np.resize(np.arange(256 + 5).astype(np.uint8), size).reshape(shape)


def idx_bytes(array):
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def made_up(files):
    return {
        name: pixels(shape) if len(shape) > 1 else pixels(shape) % 10
        for name, shape in files.items()
    }


def fill(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def check(splits, arrays):
    """`splits` is what the made-up files hold, by the lesson's formula."""
    x, y, x_test, y_test = arrays.values()
    n = len(y) * 5 // 6
    expected = [(x[:n], y[:n]), (x[n:], y[n:]), (x_test, y_test)]
    assert len(splits) == 3
    for (got_x, got_y), (want_x, want_y) in zip(splits, expected, strict=True):
        assert type(got_x) is type(got_y) is np.ndarray
        assert got_x.dtype == np.float32 and got_y.dtype == np.int64
        assert got_x.flags.c_contiguous and got_x.flags.writeable and got_y.flags.writeable
        np.testing.assert_array_equal(got_x, want_x.reshape(-1, 784) / 256)
        np.testing.assert_array_equal(got_y, want_y)


def names_all_ways(text):
    return all(way in text for way in ("CNN_MNIST_DATA", "cache", "pip install 'cnn_mnist[data]'"))
