"""Python's binary operators: an operand that an operation does not know is asked itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tape import Storage
from .common import NUMBER, array_like


def operator(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`function`, which raises for operands that are neither numbers nor arrays, as `__add__`.

    It returns NotImplemented for these, so that Python tries the other operand's `__radd__`.
    """

    def method(input: Any, other: Any) -> Any:
        try:
            return function(input, other)
        except (TypeError, RuntimeError):
            if isinstance(other, (Storage, *NUMBER)) or array_like(other):
                raise
            return NotImplemented

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = function.__doc__
    return method
