"""Which models are chains of Linear and ReLU layers, the only networks that run whole in C."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .grad_mode import no_grad
from .nn import Flatten, Identity, Linear, Module, ModuleList, Parameter, ReLU, Sequential

if TYPE_CHECKING:
    from ._core import _Layers
    from .rows import Rows

Array = NDArray[Any]

_PARTS = (Linear, ReLU, Sequential, Identity, Flatten)


class Chain:
    """The layers of a model in the order in which they are applied.

    A chain is a `Linear`, a `Sequential` of chains, or a module whose `layers` (a list, tuple,
    `ModuleList` or `Sequential`) are chains; `ReLU`, `Identity` and a `Flatten` of all but the
    first dimension may stand anywhere.

    Attributes
    ----------
    linear : list of (str, Parameter, Parameter or None)
        Path, weight and bias of each Linear layer.
    relu_after : list of bool
        For each of them, whether a ReLU follows.
    relu_input : bool
        Whether a ReLU stands before the first one.
    flatten : bool
        Whether a Flatten stands before the first one.
    dtype : numpy.dtype
        That of all parameters.
    in_features, classes : int
        What the first layer takes and the last one gives.

    Raises
    ------
    TypeError
        Naming the first layer that is something else.
    RuntimeError
        When shapes or dtypes of neighbouring layers do not fit.
    """

    def __init__(self, model: Any) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"model: expected an nn.Module, got {type(model).__name__}")
        self._model = model
        self._own_forward = False  # some module's forward is the user's own
        self.linear: list[tuple[str, Parameter, Parameter | None]] = []
        self.relu_after: list[bool] = []
        self.relu_input = self.flatten = False
        self._add(model, "")
        if not self.linear:
            raise TypeError(f"model: expected a chain with a Linear layer, got {model!r}")
        first, last = self.linear[0][1]._array, self.linear[-1][1]._array
        self.dtype = first.dtype
        self._check_shapes()
        self.in_features, self.classes = first.shape[1], last.shape[0]

    def _add(self, module: Any, path: str) -> None:
        part = _part(module)
        if part is Linear:
            params = module._parameters
            self.linear.append((path, params["weight"], params["bias"]))
            self.relu_after.append(False)
        elif part is ReLU:
            if self.linear:
                self.relu_after[-1] = True
            else:
                self.relu_input = True
        elif part is Flatten:
            self.flatten |= not self.linear
        elif part is Sequential:
            for name, child in module._modules.items():
                self._add(child, f"{path}.{name}" if path else name)
        elif part is None:
            for i, child in enumerate(_layers(module, path)):
                self._add(child, f"{path}.layers.{i}" if path else f"layers.{i}")
            self._own_forward |= not (_keeps_forward(module, Module) or _applies_layers(module))

    def _check_shapes(self) -> None:
        before = None
        for path, weight, bias in self.linear:
            w, b = weight._array, None if bias is None else bias._array
            shape = w.shape
            if w.dtype != self.dtype or b is not None and b.dtype != self.dtype:
                types = [str(each.dtype) for each in (w, b) if each is not None]
                raise RuntimeError(
                    f"{_place(path)}expected parameters of one dtype in all layers, "
                    f"{self.dtype}, got {types}"
                )
            if len(shape) != 2 or b is not None and b.shape != shape[:1]:
                shapes = [each.shape for each in (w, b) if each is not None]
                raise RuntimeError(
                    f"{_place(path)}expected a weight (O, I) and a bias (O), got {shapes}"
                )
            if before is not None and shape[1] != before:
                raise RuntimeError(
                    f"{_place(path)}expected {before} in_features, the out_features of "
                    f"the layer before, got {shape[1]}"
                )
            before = shape[0]

    def check_same(self, parameters: Iterable[tuple[str, Parameter]]) -> None:
        """RuntimeError unless these are still the parameters of the model."""
        now = dict(Chain(self._model).parameters())
        for path, param in parameters:
            if now.get(path) is not param:
                raise RuntimeError(
                    f"callback: {path} is another Parameter now; change parameters in place"
                )

    def layers(self) -> _Layers:
        """What the compiled module takes: the arrays of the parameters, not copies."""
        return [
            (weight._array, None if bias is None else bias._array, relu)
            for (_, weight, bias), relu in zip(self.linear, self.relu_after, strict=True)
        ]

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All weights and biases with their paths."""
        for path, weight, bias in self.linear:
            for name, param in (("weight", weight), ("bias", bias)):
                if param is not None:
                    yield f"{path}.{name}" if path else name, param

    def forward(self, x: Any, num_threads: int) -> Array:
        """Logits (rows, C) of `x`, an array (rows, I) or a CSR tuple."""
        return _core.forward(self.layers(), self.relu_input, x, num_threads)

    def check_forward(self, rows: Rows) -> None:
        """Raise TypeError when the model's own ``forward`` does not apply the chain.

        A module with `layers` may have any ``forward``: unless its code is plainly their loop,
        what it gives for two rows is compared with what its layers in turn give. The
        compiled module has checked the columns of compressed rows by then, SciPy does not.
        """
        if not self._own_forward:
            return
        few = rows.first(2)
        with no_grad():
            expected = np.asarray(self._model(few))
        got = self.forward(few._array.reshape(len(few), self.in_features), 1)
        if expected.shape == got.shape and expected.tobytes() == got.tobytes():
            return  # nearly always, and far cheaper than what follows
        scale = np.abs(got[np.isfinite(got)]).max(initial=0.0)
        if expected.shape != got.shape or not np.allclose(
            expected, got, rtol=1e-3, atol=1e-3 * scale, equal_nan=True
        ):
            raise TypeError(
                f"model: the forward of {type(self._model).__name__} is not its "
                "`layers` one after another, which is what runs in C"
            )


