"""Where MNIST comes from: folders of IDX files, the lesson's pickle, the cache, a download."""

import gzip
import hashlib
import os
import pickle
import struct
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from cnn_mnist import datasets
from cnn_mnist.datasets import download, idx, lesson_pickle

REAL = os.environ.get("CNN_MNIST_DATA")
needs_mnist = pytest.mark.skipif(not REAL, reason="CNN_MNIST_DATA does not name a folder")


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


def test_full_size(tmp_path, home, full_size):
    arrays = made_up(idx.FILES)
    folder = fill(tmp_path / "data", {name: idx_bytes(array) for name, array in arrays.items()})
    splits = datasets.mnist(folder)
    assert [len(y) for _, y in splits] == [50_000, 10_000, 10_000] == list(lesson_pickle.ROWS)
    check(splits, arrays)


# where from --------------------------------------------------------------------------------


def test_gzipped_files_from_path(tmp_path, home, arrays, zipped):
    check(datasets.mnist(fill(tmp_path / "data", zipped)), arrays)
    check(datasets.mnist(path=str(tmp_path / "data")), arrays)


def test_plain_and_gzipped_files_mixed(tmp_path, home, arrays, zipped):
    folder = fill(tmp_path / "data", zipped)
    for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"):
        (folder / f"{name}.gz").unlink()
        (folder / name).write_bytes(idx_bytes(arrays[name]))
    check(datasets.mnist(folder), arrays)


def test_environment_comes_before_cache(tmp_path, home, arrays, zipped, monkeypatch):
    fill(home, {"mnist.pkl.gz": b"nothing that could be read"})
    monkeypatch.setenv("CNN_MNIST_DATA", str(fill(tmp_path / "data", zipped)))
    check(datasets.mnist(), arrays)
    assert datasets.at_hand() == tmp_path / "data"


def test_path_comes_before_environment(tmp_path, home, arrays, zipped, monkeypatch):
    monkeypatch.setenv("CNN_MNIST_DATA", str(tmp_path / "nowhere"))
    check(datasets.mnist(fill(tmp_path / "data", zipped)), arrays)


def test_cache(home, arrays, zipped):
    assert datasets.at_hand() is None
    fill(home, zipped)
    check(datasets.mnist(download=False), arrays)
    assert datasets.at_hand() == home


def names_all_ways(text):
    return all(way in text for way in ("CNN_MNIST_DATA", "cache", "pip install 'cnn_mnist[data]'"))


def test_nothing_at_hand(home):
    with pytest.raises(FileNotFoundError, match="not at hand") as caught:
        datasets.mnist(download=False)
    assert names_all_ways(str(caught.value)) and str(home) in str(caught.value)


