"""Tensors of another element type, and the gradient that `backward` starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .. import dtypes
from ..dtypes import to_numpy
from ..tape import Array, Storage
from .common import array_like, cast, check_device, to_array
from .shaping import clone

if TYPE_CHECKING:
    from ..tensor import Tensor


def to(
    input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False
) -> Tensor:
    """`to(dtype)`, `to(other_tensor)`, `to("cpu")`: itself if nothing changes and not `copy`.

    The gradient is converted back.
    """
    for each in args:
        if isinstance(each, Storage):
            dtype = each._array.dtype
        elif isinstance(each, (str, int)) and not isinstance(each, bool):
            device = each
        elif not isinstance(each, bool):  # non_blocking has no meaning here
            dtype = each
    check_device(device)
    result = input if dtype is None else cast(input, to_numpy(dtype))
    return clone(result) if copy and result is input else result


def cpu(input: Tensor) -> Tensor:
    """The Tensor itself: there is no other device."""
    return input


def type_(input: Tensor, dtype: Any = None) -> Any:
    """Without argument the type's name, `cnn_mnist.FloatTensor`; else `to(dtype)`."""
    kind = dtypes.of_numpy(input._array.dtype)
    if dtype is None:
        return f"cnn_mnist.{kind.long_name}Tensor"
    if isinstance(dtype, str):
        for each in dtypes.ALL:
            if dtype.split(".")[-1] == f"{each.long_name}Tensor":
                return cast(input, each.dtype)
    return cast(input, to_numpy(dtype))


def half(input: Tensor) -> NoReturn:
    """Raises TypeError: there are no Tensors of float16."""
    raise TypeError("half(): Tensors hold float32 or float64, not float16: use float() or double()")


def to_float32(input: Tensor) -> Tensor:
    """As float32."""
    return cast(input, dtypes.float32.dtype)


def to_float64(input: Tensor) -> Tensor:
    """As float64."""
    return cast(input, dtypes.float64.dtype)


def to_int16(input: Tensor) -> Tensor:
    """As int16."""
    return cast(input, dtypes.int16.dtype)


def to_int32(input: Tensor) -> Tensor:
    """As int32."""
    return cast(input, dtypes.int32.dtype)


def to_int64(input: Tensor) -> Tensor:
    """As int64, rounded towards zero."""
    return cast(input, dtypes.int64.dtype)


def to_uint8(input: Tensor) -> Tensor:
    """As uint8."""
    return cast(input, dtypes.uint8.dtype)


def to_bool(input: Tensor) -> Tensor:
    """As bool: True where not zero."""
    return cast(input, dtypes.bool_.dtype)


_ONE = {each.dtype: np.ones((), each.dtype) for each in dtypes.ALL}


def seed_gradient(tensor: Tensor, gradient: Any) -> Array:
    """The gradient with respect to `tensor` that `tensor.backward(gradient)` starts from."""
    if not tensor.requires_grad:
        raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
    x = tensor._array
    if gradient is None:
        if x.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        return _ONE[x.dtype] if not x.ndim else np.ones(x.shape, x.dtype)
    if not array_like(gradient):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
        )
    g = to_array(gradient)
    if g.shape != x.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {list(g.shape)} "
            f"and output[0] has a shape of {list(x.shape)}."
        )
    return g.astype(x.dtype, copy=False)