def _place(path: str) -> str:
    return f"layer {path}: " if path else ""


def _part(module: Any) -> type[Module] | None:
    """Which of the parts of a chain a module is, if it applies itself as that one does."""
    kind = type(module)
    part = (
        kind
        if kind in _PARTS
        else next((base for base in _PARTS if isinstance(module, base)), None)
    )
    if part is None or not _keeps_forward(module, part):
        return None
    if part is Flatten and (module.start_dim, module.end_dim) not in ((1, -1), (1, 1)):
        return None
    return part


def _keeps_forward(module: Module, base: type[Module]) -> bool:
    kind = type(module)
    return (
        kind.forward is base.forward
        and kind.__call__ is Module.__call__
        and "forward" not in module.__dict__
    )


_KINDS_OF_FUNCTIONS = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_ITERABLE_COROUTINE
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)


def _loop(self: Any, x: Any) -> Any:
    for layer in self.layers:
        x = layer(x)
    return x


def _program(function: Any) -> tuple[Any, ...] | None:
    """What a Python function does, whatever its variables are called; None for another callable."""
    if type(function) is not FunctionType:
        return None
    code = function.__code__
    return code.co_code, code.co_names, code.co_argcount, code.co_flags & _KINDS_OF_FUNCTIONS


_LOOP = _program(_loop)


def _applies_layers(module: Module) -> bool:
    """Whether the code of the module's ``forward`` is the loop over its `layers`."""
    kind = type(module)
    return (
        kind.__call__ is Module.__call__
        and "forward" not in module.__dict__
        and _program(kind.forward) == _LOOP
    )


def _layers(module: Any, path: str) -> Any:
    """The `layers` of a module that is a chain by them."""
    if isinstance(module, Module) and not isinstance(module, _PARTS):
        layers = getattr(module, "layers", None)
        if isinstance(layers, (list, tuple, ModuleList, Sequential)):
            return layers
    where = f"layer {path}" if path else "the model"
    raise TypeError(
        "model: expected a chain of Linear and ReLU layers (a Sequential, or a module "
        f"whose `layers` list is one); {where} is {module!r}"
    )
