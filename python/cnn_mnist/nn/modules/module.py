"""Module: what holds parameters, buffers and other modules, and can be called."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ...tape import wrap
from ...tensor import Tensor
from ..parameter import Parameter, zero_grad
from .paths import joined, member, name_of, named_members
from .state import IncompatibleKeys, block, indented, load_state, own_state

if TYPE_CHECKING:
    from typing_extensions import Self


class Module(_core.Attributes):
    """Base class of all layers and networks.

    A subclass calls ``super().__init__()``, assigns its layers and parameters as attributes,
    which registers them, and gives ``forward``. Layers kept in a plain Python list are not
    registered: that is what `ModuleList` is for.
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _modules={},
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # Registration -----------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under `name`; None keeps the name for a parameter that is absent."""
        self._check_name("parameter", name, self.__dict__.get("_parameters"))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{name_of(param)}' object to parameter "
                f"'{name}' (nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                f"be created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a Tensor that is part of the state and is not trained.

        One that is not `persistent` is left out of `state_dict`.
        """
        self._check_name("buffer", name, self.__dict__.get("_buffers"))
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{name_of(tensor)}' object to buffer "
                f"'{name}' (Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`."""
        if module is not None and not isinstance(module, Module):
            name = name_of(module)
            if isinstance(module, type) and issubclass(module, Module):
                raise TypeError(f"{name} is a class, not a Module: write {name}()")
            raise TypeError(f"{name} is not a Module subclass")
        self._check_name("module", name, self.__dict__.get("_modules"))
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of `add_module`."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: str, known: dict[str, Any] | None) -> None:
        if known is None:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in known and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # in the class: a __getattr__ that asks another module would be asked for it too early
        self.__dict__.update(state)

    def __setattr__(self, name: str, value: Any) -> None:
        if (
            isinstance(value, Parameter)
            and self.__dict__.get("_parameters", {}).get(name) is value
            and value._node is None
        ):
            return  # `self.weight -= step` assigns what is there
        kind = self._kind_of(name, value)
        if kind is None:
            super().__setattr__(name, value)
            return
        if kind not in self.__dict__:
            what = {"_parameters": "parameters", "_modules": "module"}[kind]
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        what, required, text = _KINDS[kind]
        if value is not None and not isinstance(value, required):
            raise TypeError(
                f"cannot assign '{name_of(value)}' as {what} '{name}' ({text} or None expected)"
            )
        if kind == "_buffers":
            self._buffers[name] = value
            return
        self._forget_other(name, kind)
        if kind == "_parameters":
            self.register_parameter(name, value)
        else:
            self._modules[name] = value

    def _kind_of(self, name: str, value: Any) -> str | None:
        """The dictionary that an assignment of `value` to `name` is about, if any."""
        if isinstance(value, Parameter):
            return "_parameters"
        own = self.__dict__
        if isinstance(value, Module):  # refused where a parameter has the name
            return "_parameters" if name in own.get("_parameters", ()) else "_modules"
        for kind in _KINDS:
            if name in own.get(kind, ()):
                return kind
        return None

    def _forget_other(self, name: str, kind: str) -> None:
        """What is assigned anew stops being an attribute, parameter, buffer or module."""
        for other in _KINDS:
            if other != kind:
                self.__dict__[other].pop(name, None)
        self.__dict__.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        for kind in _KINDS:
            if name in self.__dict__[kind]:
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        names = names.union(*(self.__dict__[kind] for kind in _KINDS))
        return sorted(name for name in names if not name[0].isdigit())

    # Going through what is registered -----------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each with its path; the root's path is ``""``."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, joined(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules registered in this one, each once, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules registered in this one, each once."""
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths; with `recurse` also those of the modules below."""
        return named_members(self, "_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer is given."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their paths; with `recurse` also those of the modules below."""
        return named_members(self, "_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"layers.0"``; this one at ``""``.

        Raises
        ------
        AttributeError
            Naming the part of the path that is absent or no module.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            module = member(module, name, Module, "nn.Module")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"layers.0.weight"``."""
        path, _, name = target.rpartition(".")
        return member(self.get_submodule(path), name, Parameter, "nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"layers.0.scale"``."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        buffer = member(module, name, Tensor, "a buffer")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    # Changing all of it -------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every module below and then this one; return this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below; return this module."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Make all parameters record operations, or not; return this module."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        zero_grad(self.parameters(), set_to_none)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers as `Tensor.to` does; return this module.

        Raises
        ------
        TypeError
            When the dtype asked for is not a floating-point one.
        """
        kind = wrap(np.empty(0, np.float32)).to(*args, **kwargs).dtype
        if not kind.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point dtypes, but got desired dtype={kind}"
            )
        return self._apply(lambda tensor: tensor.to(*args, **kwargs))

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32; return this module."""
        return self._apply(lambda tensor: tensor.float())

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64; return this module."""
        return self._apply(lambda tensor: tensor.double())

    def cpu(self) -> Self:
        """This module: there is no other device."""
        return self

    def _apply(self, convert: Callable[[Tensor], Tensor]) -> Self:
        for module in self.modules():
            for param in module._parameters.values():
                if param is not None:
                    param.data = convert(param.data)
                    if param.grad is not None:
                        param.grad.data = convert(param.grad.data)
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = convert(buffer)
        return self

    # State and text -----------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: dict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Tensor]:
        """All parameters and persistent buffers by their paths, sharing their memory.

        They are detached, or with `keep_vars` the Tensors themselves.
        """
        if destination is None:
            destination = OrderedDict()
        for name, value in own_state(self):
            destination[prefix + name] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into all parameters and persistent buffers, in place.

        Parameters
        ----------
        state_dict : mapping of str to Tensor
            By path, as `state_dict` gives them; arrays and torch tensors will do.
        strict : bool
            Paths that are missing or unknown are errors.
        assign : bool
            Take the Tensors themselves, in their own dtype, instead of copying their values.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        TypeError
            When `state_dict` is no mapping.
        RuntimeError
            Naming every path that is missing, unknown or of another shape. Nothing has
            changed then.
        """
        return load_state(self, state_dict, strict, assign)

    def extra_repr(self) -> str:
        """What a subclass adds to its text, between the parentheses."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({extra})"
        return block(self._get_name(), lines + children)


# what is registered in which dictionary: its name in errors, its type and that type's name
_KINDS: dict[str, tuple[str, type[Any], str]] = {
    "_modules": ("child module", Module, "nn.Module"),
    "_parameters": ("parameter", Parameter, "nn.Parameter"),
    "_buffers": ("buffer", Tensor, "Tensor"),
}
