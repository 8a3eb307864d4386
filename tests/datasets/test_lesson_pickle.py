"""The lesson's pickle: both ways in which it was written, and files that want more than arrays."""

import gzip
import os
import pickle
import struct

import numpy as np
import pytest
from made_up_mnist import check, fill

from cnn_mnist import datasets
from cnn_mnist.datasets import idx, lesson_pickle


def python2_string(data):
    """BINSTRING: Python 2's str, as its cPickle writes it."""
    return b"T" + struct.pack("<I", len(data)) + data


def python2_int(n):
    return b"J" + struct.pack("<i", n)


def python2_array(array):
    """A numpy.ndarray as Python 2's cPickle writes it in protocol 2, without memo."""
    dtype = (
        b"cnumpy\ndtype\n" + b"U\x02" + array.dtype.str[1:].encode() + b"K\x00K\x01\x87R"
        b"(K\x03U\x01" + array.dtype.str[:1].encode() + b"NNN" + python2_int(-1) * 2 + b"K\x00tb"
    )
    shape = b"(" + b"".join(map(python2_int, array.shape)) + b"t"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + shape + dtype + b"\x89" + python2_string(array.tobytes()) + b"tb"
    )


def python2_pickle(splits):
    pairs = b"".join(python2_array(x) + python2_array(y) + b"\x86" for x, y in splits)
    return b"\x80\x02" + pairs + b"\x87."


def write_pickle(folder, data):
    path = folder / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(data, 1))
    return path


def test_python2_bytes_are_what_the_lesson_reads(splits):
    """The hand-made stream, as the lesson itself reads it."""
    small = tuple((x[:3], y[:3]) for x, y in splits)
    for (x, y), (want_x, want_y) in zip(
        pickle.loads(python2_pickle(small), encoding="latin-1"), small, strict=True
    ):
        np.testing.assert_array_equal(x, want_x)
        np.testing.assert_array_equal(y, want_y)
        assert x.dtype == want_x.dtype and y.dtype == want_y.dtype


def test_pickle_of_python_2(tmp_path, home, arrays, splits):
    write_pickle(tmp_path, python2_pickle(splits))
    check(datasets.mnist(tmp_path), arrays)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_pickle_of_python_3(protocol, byte_order, tmp_path, home, arrays, splits):
    written = tuple((x.astype(f"{byte_order}f4"), y.astype(f"{byte_order}i8")) for x, y in splits)
    write_pickle(tmp_path, pickle.dumps(written, protocol))
    check(datasets.mnist(tmp_path), arrays)


def test_pickle_with_numpy_1_and_2_names(tmp_path, home, arrays, splits):
    data = pickle.dumps(splits, 2)
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    assert (old in data) != (new in data)
    data = data.replace(old, new) if old in data else data.replace(new, old)
    write_pickle(tmp_path, data)
    check(datasets.mnist(tmp_path), arrays)


def test_pickle_in_fortran_order(tmp_path, home, arrays, splits):
    write_pickle(tmp_path, pickle.dumps([[np.asfortranarray(x), y] for x, y in splits], 4))
    check(datasets.mnist(tmp_path), arrays)