def test_no_pooch(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(FileNotFoundError, match="nor is pooch") as caught:
        datasets.mnist()
    assert names_all_ways(str(caught.value))
    assert not home.exists()


@pytest.mark.parametrize("how", ["path", "environment"])
def test_named_folder_without_data(tmp_path, home, zipped, how, monkeypatch):
    """A folder that was asked for is never silently replaced by another."""
    fill(home, zipped)
    folder = fill(tmp_path / "data", {"t10k-labels-idx1-ubyte": b"?"})
    if how == "environment":
        monkeypatch.setenv("CNN_MNIST_DATA", str(folder))
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist(folder if how == "path" else None)
    text = str(caught.value)
    assert "lacks train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte (" in text
    assert str(folder) in text and names_all_ways(text)


def test_named_folder_is_no_folder(tmp_path, home):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(FileNotFoundError, match="which is no folder"):
            datasets.mnist(path)


def test_path_of_a_wrong_type(home):
    with pytest.raises(TypeError):
        datasets.mnist(3)


@pytest.mark.parametrize("xdg", [None, "", "/elsewhere"])
def test_cache_folder_is_poochs(xdg, monkeypatch):
    pooch = pytest.importorskip("pooch")
    if xdg is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert datasets.cache_folder() == pooch.os_cache("cnn_mnist")


def test_cache_folder_of_other_systems(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert datasets.cache_folder() == Path.home() / "Library" / "Caches" / "cnn_mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert datasets.cache_folder() == Path.home() / "Library" / "Caches" / "cnn_mnist"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "local")
    assert datasets.cache_folder() == Path("local", "cnn_mnist", "cnn_mnist", "Cache")


# damaged IDX files ---------------------------------------------------------------------------

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def other_label(arrays):
    labels = arrays[LABELS].copy()
    labels[41:43] = 10, 11
    return idx_bytes(labels)


DAMAGE = {
    "empty": (LABELS, lambda a: b"", "expected 608 bytes, got 0"),
    "header cut": (IMAGES, lambda a: idx_bytes(a[IMAGES])[:15], "expected 470,416 bytes, got 15"),
    "cut": (LABELS, lambda a: idx_bytes(a[LABELS])[:-1], "expected 608 bytes, got 607"),
    "long": (LABELS, lambda a: idx_bytes(a[LABELS]) + b"?", "expected 608 bytes, got more"),
    "labels for images": (IMAGES, lambda a: idx_bytes(a[LABELS]), "number 2051 .* got 2049"),
    "images for labels": (LABELS, lambda a: idx_bytes(a[IMAGES]), "number 2049 .* got 2051"),
    "test for training": (
        IMAGES, lambda a: idx_bytes(a["t10k-images-idx3-ubyte"]),
        r"expected shape \(600, 28, 28\), got \(100, 28, 28\)",
    ),
    "other size": (
        IMAGES, lambda a: idx_bytes(a[IMAGES].reshape(600, 56, 14)),
        r"expected shape \(600, 28, 28\), got \(600, 56, 14\)",
    ),
    "label 10": (LABELS, other_label, "expected labels 0 to 9, got 10 at row 41"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_file(case, suffix, tmp_path, home, arrays, zipped):
    name, damage, message = DAMAGE[case]
    folder = fill(tmp_path, zipped)
    (folder / f"{name}.gz").unlink()
    data = damage(arrays)
    (folder / f"{name}{suffix}").write_bytes(gzip.compress(data, 1) if suffix else data)
    with pytest.raises(ValueError, match=f"{name}{suffix}: .*{message}"):
        datasets.mnist(folder)


@pytest.mark.parametrize("case", ["cut", "no gzip", "checksum", "garbled"])
def test_damaged_gzip(case, tmp_path, home, zipped):
    data = bytearray(zipped[f"{LABELS}.gz"])
    if case == "cut":
        del data[-9:]
    elif case == "no gzip":
        data = b"<html>sign in to this network</html>"
    elif case == "checksum":
        data[-8] ^= 1
    else:
        data[12:20] = b"\xff" * 8
    folder = fill(tmp_path, zipped | {f"{LABELS}.gz": data})
    with pytest.raises(ValueError, match=f"{LABELS}.gz: not a whole gzip file"):
        datasets.mnist(folder)


# the lesson's pickle --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def splits(arrays):
    x, y, x_test, y_test = arrays.values()
    return tuple(
        (a.reshape(-1, 784).astype(np.float32) / 256, b.astype(np.int64))
        for a, b in [(x[:500], y[:500]), (x[500:], y[500:]), (x_test, y_test)]
    )


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


@pytest.mark.parametrize("case", ["cut gzip", "cut pickle", "no gzip", "no pickle", "checksum", "more"])
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


# download --------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.asked.append(self.path.rpartition("/")[2])


class Cut(Quiet):
    """Announces more bytes than it sends."""

    def end_headers(self):
        self.send_header("Content-Length", "10000000")
        super().end_headers()


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Function that serves files at an address of this machine."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "*")
    servers = []

    def start(name, files, handler=Quiet):
        folder = fill(tmp_path / name, files)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder))
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/", server.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def known(zipped, monkeypatch):
    """The made-up files are the ones to download."""
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in zipped.items()}
    monkeypatch.setattr(download, "MD5", md5)


def test_published_checksums_are_for_the_files():
    assert list(download.MD5) == [f"{name}.gz" for name in idx.FILES]
    assert all(len(bytes.fromhex(md5)) == 16 for md5 in download.MD5.values())


def test_download(home, arrays, zipped, known, serve, monkeypatch):
    good, asked = serve("good", zipped)
    monkeypatch.setattr(download, "MIRRORS", (good, "http://127.0.0.1:9/"))
    check(datasets.mnist(), arrays)
    assert {path.name: path.read_bytes() for path in home.iterdir()} == zipped
    assert asked == list(zipped)
    check(datasets.mnist(), arrays)  # from the cache
    assert asked == list(zipped)


@pytest.mark.parametrize("first", ["down", "404", "other", "cut"])
def test_second_mirror(first, home, arrays, zipped, known, serve, monkeypatch):
    good, asked = serve("good", zipped)
    bad = {
        "down": lambda: "http://127.0.0.1:9/",
        "404": lambda: serve("bad", {})[0],
        "other": lambda: serve("bad", dict.fromkeys(zipped, b"<html>"))[0],
        "cut": lambda: serve("bad", zipped, Cut)[0],
    }[first]()
    monkeypatch.setattr(download, "MIRRORS", (bad, good))
    check(datasets.mnist(), arrays)
    assert asked == list(zipped)
    assert sorted(path.name for path in home.iterdir()) == sorted(zipped)


@pytest.mark.parametrize("case", ["down", "404", "other", "cut"])
def test_failed_download_leaves_nothing(case, home, zipped, known, serve, monkeypatch):
    """The last file is the broken one: the three before it are not left either."""
    files = dict(zipped)
    last = "t10k-labels-idx1-ubyte.gz"
    if case == "404":
        del files[last]
    elif case == "other":
        files[last] = files[last][:-1]
    bad, _ = serve("bad", files, Cut if case == "cut" else Quiet)
    mirror = "http://127.0.0.1:9/" if case == "down" else bad
    monkeypatch.setattr(download, "MIRRORS", (mirror, mirror))
    with pytest.raises(FileNotFoundError, match="could not be downloaded") as caught:
        datasets.mnist()
    assert names_all_ways(str(caught.value))
    assert str(caught.value).count("http://127.0.0.1") >= 2
    assert not home.exists()


def test_interrupted_download_leaves_nothing(home, zipped, known, monkeypatch):
    pooch = pytest.importorskip("pooch")

    def interrupted(url, known_hash, fname, path, **options):
        Path(path, fname).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch, "retrieve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.mnist()
    assert not home.exists()


def test_failed_download_keeps_what_was_there(home, zipped, known, monkeypatch):
    pytest.importorskip("pooch")
    fill(home, {"mine.txt": b"?"})
    monkeypatch.setattr(download, "MIRRORS", ("http://127.0.0.1:9/",))
    with pytest.raises(FileNotFoundError):
        datasets.mnist()
    assert [path.name for path in home.iterdir()] == ["mine.txt"]


# the real thing --------------------------------------------------------------------------------


@needs_mnist
def test_real_files_equal_the_lessons_pickle(home, full_size):
    """Bit for bit, read as the lesson reads it."""
    path = Path(REAL, "mnist.pkl.gz")
    if not path.is_file() or len(idx.find_idx(Path(REAL))) < 4:
        pytest.skip("CNN_MNIST_DATA has not both the pickle and the IDX files")
    with gzip.open(path) as file:
        lesson = pickle.load(file, encoding="latin-1")
    for source in (idx.read_mnist(idx.find_idx(Path(REAL))), lesson_pickle.read_lesson_pickle(path)):
        for got, want in zip(sum(source, ()), sum(lesson, ()), strict=True):
            assert got.dtype == want.dtype and got.shape == want.shape
            assert got.tobytes() == want.tobytes()
