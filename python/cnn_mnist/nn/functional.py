"""The functions of a multilayer perceptron, each beside its explicit gradient.

Arrays in, arrays out: `numpy.ndarray` and whatever has `__array__`, `__dlpack__` or the buffer
protocol give a plain `ndarray`. A Tensor among the arguments gives a Tensor, and the operation
is recorded. float32 and float64; labels int64, or uint8 beside (C) and (N, C). A `*_backward`
function takes `grad_output`, the gradient of the result, and returns the gradients of the inputs.

The definitions are torch's: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..absent import names_of
from ..operations import layers, pointwise, rows
from ..operations.common import check_dims, quiet
from ..operations.layers import REDUCTIONS
from ..tape import Storage
from .arguments import (
    all_arrays,
    all_tensors,
    as_array,
    as_gradient,
    as_tensor,
    as_tensor_or_none,
    check_reduced,
    like,
    reduction_of,
)

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "logsumexp",
    "logsumexp_backward",
    "nll_loss",
    "nll_loss_backward",
    "one_hot",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_backward",
]
if not TYPE_CHECKING:  # which knows the names
    __getattr__ = names_of(__name__, __all__)


# linear ------------------------------------------------------------------------------------
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """y = x W^T + b.

    Parameters
    ----------
    input : (*, in_features)
    weight : (out_features, in_features) or (in_features,)
    bias : (out_features,), or one number for all, optional

    Returns
    -------
    (*, out_features); (*) for a weight without out_features.

    Raises
    ------
    RuntimeError
        Sizes or types that do not fit.
    """
    if all_tensors(input, weight, bias):
        return layers.linear(input, weight, bias)
    floats = all_arrays(input, weight, bias) and input.dtype.kind == "f"
    if floats and (bias is None or bias.size != 1):
        return _core.linear(input, weight, bias)
    x = as_tensor("linear", "input", input, (weight,))
    w = as_tensor("linear", "weight", weight, (input,))
    y = layers.linear(x, w, as_tensor_or_none("linear", "bias", bias))
    return y if x is input or w is weight or isinstance(bias, Storage) else y._array


def linear_backward(grad_output: Any, input: Any, weight: Any) -> Any:
    """Gradients of `linear` in input, weight and bias.

    They are grad_output weight, grad_output^T input, and the sum of grad_output over the rows.

    Parameters
    ----------
    grad_output : (*, out_features)
    input : (*, in_features)
    weight : (out_features, in_features)
    """
    name = "linear_backward"
    g, x, w = (
        as_array(name, "grad_output", grad_output),
        *(as_array(name, "input", input), as_array(name, "weight", weight)),
    )
    return like(_core.linear_backward(g, x, w, True, True, True), grad_output, input, weight)


# relu --------------------------------------------------------------------------------------
def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); nan stays nan. `inplace` overwrites the input and returns it."""
    if not inplace:
        if isinstance(input, Storage):
            return pointwise.relu(input)  # type: ignore[arg-type]  # a Tensor is the only one
        if type(input) is np.ndarray and input.dtype.kind == "f":
            return _core.relu(input)
    x = as_tensor("relu", "input", input)
    if inplace:
        x.relu_()
        return input
    y = pointwise.relu(x)
    return y if x is input else y._array


def relu_backward(grad_output: Any, input: Any) -> Any:
    """Gradient of `relu`: grad_output where input > 0 or is nan, 0 elsewhere; of one shape."""
    name = "relu_backward"
    g, x = as_array(name, "grad_output", grad_output), as_array(name, "input", input)
    return like(_core.relu_backward(g, x), grad_output, input)


