"""The rooms stand as ARCHITECTURE.md says: who includes whom, what an import costs."""

import os
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from cnn_mnist import _core

ROOT = Path(__file__).parents[1]
CSRC = ROOT / "csrc"

# room: rooms that it may include
ROOMS = {
    "kernels": set(),
    "runtime": set(),
    "random": set(),
    "training": {"kernels", "runtime", "random"},
    "bindings": {"kernels", "runtime", "random", "training"},
}
# What arithmetic needs; no allocation, no I/O, no threads.
KERNEL_INCLUDES = {
    "assert.h", "float.h", "limits.h", "math.h", "stddef.h", "stdint.h", "string.h",
    "immintrin.h", "cpuid.h", "arm_neon.h", "fenv.h",
}  # fmt: skip

# What a header expects of whoever includes it, beside nothing.
EXPECTED = {
    "real.h": ["-DCM_REAL_BITS=32"],
    "simd_avx2.h": ["-mavx2", "-mfma"],
    "simd_avx512.h": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"],
    "simd_neon.h": [],
}
FOREIGN = {"simd_neon.h"} if platform.machine() == "x86_64" else {"simd_avx2.h", "simd_avx512.h"}

SOURCES = sorted(path for path in CSRC.glob("*/*") if path.suffix in {".c", ".h", ".inc"})
HEADERS = [path for path in SOURCES if path.suffix == ".h" and path.name not in FOREIGN]


def includes(path):
    return re.findall(r'^\s*#\s*include\s+([<"][^>"]+)[>"]', path.read_text(), re.MULTILINE)


def name_of(path):
    return str(path.relative_to(ROOT))


def test_every_room_is_known():
    assert {path.parent.name for path in SOURCES} == set(ROOMS)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_knowledge_goes_one_way(path):
    room = path.parent.name
    for include in includes(path):
        if include.startswith('"'):
            included = (path.parent / include[1:]).resolve()
            assert included.is_file()
            assert included.parent.name in ROOMS[room] | {room}
        elif room == "kernels":
            assert include[1:] in KERNEL_INCLUDES
        elif room != "bindings":
            assert include[1:] != "Python.h"
        if include.startswith("<numpy/"):
            assert name_of(path) == "csrc/bindings/arrays.c"


@pytest.mark.parametrize("path", HEADERS, ids=name_of)
def test_header_compiles_alone(path, tmp_path):
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{path}"\ntypedef int not_empty;\n')
    python = sysconfig.get_paths()["include"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    flags += EXPECTED.get(path.name, [])
    done = subprocess.run(
        ["cc", *flags, "-isystem", python, "-isystem", np.get_include(), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_says_what_it_is_for(path):
    assert path.read_text().startswith(f"/* {path.name} - ")


def test_no_c_file_is_two_ideas():
    files = [*SOURCES, *(ROOT / "tests/c").glob("*.[chi]*")]
    longer = [name_of(path) for path in files if path.read_text().count("\n") > 400]
    assert longer == []


def test_only_the_module_is_exported():
    done = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=just-symbols", _core.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["PyInit__core"]


def test_external_names_have_the_prefix(tmp_path):
    """What one C file offers another one begins with cm_, so that it can be linked anywhere."""
    for path in SOURCES:
        if path.suffix == ".c" and path.parent.name != "bindings":
            done = subprocess.run(
                [
                    "cc",
                    "-std=c11",
                    "-O1",
                    "-ffp-contract=off",
                    "-c",
                    "-o",
                    tmp_path / "one.o",
                    path,
                ],
                check=False,
            )
            assert done.returncode == 0
            names = subprocess.run(
                ["nm", "--extern-only", "--defined-only", "--format=just-symbols", "one.o"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
            assert [name for name in names if not name.startswith("cm_")] == []


def test_stub_matches_the_module(tmp_path):
    package = tmp_path / "cnn_mnist"
    package.mkdir()
    (package / "__init__.pyi").touch()
    stub = Path(_core.__file__).with_name("_core.pyi").read_text()
    (package / "_core.pyi").write_text(stub)
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "cnn_mnist._core"],
        env=os.environ | {"MYPYPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "what",
    [["-p", "cnn_mnist"], ["tests/both.py", "tests/conftest.py", "tests/test_random_programs.py"]],
)
def test_types_are_right(what):
    """mypy over the package, and over tests that are typed throughout."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *what],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": "python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_no_file_names_a_machine():
    places = "work|home|root|tmp|Users"
    pattern = re.compile(rf"(?<![\w.:/~}})])/(?:{places})/[\w.]")
    text = {".c", ".h", ".inc", ".py", ".pyi", ".md", ".toml", ".in", ".ipynb", ".sh", ""}
    folders = ["csrc", "python", "tests", "benchmarks", "notebooks", "docs"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    for path in [*files, *ROOT.glob("*")]:
        made = {"build", "__pycache__", ".git"} & set(path.relative_to(ROOT).parts)
        if path.is_file() and path.suffix in text and not made:
            assert not pattern.search(path.read_text(errors="replace")), name_of(path)


IMPORT = """
import os, signal, sys, threading
import numpy
def threads():
    return len(os.listdir("/proc/self/task"))
before = set(sys.modules), dict(os.environ), threads(), signal.getsignal(signal.SIGINT)
import cnn_mnist
assert dict(os.environ) == before[1]
assert threads() == before[2]
assert signal.getsignal(signal.SIGINT) is before[3]
print(*sorted(set(sys.modules) - before[0]))
"""


@pytest.fixture(scope="module")
def imported():
    """Modules that `import cnn_mnist` adds to those of NumPy, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_import_changes_nothing_outside(imported):
    """The assertions are in IMPORT."""
    assert "cnn_mnist._core" in imported


def test_import_is_small(imported):
    """Counted, not timed: modules of our own, and few of the standard library."""
    others = [name for name in imported if name.split(".")[0] != "cnn_mnist"]
    assert len(imported) - len(others) < 60
    assert len(others) < 10, others
    heavy = {"torch", "scipy", "sklearn", "matplotlib", "tqdm", "safetensors", "pooch", "asyncio"}
    assert not {name.split(".")[0] for name in imported} & heavy


def test_compiled_module_is_small():
    assert Path(_core.__file__).stat().st_size < 600_000
