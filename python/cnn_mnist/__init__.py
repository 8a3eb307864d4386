"""cnn_mnist: small multilayer perceptrons in C under a torch-shaped API for NumPy arrays."""

import importlib
from typing import TYPE_CHECKING, Any

try:
    from . import tape  # first: Tensor and its operations are made of it  # noqa: F401
except (ImportError, RuntimeError, ValueError) as error:  # such as a wrong CNN_MNIST_ISA
    from .cli import explain_import

    explain_import(error)
    raise
from ._core import get_num_threads, set_num_threads
from ._version import __version__
from .dtypes import bool_ as bool
from .dtypes import double, dtype, float32, float64, int8, int16, int32, int64, long, short, uint8
from .dtypes import float32 as float
from .dtypes import int32 as int
from .grad_mode import enable_grad, is_grad_enabled, no_grad
from .printing import set_printoptions
from .random import Generator, initial_seed, manual_seed, rand, randint, randperm
from .tensor import Size, Tensor
from .toplevel import (
    abs,
    add,
    allclose,
    arange,
    argmax,
    as_tensor,
    cat,
    equal,
    exp,
    from_numpy,
    log,
    log_softmax,
    logsumexp,
    max,
    maximum,
    mean,
    minimum,
    ones,
    relu,
    softmax,
    stack,
    sub,
    sum,
    tensor,
    zeros,
)

if TYPE_CHECKING:
    from . import datasets, nn, optim, plots, testing, utils
    from .config import show_config
    from .files import load, save
    from .history import Epoch, History
    from .training import fit, predict

__all__ = [
    "Epoch",
    "Generator",
    "History",
    "Size",
    "Tensor",
    "__version__",
    "abs",
    "add",
    "allclose",
    "arange",
    "argmax",
    "as_tensor",
    "bool",
    "cat",
    "datasets",
    "double",
    "dtype",
    "enable_grad",
    "equal",
    "exp",
    "fit",
    "float",
    "float32",
    "float64",
    "from_numpy",
    "get_num_threads",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "load",
    "log",
    "log_softmax",
    "logsumexp",
    "long",
    "manual_seed",
    "max",
    "maximum",
    "mean",
    "minimum",
    "nn",
    "no_grad",
    "ones",
    "optim",
    "plots",
    "predict",
    "rand",
    "randint",
    "randperm",
    "relu",
    "save",
    "set_num_threads",
    "set_printoptions",
    "short",
    "show_config",
    "softmax",
    "stack",
    "sub",
    "sum",
    "tensor",
    "testing",
    "uint8",
    "utils",
    "zeros",
]

# Imported when first used: `import cnn_mnist` costs little.
_MODULES = ("datasets", "nn", "optim", "plots", "testing", "utils")
_HOME = {
    "Epoch": "history",
    "History": "history",
    "fit": "training",
    "load": "files",
    "predict": "training",
    "save": "files",
    "show_config": "config",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    from .absent import absent

    raise absent(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_HOME})
