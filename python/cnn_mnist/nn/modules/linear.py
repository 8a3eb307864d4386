"""Linear and Identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtypes import F32, to_numpy
from ...operations.common import new_shape, whole
from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module


class Identity(Module):
    """Gives back what it is given; takes any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """``y = x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        I and O.
    bias : bool
        Whether there is a bias; without it `bias` is None.
    device : str, optional
        Only ``"cpu"``.
    dtype : dtype, optional
        float32 (the default) or float64.

    Attributes
    ----------
    weight : Parameter
        Shape (O, I).
    bias : Parameter or None
        Shape (O,).

    Notes
    -----
    Both are drawn from the uniform distribution on ``[-1/sqrt(I), 1/sqrt(I))``, weight first,
    bit for bit as ``torch.nn.Linear`` draws them after the same `manual_seed`.

    Shape: input ``(*, I)``, output ``(*, O)``.
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if device is not None and str(device) != "cpu":
            raise RuntimeError(f"device: expected 'cpu', got {device!r}")
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            if whole("Linear", name, size) < 0:
                raise RuntimeError(
                    f"Trying to create tensor with negative dimension {size}: {name}"
                )
        kind = F32 if dtype is None else to_numpy(dtype)
        self.in_features = in_features
        self.out_features = out_features
        shape = new_shape("Linear", (out_features, in_features), kind)
        self.weight = Parameter(np.empty(shape, kind))
        self.register_parameter("bias", Parameter(np.empty(out_features, kind)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight.shape[1]
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
