"""A machine without MNIST, a small trained model, and the command line in this process."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cnn_mnist import cli, datasets


@pytest.fixture(autouse=True)
def no_mnist(monkeypatch, tmp_path_factory):
    """Only the sample of the package is at hand."""
    monkeypatch.delenv("CNN_MNIST_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def run(capsys):
    """Function that runs a command line: (exit code, stdout, stderr)."""

    def run(*arguments):
        capsys.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse's way
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A file with a network that torch has trained a little on the sample."""
    (x, y), *_ = datasets.digits_sample()
    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batch, target in zip(*(torch.tensor(a).split(40) for a in (x, y)), strict=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), target).backward()
        optimizer.step()
    file = tmp_path_factory.mktemp("trained") / "model.safetensors"
    save_file(model.state_dict(), file)
    return file


@pytest.fixture
def model(trained, tmp_path):
    """A file with a trained model, for one test."""
    return shutil.copy(trained, tmp_path)


@pytest.fixture
def npy(tmp_path):
    """Function that writes an array into a .npy file."""

    def write(array):
        np.save(tmp_path / "digits.npy", array)
        return tmp_path / "digits.npy"

    return write
