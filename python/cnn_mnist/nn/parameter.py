"""Parameter: a Tensor that a module registers when it is assigned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..operations.creation import as_tensor
from ..tape import wrap
from ..tensor import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self


class Parameter(Tensor):
    """A Tensor to be trained: a leaf that requires grad, over the memory of `data`.

    Parameters
    ----------
    data : Tensor or array, optional
        Empty without it.
    requires_grad : bool

    Raises
    ------
    RuntimeError
        When `requires_grad` is set and `data` is of no floating-point dtype.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Self:
        source = as_tensor(np.empty(0, np.float32) if data is None else data)
        param = wrap(source._array, cls)
        param._changes = source._changes  # the same memory
        return param.requires_grad_(requires_grad)  # type: ignore[return-value]

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copy = memo[id(self)] = type(self)(self._array.copy(), self.requires_grad)
        return copy

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self._array, self.requires_grad)

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)  # only a plain 0-d Tensor is formatted as its number

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


def zero_grad(params: Iterable[Tensor], set_to_none: bool) -> None:
    """Drop the gradients of `params`, or fill them with zeros in place."""
    for param in params:
        if param.grad is None:
            continue
        if set_to_none:
            param.grad = None
        else:
            param.grad.zero_()
