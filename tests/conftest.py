"""Fixtures that every test may use."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cnn_mnist import _core

# A shell that runs the tests in the background has SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # the oracle: a second thread only waits where the machine is busy


@pytest.fixture(params=_core._isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test on every instruction-set path that this machine has."""
    before = _core._isa()
    _core._set_isa(request.param)
    yield request.param
    _core._set_isa(before)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder with the full MNIST; without one the test is skipped."""
    folder = os.environ.get("CNN_MNIST_DATA")
    if not folder:
        pytest.skip("CNN_MNIST_DATA names no folder with the full MNIST")
    return Path(folder)
