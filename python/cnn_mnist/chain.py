"""Which models are chains of Linear and ReLU layers, the only networks that run whole in C."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .grad_mode import no_grad
from .nn import Flatten, Identity, Linear, Module, ModuleList, Parameter, ReLU, Sequential
from .tensor import Tensor

if TYPE_CHECKING:
    from ._core import Layers

Array = NDArray[Any]


class Chain:
    """The layers of a model in the order in which they are applied.

    A chain is a `Linear`, a `Sequential` of chains, or a module whose `layers` (a list, tuple,
    `ModuleList` or `Sequential`) are chains; `ReLU`, `Identity` and a `Flatten` of all but the
    first dimension may stand anywhere.

    Attributes
    ----------
    linear : list of (str, Linear)
        With their paths in the model.
    relu_after : list of bool
        For each of them, whether a ReLU follows.
    relu_input : bool
        Whether a ReLU stands before the first one.
    flatten : bool
        Whether a Flatten stands before the first one.

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
        self.model = model
        self.linear: list[tuple[str, Linear]] = []
        self.relu_after: list[bool] = []
        self.relu_input = False
        self.flatten = False
        self._own_forward = False  # some module's forward is the user's own
        for path, layer in self._leaves(model, ""):
            if isinstance(layer, Linear):
                self.linear.append((path, layer))
                self.relu_after.append(False)
            elif isinstance(layer, ReLU) and self.linear:
                self.relu_after[-1] = True
            elif isinstance(layer, ReLU):
                self.relu_input = True
            elif isinstance(layer, Flatten) and not self.linear:
                self.flatten = True
        if not self.linear:
            raise TypeError(f"model: expected a chain with a Linear layer, got {model!r}")
        self._check_shapes()

    def _leaves(self, module: Any, path: str) -> Iterator[tuple[str, Module]]:
        if isinstance(module, Sequential) and _keeps_forward(module, Sequential):
            for name, child in module._modules.items():
                yield from self._leaves(child, f"{path}.{name}" if path else name)
        elif _is_leaf(module):
            yield path, module
        elif isinstance(module, Module) and isinstance(
                getattr(module, "layers", None), (list, tuple, ModuleList, Sequential)):
            self._own_forward |= not _keeps_forward(module, Module)
            for i, child in enumerate(module.layers):
                yield from self._leaves(child, f"{path}.layers.{i}" if path else f"layers.{i}")
        else:
            where = f"layer {path}" if path else "the model"
            raise TypeError(f"model: expected a chain of Linear and ReLU layers (a Sequential, "
                            f"or a module whose `layers` list is one); {where} is {module!r}")

    def _check_shapes(self) -> None:
        before = None
        for path, layer in self.linear:
            name = f"layer {path}: " if path else ""
            arrays = [each._array for each in (layer.weight, layer.bias) if each is not None]
            shapes = [array.shape for array in arrays]
            if any(array.dtype != self.dtype for array in arrays):
                raise RuntimeError(f"{name}expected parameters of one dtype in all layers, "
                                   f"{self.dtype}, got {[str(each.dtype) for each in arrays]}")
            if len(shapes[0]) != 2 or shapes[1:] not in ([], [shapes[0][:1]]):
                raise RuntimeError(f"{name}expected a weight (O, I) and a bias (O), got {shapes}")
            if before is not None and shapes[0][1] != before:
                raise RuntimeError(f"{name}expected {before} in_features, the out_features of "
                                   f"the layer before, got {shapes[0][1]}")
            before = shapes[0][0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.linear[0][1].weight._array.dtype

    # Running it ---------------------------------------------------------------------------

    @property
    def in_features(self) -> int:
        return int(self.linear[0][1].weight._array.shape[1])

    @property
    def classes(self) -> int:
        return int(self.linear[-1][1].weight._array.shape[0])

    def layers(self) -> Layers:
        """What the compiled module takes: the arrays of the parameters, not copies."""
        return [(layer.weight._array, None if layer.bias is None else layer.bias._array, relu)
                for (_, layer), relu in zip(self.linear, self.relu_after, strict=True)]

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All weights and biases with their paths."""
        for path, layer in self.linear:
            for name in ("weight", "bias"):
                if getattr(layer, name) is not None:
                    yield f"{path}.{name}" if path else name, getattr(layer, name)

    def forward(self, x: Any, num_threads: int) -> Array:
        """Logits (rows, C) of `x`, an array (rows, I) or a CSR tuple."""
        return _core.forward(self.layers(), self.relu_input, x, num_threads)

    def check_forward(self, rows: Tensor) -> None:
        """Raise TypeError when the model's own ``forward`` does not apply the chain.

        A module with `layers` may have any ``forward``: what it gives for a few rows is
        compared with what its layers in turn give.
        """
        if not self._own_forward:
            return
        with no_grad():
            expected = self.model(rows)
        flat = rows._array.reshape(len(rows), self.in_features)
        got = self.forward(flat, 1)
        expected = np.asarray(expected)
        scale = np.abs(got, where=np.isfinite(got), out=np.zeros_like(got)).max(initial=0.0)
        if expected.shape != got.shape or not np.allclose(
                expected, got, rtol=1e-3, atol=1e-3 * scale, equal_nan=True):
            raise TypeError(f"model: the forward of {self.model._get_name()} is not its `layers` "
                            "one after another, which is what runs in C")


def _keeps_forward(module: Module, base: type[Module]) -> bool:
    """Whether calling the module is what `base` makes of it."""
    kind = type(module)
    return (kind.forward is base.forward and kind.__call__ is Module.__call__
            and "forward" not in module.__dict__)


def _is_leaf(module: Any) -> bool:
    if isinstance(module, Flatten) and (module.start_dim, module.end_dim) not in ((1, -1), (1, 1)):
        return False
    return any(isinstance(module, base) and _keeps_forward(module, base)
               for base in (Linear, ReLU, Flatten, Identity))
