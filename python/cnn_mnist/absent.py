"""The error for a name that a module does not have: it says what there is instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

# What torch has under these names is left out on purpose.
_CPU = "Tensors live on the CPU, and nothing needs to be moved"
_FLOATS = "floating Tensors are float32 or float64"
_INSTEAD = {
    "autograd": "Tensor.backward() computes gradients",
    "backends": _CPU,
    "bfloat16": _FLOATS,
    "compile": "fit runs the whole training loop compiled",
    "cuda": _CPU,
    "device": _CPU,
    "float16": _FLOATS,
    "half": _FLOATS,
    "inference_mode": "use no_grad",
    "jit": "fit runs the whole training loop compiled",
    "mps": _CPU,
    "set_default_device": _CPU,
}


def absent(module: str, name: str, offered: Sequence[str] = ()) -> AttributeError:
    """AttributeError for ``module.name``; `offered` are the names to choose from instead."""
    hint = f"it has {', '.join(offered)}" if offered else _INSTEAD.get(name) or _elsewhere(name)
    text = f"module {module!r} has no attribute {name!r}" + (f": {hint}" if hint else "")
    return AttributeError(text, name=name, obj=sys.modules[module])


def _elsewhere(name: str) -> str:
    """Where else a function of torch's is, if it is anywhere."""
    import numpy as np

    from .tensor import Tensor

    if name[0] != "_" and hasattr(Tensor, name):
        return f"Tensors have it, x.{name}"
    return f"numpy.{name} is there, without gradients" if name in np.__all__ else ""


def names_of(module: str, offered: Sequence[str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module that has the names `offered` and no other."""

    def __getattr__(name: str) -> Any:
        raise absent(module, name, offered)

    return __getattr__
