"""Whether operations are recorded: a switch of each thread, `no_grad` and `enable_grad`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, TypeVar, overload

from . import _core

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Self = TypeVar("_Self", bound="_Mode")


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread."""
    return _core.grad_enabled()


class _Mode:
    """Context manager and decorator, with or without parentheses."""

    __slots__ = ("_before",)
    enabled: bool

    @overload
    def __new__(cls, function: _Function) -> _Function: ...  # type: ignore[misc]
    @overload
    def __new__(cls: type[_Self], function: None = None) -> _Self: ...
    def __new__(cls, function: Any = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)

    def __enter__(self) -> None:
        self._before = _core.set_grad_enabled(self.enabled)

    def __exit__(self, *error: object) -> None:
        _core.set_grad_enabled(self._before)

    def __call__(self, function: _Function) -> _Function:
        mode = type(self)
        if inspect.isclass(function):
            raise RuntimeError(f"Cannot decorate classes with {mode.__name__}: decorate methods")

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with mode():
                return function(*args, **kwargs)

        @functools.wraps(function)
        def steps(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            # The mode holds while the generator runs, not while its user does.
            generator = function(*args, **kwargs)
            resume, value = generator.send, None
            while True:
                with mode():
                    try:
                        item = resume(value)
                    except StopIteration as stop:
                        return stop.value
                try:
                    resume, value = generator.send, (yield item)
                except GeneratorExit:
                    with mode():
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001  # thrown in: the generator's to catch
                    resume, value = generator.throw, error

        return steps if inspect.isgeneratorfunction(function) else call  # type: ignore[return-value]


class no_grad(_Mode):
    """Within it nothing is recorded: results do not require grad, leaves may change in place.

    Examples
    --------
    >>> with cnn_mnist.no_grad():
    ...     weight -= lr * weight.grad
    """

    __slots__ = ()
    enabled = False


class enable_grad(_Mode):
    """Within it operations are recorded, also inside `no_grad`."""

    __slots__ = ()
    enabled = True