# softmax -----------------------------------------------------------------------------------
def _implicit_dim(name: str, input: Any, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if np.ndim(as_array(name, "input", input)) in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """exp(x_i) / sum_j exp(x_j) along `dim`, computed from x - max(x).

    Parameters
    ----------
    input : any shape
    dim : int
        Without it torch's deprecated choice: 0 for 0-, 1- and 3-D input, else 1.
    dtype : dtype, optional
        Converts the input first.

    Raises
    ------
    NotImplementedError
        Integers without `dtype`.
    IndexError
        `dim` out of range.
    """
    if type(input) is np.ndarray and dim is not None and dtype is None:
        return _core.softmax(input, dim)
    x = as_tensor("softmax", "input", input)
    y = rows.softmax(x, _implicit_dim("softmax", x, dim, _stacklevel), dtype)
    return y if x is input else y._array


def softmax_backward(grad_output: Any, output: Any, dim: int) -> Any:
    """Gradient of `softmax`, `output` being its result; sums are along `dim`.

    It is (grad_output - sum(grad_output output)) output.
    """
    name = "softmax_backward"
    g, y = as_array(name, "grad_output", grad_output), as_array(name, "output", output)
    return like(_core.softmax_backward(g, y, dim), grad_output, output)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """x_i - log(sum_j exp(x_j)) along `dim`: (x - m) - log(sum exp(x - m)), m the maximum.

    Parameters, results and errors are those of `softmax`.
    """
    if type(input) is np.ndarray and dim is not None and dtype is None:
        return _core.log_softmax(input, dim)
    x = as_tensor("log_softmax", "input", input)
    y = rows.log_softmax(x, _implicit_dim("log_softmax", x, dim, _stacklevel), dtype)
    return y if x is input else y._array


def log_softmax_backward(grad_output: Any, output: Any, dim: int) -> Any:
    """Gradient of `log_softmax`, `output` being its result; sums are along `dim`.

    It is grad_output - exp(output) sum(grad_output).
    """
    name = "log_softmax_backward"
    g, y = as_array(name, "grad_output", grad_output), as_array(name, "output", output)
    return like(_core.log_softmax_backward(g, y, dim), grad_output, output)


def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """log(sum_j exp(x_j)) along `dim`, an int or several: m + log(sum exp(x - m)).

    Infinite maxima count as m = 0, so a row of -inf gives -inf; so does an empty one.
    Integers become float32.
    """
    if type(input) is np.ndarray and type(dim) is int and input.dtype.kind == "f":
        return _core.logsumexp(input, dim, keepdim)
    x = as_tensor("logsumexp", "input", input)
    y = rows.logsumexp(x, dim, keepdim)
    return y if x is input else y._array


def logsumexp_backward(
    grad_output: Any, input: Any, output: Any, dim: Any, keepdim: bool = False
) -> Any:
    """Gradient of `logsumexp`, `output` being its result: grad_output exp(input - output).

    grad_output and output, which have the shape of the result, are repeated along `dim`.
    """
    name = "logsumexp_backward"
    x = as_array(name, "input", input)
    g, y = as_gradient(name, grad_output, x.dtype), as_array(name, "output", output)
    dims = check_dims(dim, x.ndim)
    check_reduced(name, "grad_output", g, x, dims, keepdim)
    check_reduced(name, "output", y, x, dims, keepdim)
    dx = rows.logsumexp_gradient(g, x, y, dims)
    return like(dx, grad_output, input, output)


# losses ------------------------------------------------------------------------------------
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Negative log likelihood of the labels: l_i = -w[t_i] logp[i, t_i].

    Parameters
    ----------
    input : (C), (N, C) or (N, C, d1, ..., dK)
        Log-probabilities, as `log_softmax` gives them.
    target : (), (N) or (N, d1, ..., dK)
        Labels in [0, C), int64; or uint8 for an input of shape (C) or (N, C).
    weight : (C), optional
        Weights of the classes.
    size_average, reduce : bool, optional
        Deprecated names of `reduction`.
    ignore_index : int
        Rows with this label count for nothing.
    reduction : {"mean", "sum", "none"}
        The mean is the sum divided by the weights of the rows that count, nan if none does.

    Raises
    ------
    IndexError
        A label out of range.
    ValueError, RuntimeError
        Sizes or types that do not fit.
    """
    if size_average is not None or reduce is not None or reduction not in REDUCTIONS:
        reduction = reduction_of(reduction, size_average, reduce)
    if all_arrays(input, target, weight):
        return _core.nll_loss(input, target, weight, ignore_index, REDUCTIONS[reduction])
    x = as_tensor("nll_loss", "input", input)
    t = as_tensor("nll_loss", "target", target, (input,))
    w = as_tensor_or_none("nll_loss", "weight", weight, (input,))
    loss = layers.nll_loss(x, t, w, ignore_index, reduction)
    return loss if x is input or t is target or isinstance(weight, Storage) else loss._array


def nll_loss_backward(
    grad_output: Any,
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """Gradient of `nll_loss` in input, 0 but at [i, t_i], t_i being target i.

    There it is -weight[t_i] grad_output / W, and 0 in ignored rows. W is the divisor of the mean,
    1 for the other reductions; grad_output is 0-d, or of the losses' shape for reduction "none".
    Errors are those of `nll_loss`.
    """
    name = "nll_loss_backward"
    x, t = as_array(name, "input", input), as_array(name, "target", target)
    w = None if weight is None else as_array(name, "weight", weight)
    g = as_gradient(name, grad_output, x.dtype)
    code = REDUCTIONS[reduction_of(reduction, None, None)]
    return like(_core.nll_loss_backward(g, x, t, w, ignore_index, code), grad_output, input)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """`nll_loss(log_softmax(x), target)`: how surprised the logits are by the labels.

    Parameters
    ----------
    input : (C), (N, C) or (N, C, d1, ..., dK)
        Logits.
    target : (), (N) or (N, d1, ..., dK); or of the input's shape
        Labels in [0, C), as in `nll_loss`; or probabilities q of the classes, floating. With
        these the loss has the type that all operands mixed have.
    weight, size_average, ignore_index, reduce, reduction
        As in `nll_loss`; with probabilities the mean divides by the number of rows.
    label_smoothing : float
        e in [0, 1]: the target becomes (1 - e) q + e / C.

    Raises
    ------
    IndexError
        A label out of range.
    ValueError, RuntimeError
        Sizes or types that do not fit.
    """
    if size_average is not None or reduce is not None or reduction not in REDUCTIONS:
        reduction = reduction_of(reduction, size_average, reduce)
    if all_tensors(input, target, weight):
        return layers.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    if all_arrays(input, target, weight) and target.dtype.kind != "f":
        code = REDUCTIONS[reduction]
        return _core.cross_entropy(
            input, target, weight, ignore_index, code, label_smoothing, False, False
        )[0]
    x = as_tensor("cross_entropy", "input", input)
    t = as_tensor("cross_entropy", "target", target)
    w = as_tensor_or_none("cross_entropy", "weight", weight)
    loss = layers.cross_entropy(x, t, w, ignore_index, reduction, label_smoothing)
    return loss if x is input or t is target or isinstance(weight, Storage) else loss._array


def cross_entropy_backward(
    grad_output: Any,
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Gradient of `cross_entropy` in input; in (input, target) for a target of probabilities.

    For labels t_i, target i, it is (softmax(input)_ic - [c == t_i]) weight[t_i] grad_output / W,
    and 0 in ignored rows. W is the divisor of the mean, 1 for the other reductions; grad_output
    is 0-d, or of the losses' shape for reduction "none". For probabilities the two are
    (softmax(input)_ic sum_k weight_k q_ik - weight_c q_ic) grad_output / W, q being the smoothed
    target, and -weight_c log_softmax(input)_ic (1 - label_smoothing) grad_output / W.
    grad_output has the type of the loss, each gradient that of its argument.
    Errors are those of `cross_entropy`.
    """
    name = "cross_entropy_backward"
    x, t = as_array(name, "input", input), as_array(name, "target", target)
    w = None if weight is None else as_array(name, "weight", weight)
    both, types = x.shape == t.shape, (x.dtype, t.dtype)
    x, t, w = layers.of_one_type(x, t, w)
    g = as_gradient(name, grad_output, x.dtype)
    code = REDUCTIONS[reduction_of(reduction, None, None)]
    _, *gradients = _core.cross_entropy(x, t, w, ignore_index, code, label_smoothing, True, both)
    results = tuple(
        quiet(_core.cross_entropy_backward, g, each, code).astype(kind, copy=False)
        for each, kind in zip(gradients, types, strict=True)
        if each is not None
    )
    return like(results if both else results[0], grad_output, input, target)


def one_hot(input: Any, num_classes: int = -1) -> Any:
    """int64 of shape (*, num_classes), 1 at each label and 0 elsewhere.

    Parameters
    ----------
    input : (*), int64
        Labels, not negative.
    num_classes : int
        -1: the largest label + 1.

    Raises
    ------
    RuntimeError
        Another type, a label that is negative or too large.
    """
    x = as_tensor("one_hot", "input", input)
    y = layers.one_hot(x, num_classes)
    return y if x is input else y._array
