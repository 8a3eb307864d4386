"""Safetensors files: exchange with torch, whole or not at all, one clear error for bad ones."""

import errno
import json
import os
import resource
import stat

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import cnn_mnist
from cnn_mnist import nn

DTYPES = ["float32", "float64", "int64", "uint8", "bool"]


def members():
    rng = np.random.default_rng(0)
    return {
        f"{name}.{shape}": rng.integers(0, 2, shape).astype(name)
        for name in DTYPES
        for shape in ((), (0, 3), (4,), (2, 3, 2))
    }


def assert_same(ours, theirs):
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        a, b = np.asarray(value), np.asarray(theirs[name])
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), name


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "model.safetensors"
    cnn_mnist.save(members(), path)
    loaded = cnn_mnist.load(path)
    assert_same(loaded, members())
    assert all(isinstance(value, cnn_mnist.Tensor) for value in loaded.values())
    for value in loaded.values():
        value.fill_(1)  # writable
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_the_keywords_are_those_of_torch(tmp_path):
    cnn_mnist.save(obj=members(), f=tmp_path / "a")
    places = ("cpu", None, {"cuda:0": "cpu"}, lambda storage, place: storage)
    for place, weights_only in zip(places, (True, False, True, False), strict=True):
        loaded = cnn_mnist.load(f=tmp_path / "a", map_location=place, weights_only=weights_only)
        assert_same(loaded, members())
    with pytest.raises(RuntimeError, match="expected device 'cpu', got 'cuda'"):
        cnn_mnist.load(tmp_path / "a", "cuda")


def test_torch_reads_what_we_save(tmp_path):
    cnn_mnist.save(members(), str(tmp_path / "a"))
    assert_same(members(), safetensors.torch.load_file(tmp_path / "a"))


def test_we_read_what_torch_saves(tmp_path):
    given = {name: torch.from_numpy(np.asarray(value)) for name, value in members().items()}
    safetensors.torch.save_file(given, tmp_path / "a", metadata={"format": "pt"})
    assert_same(cnn_mnist.load(tmp_path / "a"), given)


def test_models_go_to_torch_and_back(tmp_path):
    def network(t):
        return t.nn.Sequential(t.nn.Linear(4, 3), t.nn.ReLU(), t.nn.Linear(3, 2))

    ours, theirs = network(cnn_mnist), network(torch)
    cnn_mnist.save(ours, tmp_path / "a")
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "a"))
    assert_same(ours.state_dict(), theirs.state_dict())
    safetensors.torch.save_model(network(torch), tmp_path / "b")
    ours.load_state_dict(cnn_mnist.load(tmp_path / "b"))
    assert_same(ours.state_dict(), safetensors.torch.load_file(tmp_path / "b"))


