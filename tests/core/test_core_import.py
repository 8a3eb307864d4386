"""What an import of the compiled module does, and what the environment makes of it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from cnn_mnist import _core


def run(code, **environment):
    """Output of Python code in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CNN_MNIST_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_paths():
    names = _core._isas()
    assert names[0] == "scalar"
    assert _core._isa() in names
    assert set(names) <= {"scalar", "avx2", "avx512", "neon"}


def test_the_fastest_path_is_the_default():
    assert run("from cnn_mnist import _core; print(_core._isa())") == _core._isas()[-1]


@pytest.mark.parametrize("name", _core._isas())
def test_environment_forces_a_path(name):
    assert run("from cnn_mnist import _core; print(_core._isa())", CNN_MNIST_ISA=name) == name


@pytest.mark.parametrize("name", ["sse2", "AVX2", " scalar"])
def test_unknown_path(name):
    message = f"unknown instruction-set path '{name}'"
    with pytest.raises(ValueError, match=message):
        _core._set_isa(name)
    last = run("import cnn_mnist._core", CNN_MNIST_ISA=name)
    assert last == f"ValueError: CNN_MNIST_ISA: {message}"


def test_path_of_another_machine():
    other = next(n for n in ("neon", "avx512", "avx2") if n not in _core._isas())
    before = _core._isa()
    with pytest.raises(RuntimeError, match=f"this machine cannot run the path '{other}'"):
        _core._set_isa(other)
    assert _core._isa() == before
    last = run("import cnn_mnist._core", CNN_MNIST_ISA=other)
    assert last.startswith("RuntimeError: CNN_MNIST_ISA: this machine cannot run")


def test_set_isa_takes_a_string():
    with pytest.raises(TypeError, match="'name' must be str, not int"):
        _core._set_isa(3)
    with pytest.raises(ValueError, match="unknown instruction-set path"):
        _core._set_isa("scalar\0x")


def test_environment_sets_the_threads():
    code = "from cnn_mnist import _core; print(_core.get_num_threads())"
    assert run(code, CNN_MNIST_NUM_THREADS="3") == "3"
    assert int(run(code)) >= 1
    assert run(code, CNN_MNIST_NUM_THREADS="") == run(code)


@pytest.mark.parametrize("value", ["0", "-1", "x", "3 ", "99999999999999999999"])
def test_environment_with_a_wrong_number_of_threads(value):
    last = run("import cnn_mnist._core", CNN_MNIST_NUM_THREADS=value)
    expected = f"CNN_MNIST_NUM_THREADS: expected a positive integer up to 2147483647, got '{value}'"
    assert last == f"ValueError: {expected}"


def test_set_num_threads():
    before = _core.get_num_threads()
    _core.set_num_threads(5)
    assert _core.get_num_threads() == 5
    for wrong, kind, expected in (
        (0, RuntimeError, "a positive integer up to 2147483647, got 0"),
        (-3, RuntimeError, "a positive integer up to 2147483647, got -3"),
        (10**13, ValueError, "a positive integer up to 2147483647, got 10000000000000"),
        (1.5, RuntimeError, "an int, but got float"),
        (True, RuntimeError, "an int, but got bool"),
    ):
        with pytest.raises(kind) as theirs:
            torch.set_num_threads(wrong)
        with pytest.raises(theirs.type, match=f"set_num_threads expects {expected}"):
            _core.set_num_threads(wrong)
    assert _core.get_num_threads() == 5
    _core.set_num_threads(before)


def test_build():
    build = _core._build()
    assert sorted(build) == ["compiler", "flags", "version"]
    assert "-ffp-contract=off" in build["flags"]
    assert "-march" not in build["flags"]
    assert "fast-math" not in build["flags"]


def test_types_are_final_and_immutable():
    for kind in (_core.Generator, _core.Trainer):
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Sub", (kind,), {})
        with pytest.raises(TypeError, match="immutable type"):
            kind.name = 1


def test_two_modules_of_one_process_have_their_own_state():
    code = """
import importlib.util, sys
from cnn_mnist import _core as first
spec = importlib.util.find_spec("cnn_mnist._core")
second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)
assert first is not second
second._set_isa("scalar")
second.set_num_threads(7)
print(first.get_num_threads() != 7, first._isa() == first._isas()[-1])
assert type(first.Generator()) is not type(second.Generator())
del second, spec
import gc
gc.collect()
"""
    assert run(code) == "True True"


def test_results_outlive_the_module():
    code = """
import sys
from cnn_mnist import _core
import numpy as np
g, out = _core.Generator(1), _core.relu(np.ones(3, np.float32))
del _core
for name in [n for n in sys.modules if n.startswith("cnn_mnist")]:
    del sys.modules[name]
import gc
gc.collect()
print(g.random_int63() >= 0, out.sum())
"""
    assert run(code) == "True 3.0"


def test_exceptions_leave_numpys_flags_alone():
    with np.errstate(all="raise"):
        _core.softmax(np.array([1e30, -1e30, np.inf], np.float32), 0)
