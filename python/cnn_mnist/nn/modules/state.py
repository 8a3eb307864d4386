"""The state of a module by paths, and the text of nested modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...grad_mode import no_grad
from ...operations.creation import as_tensor
from ...tensor import Tensor
from ..parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found missing, and what it did not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


def own_state(module: Module) -> Iterator[tuple[str, Tensor]]:
    """The module's own parameters and persistent buffers, in the order of registration."""
    for name, param in module._parameters.items():
        if param is not None:
            yield name, param
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            yield name, buffer


def load_state(
    module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool
) -> IncompatibleKeys:
    """Check all of `state_dict` against the module, then copy it in, or let it take its place."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    own = module.state_dict(keep_vars=True)
    missing = [path for path in own if path not in state_dict]
    unexpected = [path for path in state_dict if path not in own]
    errors = []
    if strict and missing:
        errors.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
    if strict and unexpected:
        errors.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
    copies = []
    for path, target in own.items():
        if path not in state_dict:
            continue
        if not hasattr(state_dict[path], "__array__"):
            errors.append(
                f'While copying the parameter named "{path}", expected Tensor or '
                "Tensor-like object from checkpoint but received "
                f"{type(state_dict[path])}"
            )
            continue
        value = as_tensor(state_dict[path])
        if target.shape == () and value.shape == (1,):  # scalars of old checkpoints
            value = value[0]
        if value.shape != target.shape:
            errors.append(
                f"size mismatch for {path}: copying a param with shape {value.shape} "
                f"from checkpoint, the shape in current model is {target.shape}."
            )
        copies.append((path, target, value))
    if errors:
        raise RuntimeError(
            f"Error(s) in loading state_dict for {module._get_name()}:\n\t" + "\n\t".join(errors)
        )
    with no_grad():
        for path, target, value in copies:
            if assign:
                _assign(module, path, target, value)
            else:
                target.copy_(value)
    return IncompatibleKeys(missing, unexpected)


def _assign(module: Module, path: str, target: Tensor, value: Tensor) -> None:
    owner, _, name = path.rpartition(".")
    if isinstance(target, Parameter):
        if not isinstance(value, Parameter):
            value = Parameter(value, requires_grad=target.requires_grad)
        value.requires_grad_(target.requires_grad)
    setattr(module.get_submodule(owner), name, value)


def _quoted(paths: list[str]) -> str:
    return ", ".join(f'"{path}"' for path in paths)


def indented(text: str) -> str:
    """`text` with all lines but the first moved right by two."""
    return text.replace("\n", "\n  ")


def block(name: str, lines: list[str]) -> str:
    """``name(...)`` with each of `lines` on its own."""
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{name}()"