def test_idx_files_come_before_the_pickle(tmp_path, home, arrays, zipped):
    check(datasets.mnist(fill(tmp_path, zipped | {"mnist.pkl.gz": b"?"})), arrays)


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Call(os.system, "touch {mark}"), f"{os.name}.system"),
        (Call(eval, "open('{mark}', 'w')"), "__builtin__.eval"),
        (Call(open, "{mark}", "w"), "io.open"),
        (np.load, "numpy.load"),
        (np.float32(1), r"numpy\._?core\.multiarray\.scalar"),
        (np.array([None]).dtype.type, "numpy.object_"),
        (gzip.GzipFile, "gzip.GzipFile"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pickle_that_wants_more_than_arrays(value, name, tmp_path, home):
    mark = tmp_path / "was run"
    if isinstance(value, Call):
        function, args = value.call
        value = Call(function, *(arg.format(mark=mark) for arg in args))
    write_pickle(tmp_path, pickle.dumps((np.zeros(3), value), 2))
    with pytest.raises(pickle.UnpicklingError, match=f"mnist.pkl.gz: the global {name} is refused"):
        datasets.mnist(tmp_path)
    assert not mark.exists()


def test_pickle_with_another_codec(tmp_path, home):
    data = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R."
    write_pickle(tmp_path, data)
    with pytest.raises(pickle.UnpicklingError, match="'rot13': expected 'latin1'"):
        datasets.mnist(tmp_path)


def test_pickle_cannot_change_the_reader(tmp_path, home):
    """BUILD on a name that the reader knows would set attributes of it."""
    for name in lesson_pickle._GLOBALS:
        module, attribute = (part.encode() for part in name)
        state = b"N}X\x08\x00\x00\x00__call__Ns\x86b."
        write_pickle(tmp_path, b"\x80\x02c" + module + b"\n" + attribute + b"\n" + state)
        with pytest.raises(ValueError, match="damaged: AttributeError"):
            datasets.mnist(tmp_path)


def replaced(splits, which, item, value):
    pairs = [list(pair) for pair in splits]
    pairs[which][item] = value
    return tuple(map(tuple, pairs))


def other_labels(y):
    y = y.copy()
    y[7] = -1
    return y


OTHER = {
    "int": (lambda s: 3, "expected a tuple of 3 splits, got int"),
    "two splits": (lambda s: s[:2], "expected a tuple of 3 splits, got tuple of 2"),
    "no pair": (lambda s: (s[0], s[1], s[2][0]), r"test: expected \(images, labels\), got"),
    "no array": (
        lambda s: replaced(s, 0, 1, [1, 2]),
        r"training labels: expected a int64 array of shape \(500,\), got list of 2",
    ),
    "rows": (
        lambda s: replaced(s, 1, 0, s[1][0][:-1]),
        r"validation images: .* shape \(100, 784\), got a float32 array of shape \(99, 784\)",
    ),
    "float64": (
        lambda s: replaced(s, 1, 0, s[1][0].astype(np.float64)),
        r"validation images: expected a float32 .*, got a float64 array of shape \(100, 784\)",
    ),
    "label": (lambda s: replaced(s, 2, 1, other_labels(s[2][1])), "got -1 at row 7"),
    "objects": (lambda s: np.array([None]), "damaged: ValueError: dtype '=O8'"),
    "text": (lambda s: np.array(["a"]), "damaged: ValueError: dtype '<U1'"),
}


@pytest.mark.parametrize("case", OTHER)
def test_pickle_of_something_else(case, tmp_path, home, splits):
    make, message = OTHER[case]
    write_pickle(tmp_path, pickle.dumps(make(splits), 4))
    with pytest.raises(ValueError, match=f"mnist.pkl.gz: .*{message}"):
        datasets.mnist(tmp_path)


@pytest.mark.parametrize(
    "case", ["cut gzip", "cut pickle", "no gzip", "no pickle", "checksum", "more"]
)
def test_damaged_pickle(case, tmp_path, home, splits):
    data = python2_pickle(splits)
    path = write_pickle(tmp_path, data)
    damaged = bytearray(path.read_bytes())
    if case == "cut gzip":
        del damaged[-9:]
    elif case == "cut pickle":
        damaged = gzip.compress(data[:-1000], 1)
    elif case == "no gzip":
        damaged = data[:1000]
    elif case == "no pickle":
        damaged = gzip.compress(b"<html>")
    elif case == "checksum":
        damaged[-8] ^= 1
    else:
        damaged = gzip.compress(data + b"?", 1)
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="mnist.pkl.gz: damaged: "):
        datasets.mnist(tmp_path)


def test_real_files_equal_the_lessons_pickle(mnist_dir, full_size):
    """Bit for bit, read as the lesson reads it."""
    files, path = idx.find_idx(mnist_dir), mnist_dir / "mnist.pkl.gz"
    if not path.is_file() or len(files) < 4:
        pytest.skip("CNN_MNIST_DATA has not both the pickle and the IDX files")
    with gzip.open(path) as file:
        lesson = pickle.load(file, encoding="latin-1")
    for source in (idx.read_mnist(files), lesson_pickle.read_lesson_pickle(path)):
        for got, want in zip(sum(source, ()), sum(lesson, ()), strict=True):
            assert got.dtype == want.dtype and got.shape == want.shape
            assert got.tobytes() == want.tobytes()
