"""Where MNIST comes from: a folder of IDX files, the environment's, the cache; damaged files."""

import gzip
import sys
from pathlib import Path

import pytest
from made_up_mnist import check, fill, idx_bytes, made_up, names_all_ways

from cnn_mnist import datasets
from cnn_mnist.datasets import idx, lesson_pickle

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def test_full_size(tmp_path, home, full_size):
    arrays = made_up(idx.FILES)
    folder = fill(tmp_path / "data", {name: idx_bytes(array) for name, array in arrays.items()})
    splits = datasets.mnist(folder)
    assert [len(y) for _, y in splits] == [50_000, 10_000, 10_000] == list(lesson_pickle.ROWS)
    check(splits, arrays)


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


def test_nothing_at_hand(home):
    with pytest.raises(FileNotFoundError, match="not at hand") as caught:
        datasets.mnist(download=False)
    assert names_all_ways(str(caught.value)) and str(home) in str(caught.value)


def test_no_pooch(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(
        FileNotFoundError, match="pooch, which downloads it, is not installed: pip install"
    ) as caught:
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
    assert f"lacks {IMAGES}, {LABELS}, t10k-images-idx3-ubyte (" in text
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
