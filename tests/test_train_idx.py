"""tests/c/train_idx.c: the C rooms as a plain library, trained on IDX files."""

import gzip
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

import cnn_mnist
from cnn_mnist import datasets, nn

ROOT = Path(__file__).parents[1]
ROOMS = ("kernels", "random", "runtime", "training")
FLAGS = ["-std=c11", "-O2", "-ffp-contract=off", "-pthread", "-Wall", "-Wextra", "-Werror"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """train_idx, compiled without Python."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler")
    target = tmp_path_factory.mktemp("build") / "train_idx"
    sources = [str(p) for room in ROOMS for p in sorted((ROOT / "csrc" / room).glob("*.c"))]
    command = [compiler, *FLAGS, "-o", str(target), str(ROOT / "tests/c/train_idx.c"), *sources]
    subprocess.run([*command, "-lm"], check=True)
    return target


def write_idx(path, values):
    header = struct.pack(f">i{values.ndim}i", 0x0800 + values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())
    return path


@pytest.fixture
def files(tmp_path):
    (x, y), _, _ = datasets.digits_sample()
    pixels = (x[:1000] * 256).astype(np.uint8).reshape(-1, 28, 28)
    return (
        write_idx(tmp_path / "images", pixels),
        write_idx(tmp_path / "labels", y[:1000].astype(np.uint8)),
    )


def run(program, *arguments):
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def losses_of(text):
    return [float(value) for value in re.findall(r"loss ([0-9.]+)", text)]


@pytest.mark.parametrize("threads", [1, 3])
def test_it_is_fit(program, files, threads):
    result = run(program, *files, 4, threads)
    assert result.returncode == 0, result.stderr
    (x, y), _, _ = datasets.digits_sample()
    cnn_mnist.manual_seed(1)
    model = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
    history = cnn_mnist.fit(
        model, x[:1000], y[:1000], epochs=4, batch_size=512, lr=0.5, shuffle=False
    )
    expected = np.reshape(history.loss, (4, 2)).mean(1)
    np.testing.assert_allclose(losses_of(result.stdout), expected, atol=2e-5)


def test_full_mnist(program, mnist_dir, tmp_path):
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    for name in names:
        packed = mnist_dir / f"{name}.gz"
        if not packed.exists():
            pytest.skip("the folder has no gzipped IDX files")
        (tmp_path / name).write_bytes(gzip.decompress(packed.read_bytes()))
    result = run(program, *(tmp_path / name for name in names), 3, 2)
    assert result.returncode == 0, result.stderr
    assert losses_of(result.stdout)[2] < 0.3


BROKEN = {
    "empty": lambda data: b"",
    "header cut": lambda data: data[:7],
    "magic": lambda data: b"\0\0\x09\x03" + data[4:],
    "rows negative": lambda data: data[:4] + b"\xff\xff\xff\xff" + data[8:],
    "rows huge": lambda data: data[:4] + b"\x7f\xff\xff\xff" + data[8:],
    "no rows": lambda data: data[:4] + b"\0\0\0\0" + data[8:],
    "width zero": lambda data: data[:12] + b"\0\0\0\0" + data[16:],
    "sizes overflow": lambda data: data[:8] + b"\x7f\xff\xff\xff" * 2 + data[16:],
    "cut": lambda data: data[:-1],
    "too long": lambda data: data + b"\0",
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_broken_images(program, files, damage):
    images, labels = files
    images.write_bytes(damage(images.read_bytes()))
    result = run(program, images, labels)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"train_idx: {images}: ")
    assert result.stderr.count("\n") == 1


def test_broken_labels(program, files, tmp_path):
    images, labels = files
    values = np.frombuffer(labels.read_bytes()[8:], np.uint8).copy()
    values[7] = 10
    wrong = run(program, images, write_idx(tmp_path / "wrong", values))
    assert wrong.returncode == 1
    assert "label 10 at row 7" in wrong.stderr
    fewer = run(program, images, write_idx(tmp_path / "fewer", values[:9]))
    assert fewer.returncode == 1
    assert "1000 images, but 9 labels" in fewer.stderr
    assert run(program, images, tmp_path / "absent").returncode == 1
    assert run(program, images).returncode == 2
