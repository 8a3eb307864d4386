"""Checks of the options of fit and predict; the messages name the option."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np


def check_flag(name: str, value: Any) -> None:
    """Raise TypeError unless `value` is a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected a bool, got {value!r}")


def check_count(name: str, value: Any, least: int | None) -> None:
    """Raise TypeError unless `value` is an int, ValueError where it is below `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an int, got {value!r}")
    if least is not None and value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")


def check_is_number(name: str, value: Any) -> None:
    """Raise TypeError unless `value` is one number."""
    with suppress(RuntimeError, TypeError, ValueError):
        if not isinstance(value, str):
            float(value)
            return
    raise TypeError(f"{name}: expected a number, got {value!r}")


def check_number(name: str, value: Any, dtype: np.dtype[Any]) -> None:
    """Raise unless `value` is a number, 0 or more and finite in `dtype`."""
    check_is_number(name, value)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name}: expected a finite number, 0 or more, got {value}")
    if value > float(np.finfo(dtype).max):
        raise ValueError(f"{name}: expected a finite {dtype}, that of the model, got {value}")


def thread_limit(num_threads: int | None) -> int:
    """What the compiled module takes: 0 leaves the choice to it."""
    if num_threads is None:
        return 0
    check_count("num_threads", num_threads, 1)
    return num_threads
