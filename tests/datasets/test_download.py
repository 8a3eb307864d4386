"""Downloads from a server of the test's own: whole, broken, cut, missing, interrupted."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from made_up_mnist import check, fill, names_all_ways

from cnn_mnist import datasets
from cnn_mnist.datasets import download, idx


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