def test_names_come_in_the_order_of_the_file(tmp_path):
    safetensors.numpy.save_file(members(), tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    expected = sorted(header, key=lambda name: header[name]["data_offsets"])
    assert [list(cnn_mnist.load(tmp_path / "a")) for _ in range(5)] == [expected] * 5


def test_any_layout_any_holder(tmp_path):
    base = np.arange(24.0).reshape(4, 6)
    given = {
        "transposed": base.T,
        "strided": base[::2, ::3],
        "fortran": np.asfortranarray(base),
        "reversed": base[:, ::-1],
        "broadcast": np.broadcast_to(base[0], (3, 6)),
        "torch": torch.from_numpy(base),
        "parameter": nn.Parameter(base.T),
        "view": cnn_mnist.from_numpy(base).T,
        "swapped": base.astype(">f8"),
    }
    cnn_mnist.save(given, tmp_path / "a")
    loaded = cnn_mnist.load(tmp_path / "a")
    assert loaded["broadcast"].tolist() == [base[0].tolist()] * 3
    assert loaded["reversed"].tolist() == base[:, ::-1].tolist()
    given["parameter"], given["swapped"] = base.T, base
    assert_same(loaded, given)


def test_the_file_replaces_another_and_keeps_its_mode(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    cnn_mnist.save({"x": np.ones(2)}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert cnn_mnist.load(path)["x"].tolist() == [1, 1]


def test_a_link_goes_on_pointing_to_the_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    cnn_mnist.save({"x": np.ones(2)}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a").exists()


@pytest.mark.parametrize("broken", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken, error):
    path = tmp_path / "a"
    cnn_mnist.save({"x": np.ones(2)}, path)

    def fail(*args):
        raise error

    with monkeypatch.context() as patch, pytest.raises(type(error)) as raised:
        patch.setattr(os, broken, fail)
        cnn_mnist.save({"x": np.zeros(2)}, path)
    assert isinstance(error, KeyboardInterrupt) or str(path) in str(raised.value)
    assert os.listdir(tmp_path) == ["a"]
    assert cnn_mnist.load(path)["x"].tolist() == [1, 1]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    cnn_mnist.save({"x": np.ones(2)}, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError) as raised:
            cnn_mnist.save({"x": np.zeros(5000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG and raised.value.filename == str(path)
    assert os.listdir(tmp_path) == ["a"]
    assert cnn_mnist.load(path)["x"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "obj, name",
    [
        ([1], "list"),
        (3, "int"),
        ({"a": [1]}, "a: .* list"),
        ({3: np.ones(1)}, "3"),
        ({"a": None}, "a: .* NoneType"),
        ({"a": np.array(["x"])}, "a: .*<U1"),
        ({"a": np.ones(1, np.complex64)}, "a: .*complex64"),
    ],
)
def test_what_cannot_be_saved(tmp_path, obj, name):
    with pytest.raises(TypeError, match=f"{name}\\b"):
        cnn_mnist.save(obj, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/such/a'$"):
        cnn_mnist.save({}, tmp_path / "no" / "such" / "a")
    with pytest.raises(FileNotFoundError, match="missing"):
        cnn_mnist.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        cnn_mnist.load(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        cnn_mnist.save({"x": np.ones(1)}, tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


def whole():
    return safetensors.numpy.save({"a": np.arange(6.0), "b": np.ones((2, 2), np.float32)})


BAD = {
    "empty": b"",
    "short": b"\x01\x02",
    "pickle": b"\x80\x02}q\x00.",
    "zip": b"PK\x03\x04" * 30,
    "text": b"hello, world, this is no such file",
    "cut": whole()[:-3],
    "longer": whole() + b"1",
    "huge header": b"\xff" * 8 + whole()[8:],
    "no JSON": whole().replace(b"{", b"[", 1),
    "header only": whole()[:20],
    "offsets": whole().replace(b"[0,48]", b"[0,40]"),
    "shape": whole().replace(b'"shape":[6]', b'"shape":[7]'),
    "torch": None,
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_are_none(tmp_path, name):
    path = tmp_path / "model.safetensors"
    if name == "torch":
        torch.save({"a": torch.ones(2)}, path)
    else:
        path.write_bytes(BAD[name])
    with pytest.raises(ValueError, match="model.safetensors: not a safetensors file"):
        cnn_mnist.load(path)


def test_every_cut_is_noticed(tmp_path):
    path = tmp_path / "a"
    for length in range(len(whole())):
        path.write_bytes(whole()[:length])
        with pytest.raises(ValueError, match="not a safetensors file"):
            cnn_mnist.load(path)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64]
)
def test_dtypes_that_tensors_do_not_have(tmp_path, dtype):
    safetensors.torch.save_file({"odd": torch.ones(2).to(dtype)}, tmp_path / "a")
    with pytest.raises(ValueError, match="a: .*odd"):
        cnn_mnist.load(tmp_path / "a")


def test_what_is_no_regular_file_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        cnn_mnist.save({"x": np.arange(3)}, pipe)
        assert stat.S_ISFIFO(os.stat(pipe).st_mode)
        assert safetensors.numpy.load(os.read(end, 10_000))["x"].tolist() == [0, 1, 2]
    finally:
        os.close(end)
    assert os.listdir(tmp_path) == ["pipe"]
    cnn_mnist.save({"x": np.arange(3)}, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
