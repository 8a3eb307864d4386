"""linear, the losses and one_hot on Tensors, computed by the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..dtypes import I64, promote_types
from ..tape import Array, edges_of, record, recorded, wants_grad, wrap
from .arithmetic import add, matmul
from .common import cast, new_shape, whole
from .shaping import expand, t

if TYPE_CHECKING:
    from ..tensor import Tensor

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}
# torch's names, by the dimensions of input and weight
_WITHOUT_BIAS = {
    (1, 1): "DotBackward0",
    (2, 1): "MvBackward0",
    (1, 2): "SqueezeBackward4",
    (2, 2): "MmBackward0",
}


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x W^T + b; dx = g W, dW = g^T x, db = sum of g over the rows."""
    x, w = input._array, weight._array
    if x.dtype.kind != "f":
        product = matmul(input, t(weight))
        return product if bias is None else add(product, bias)
    if bias is not None and bias._array.size == 1 and bias._array.ndim < 2 and w.ndim == 2:
        bias = expand(bias, len(w))
    y = _core.linear(x, w, None if bias is None else bias._array)
    edges = edges_of((input, weight, bias))
    if edges is None:
        return wrap(y)
    to_x, to_w, to_b = edges
    need_x, need_w, need_b = to_x is not None, to_w is not None, to_b is not None
    used_x, used_w = x if need_w else None, w if need_x else None

    def gradients(g: Array) -> Sequence[Array | None]:
        return _core.linear_backward(g, used_x, used_w, need_x, need_w, need_b)

    name = _linear_name(input, weight, bias)
    saved = (input if need_w else None, weight if need_x else None)
    return recorded(y, name, edges, gradients, saved)


def _linear_name(input: Tensor, weight: Tensor, bias: Tensor | None) -> str:
    ndims = input._array.ndim, weight._array.ndim
    if bias is None:
        return _WITHOUT_BIAS.get(ndims, "UnsafeViewBackward0")
    if ndims == (2, 2):
        return "AddmmBackward0"
    contiguous = input._array.flags.c_contiguous and bias._array.flags.c_contiguous
    flat = contiguous and ndims[1] == 2
    return "ViewBackward0" if flat else "AddBackward0"


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """-w[t_i] logp[i, t_i], reduced; d logp is -w[t_i] g / W at [i, t_i], 0 elsewhere."""
    _refuse_grad_of_weight("nll_loss", weight)
    code = REDUCTIONS[reduction]
    logp, labels = input._array, target._array
    w = None if weight is None else weight._array
    loss = _core.nll_loss(logp, labels, w, ignore_index, code)

    def gradients(g: Array) -> Sequence[Array]:
        return (_core.nll_loss_backward(g, logp, labels, w, ignore_index, code),)

    name = _nll_name(logp.ndim, reduction)
    return record(loss, name, (input,), gradients, (input, target, weight))


def _nll_name(ndim: int, reduction: str) -> str:
    if ndim < 3:
        return "NllLossBackward0"
    return "NllLoss2DBackward0" if ndim == 4 or reduction != "none" else "ViewBackward0"


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    """log_softmax and nll_loss in one; dx = (softmax(x) - one_hot(t)) w[t_i] / W g.

    The kernel gives loss and gradient in one pass over the logits.
    """
    code = REDUCTIONS[reduction]
    probabilities = target._array.shape == input._array.shape
    _refuse_grad_of_weight("cross_entropy" if probabilities else "nll_loss", weight)
    w = None if weight is None else weight._array
    dtype = mixed_type(input._array, target._array, w)
    if dtype is not None:
        input, target = cast(input, dtype), cast(target, dtype)
        w = None if w is None else w.astype(dtype, copy=False)
    edges = edges_of((input, target if probabilities else None))
    need_x = edges is not None and edges[0] is not None
    need_target = edges is not None and edges[1] is not None
    loss, dx, dtarget = _core.cross_entropy(
        input._array, target._array, w, ignore_index, code, label_smoothing, need_x, need_target
    )

    if edges is None:
        return wrap(loss)

    def gradients(g: Array) -> Sequence[Array | None]:
        return (
            None if dx is None else _core.cross_entropy_backward(g, dx, code),
            None if dtarget is None else _core.cross_entropy_backward(g, dtarget, code),
        )

    name = _loss_name(input._array, probabilities, reduction, label_smoothing)
    return recorded(loss, name, edges, gradients, (None,))


def mixed_type(x: Array, target: Array, weight: Array | None) -> np.dtype[Any] | None:
    """The type of a loss whose target is probabilities: that of all its operands together.

    None where the target is labels, or x or target is not floating.
    """
    if x.shape != target.shape or not x.dtype.kind == target.dtype.kind == "f":
        return None
    dtype = promote_types(x.dtype, target.dtype)
    return dtype if weight is None else promote_types(dtype, weight.dtype)


def of_one_type(x: Array, target: Array, weight: Array | None) -> tuple[Array, Array, Array | None]:
    """The operands of a loss in its `mixed_type`, if it has one."""
    dtype = mixed_type(x, target, weight)
    if dtype is None:
        return x, target, weight
    weight = None if weight is None else weight.astype(dtype, copy=False)
    return x.astype(dtype, copy=False), target.astype(dtype, copy=False), weight


def _loss_name(x: Array, probabilities: bool, reduction: str, label_smoothing: float) -> str:
    if probabilities:
        return "DivBackward1" if reduction == "mean" and x.size else "NegBackward0"
    if label_smoothing > 0:
        return "AddBackward0"
    return _nll_name(x.ndim, reduction)


def _refuse_grad_of_weight(name: str, weight: Tensor | None) -> None:
    if weight is not None and wants_grad(weight):
        raise RuntimeError(
            f"The function '{name}' is not differentiable with respect to argument 'weight'. "
            "This input cannot have requires_grad True."
        )


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """int64, of shape (*, num_classes): 1 at each label, 0 elsewhere."""
    labels, num_classes = input._array, whole("one_hot", "num_classes", num_classes)
    if labels.dtype.newbyteorder("=") != I64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not labels.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    else:
        low, high = int(labels.min()), int(labels.max())
        if low < 0:
            raise RuntimeError(f"Class values must be non-negative. Got {low}")
        if num_classes == -1:
            num_classes = high + 1
        elif high >= num_classes:
            raise RuntimeError(
                f"Class values must be smaller than num_classes. Got {high} for {num_classes} classes"
            )
    out = np.zeros(new_shape("one_hot", (*labels.shape, num_classes), I64), I64)
    np.put_along_axis(out, labels[..., None], 1, -1)
    return wrap(out)
