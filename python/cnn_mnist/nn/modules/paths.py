"""What is registered in a module and below it, by paths such as "layers.0.weight"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .module import Module

_Member = TypeVar("_Member")


def joined(prefix: str, name: str) -> str:
    """The path of `name` below `prefix`."""
    return f"{prefix}.{name}" if prefix else name


def named_members(
    module: Module, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
) -> Iterator[tuple[str, Any]]:
    """What the dictionaries `kind` hold, of `module` or of all modules below it, too."""
    seen: set[int] = set()
    modules = (
        module.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        if recurse
        else [(prefix, module)]
    )
    for path, each in modules:
        for name, value in getattr(each, kind).items():
            if value is None or id(value) in seen:
                continue
            if remove_duplicate:
                seen.add(id(value))
            yield joined(path, name), value


def name_of(value: Any) -> str:
    """What an error calls `value`: a class or function by its own name, else by its class's."""
    return str(getattr(value, "__qualname__", type(value).__name__))


def member(module: Module, name: str, kind: type[_Member], text: str) -> _Member:
    """The attribute `name`; AttributeError where there is none, or it is no `text`."""
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    found = getattr(module, name)
    if not isinstance(found, kind):
        raise AttributeError(f"`{name}` is not an {text}")
    return found
