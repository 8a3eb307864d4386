"""Starting values of parameters, filled in place and without gradient, as ``torch.nn.init``."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..grad_mode import no_grad
from ..random import Generator

_FIXED_GAIN = {"linear": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity.

    1 for linear and sigmoid, 5/3 for tanh, sqrt(2) for relu, 3/4 for selu,
    ``sqrt(2 / (1 + param**2))`` for leaky_relu, whose slope is `param` (0.01).
    """
    if nonlinearity in _FIXED_GAIN:
        return _FIXED_GAIN[nonlinearity]
    if nonlinearity != "leaky_relu":
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, (int, float)):
        raise ValueError(f"negative_slope {param} not a valid number")
    return math.sqrt(2.0 / (1 + slope**2))


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """Inputs of each output and outputs of each input; weights are (O, I, ...)."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than "
            f"2 dimensions: got shape {shape}"
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def uniform_(
    tensor: Any, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Any:
    """Fill with numbers from [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def constant_(tensor: Any, val: float) -> Any:
    """Fill with `val`."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Any) -> Any:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """Fill with numbers from [-bound, bound), ``bound = gain * sqrt(3 / fan)``.

    Parameters
    ----------
    tensor : Tensor
        Shape (O, I, ...).
    a : float
        The slope of leaky_relu.
    mode : {'fan_in', 'fan_out'}
        Which variance is kept: of the values forward, or of the gradients backward.

    Notes
    -----
    He et al., Delving deep into rectifiers, 2015.
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    modes = ["fan_in", "fan_out"]
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    fan = _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]
    bound = math.sqrt(3.0) * (calculate_gain(nonlinearity, a) / math.sqrt(fan))
    return uniform_(tensor, -bound, bound, generator)


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """Fill with numbers from [-bound, bound), ``bound = gain * sqrt(6 / (fan_in + fan_out))``.

    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
    networks, 2010.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)
