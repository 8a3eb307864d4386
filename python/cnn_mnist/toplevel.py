"""Functions of the package's top level: `exp(x)` beside `x.exp()`, for Tensors and arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .operations import arithmetic, bounds, comparisons, pointwise, reductions, rows, shaping
from .operations.common import NUMBER, array_like, either, own, to_array
from .operations.creation import arange, as_tensor, from_numpy, ones, tensor, zeros
from .tape import Storage, wrap

__all__ = [
    "abs",
    "add",
    "allclose",
    "arange",
    "argmax",
    "as_tensor",
    "cat",
    "equal",
    "exp",
    "from_numpy",
    "log",
    "log_softmax",
    "logsumexp",
    "max",
    "maximum",
    "mean",
    "minimum",
    "ones",
    "relu",
    "softmax",
    "stack",
    "sub",
    "sum",
    "tensor",
    "zeros",
]


def _arrays_too(operation: Callable[..., Any], numbers: bool = False) -> Callable[..., Any]:
    """`operation` for Tensors, through Tensors over their memory for arrays, also for `numbers`."""

    @functools.wraps(operation)
    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(input, Storage) or (
            numbers and all(isinstance(each, NUMBER) for each in (input, *args, *kwargs.values()))
        ):
            return operation(input, *args, **kwargs)
        if not (numbers and isinstance(input, NUMBER)):
            if not array_like(input):
                raise TypeError(
                    f"{operation.__name__}(): argument 'input' (position 1) must be Tensor, "
                    f"not {type(input).__name__}"
                )
            input = wrap(own(to_array(input), *args, *kwargs.values()))
        given = any(isinstance(each, Storage) for each in (*args, *kwargs.values()))
        args = tuple(wrap(each) if type(each) is np.ndarray else each for each in args)
        result = operation(input, *args, **kwargs)
        return result if given else _arrays(result)

    return function


def _arrays(result: Any) -> Any:
    if isinstance(result, Storage):
        return result._array
    if isinstance(result, tuple):
        return type(result)(*map(_arrays, result))
    return result


abs = _arrays_too(pointwise.abs)
add = _arrays_too(arithmetic.add, numbers=True)
sub = _arrays_too(arithmetic.sub, numbers=True)
maximum = _arrays_too(bounds.maximum)
minimum = _arrays_too(bounds.minimum)
exp = _arrays_too(pointwise.exp)
log = _arrays_too(pointwise.log)
relu = _arrays_too(pointwise.relu)
softmax = _arrays_too(rows.softmax)
log_softmax = _arrays_too(rows.log_softmax)
logsumexp = _arrays_too(rows.logsumexp)
sum = _arrays_too(reductions.sum)
mean = _arrays_too(reductions.mean)
max = _arrays_too(reductions.max)
argmax = _arrays_too(reductions.argmax)
equal = _arrays_too(comparisons.equal)
allclose = _arrays_too(comparisons.allclose)


def _sequence_of_arrays(operation: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(operation)
    def function(tensors: Any, dim: int = 0, *, axis: int | None = None) -> Any:
        dim = either("dim", dim, "axis", axis, 0)
        listed = isinstance(tensors, (tuple, list)) and len(tensors) > 0
        if listed and all(type(each) is np.ndarray for each in tensors):
            return operation([wrap(each) for each in tensors], dim)._array
        return operation(tensors, dim)

    return function


stack = _sequence_of_arrays(shaping.stack)
cat = _sequence_of_arrays(shaping.cat)
