"""NumPy's arithmetic without its warnings: torch divides by zero in silence."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_inside = contextvars.ContextVar("quiet", default=False)


class _Quiet(threading.local):
    """Each thread's own context in which NumPy's floating-point warnings are off."""

    def __init__(self) -> None:
        context = contextvars.Context()
        context.run(np.seterr, all="ignore")
        context.run(_inside.set, True)
        self.run = context.run


def _quiet_by_context(function: Callable[..., Any], *args: Any) -> Any:
    if _inside.get():
        return function(*args)
    return _quiet.run(function, *args)


def _quiet_by_errstate(function: Callable[..., Any], *args: Any) -> Any:
    with np.errstate(all="ignore"):
        return function(*args)


# NumPy 2 keeps its error state in a context variable, where entering a context is five times
# cheaper than np.errstate.
if int(np.__version__.split(".")[0]) >= 2:
    _quiet = _Quiet()
    quiet = _quiet_by_context
else:
    quiet = _quiet_by_errstate
