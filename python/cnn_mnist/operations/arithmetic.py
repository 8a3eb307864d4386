"""`+ - * / ** // % @` and the sign: each beside its gradient.

g is the gradient of the result. Where an operand was broadcast its gradient is summed back.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..tape import Array, Storage, edges_of, record, recorded, wrap
from .common import (
    NUMBER,
    array_like,
    broadcast,
    compute,
    element,
    floating_pair,
    own,
    pair,
    plain,
    quiet,
    sum_to,
    to_array,
)

if TYPE_CHECKING:
    from ..tensor import Tensor

ONE = 1  # the default of alpha; 1.0 and True are no alpha for integers


def add(input: Any, other: Any, *factored: Any, alpha: float = 1) -> Tensor:
    """input + alpha * other."""
    if factored:
        other, alpha = old_form("add", other, factored, alpha)
    if alpha is not ONE:
        other = scaled(input, other, alpha)
    a, b, x, y = pair(input, other)
    shapes = x.shape, y.shape

    def gradients(g: Array) -> Sequence[Array]:
        return sum_to(g, shapes[0]), sum_to(g, shapes[1])

    return record(compute(_core.add, np.add, x, y), "AddBackward0", (a, b), gradients)


def old_form(name: str, first: Any, rest: tuple[Any, ...], alpha: Any) -> tuple[Any, Any]:
    """(other, alpha) of `add_(alpha, other)`, as old courses have it; torch takes it and warns."""
    first = plain(first)
    if len(rest) > 1 or alpha is not ONE or not isinstance(first, NUMBER):
        raise TypeError(
            f"{name}(): expected other and the keyword alpha, got {1 + len(rest)} others"
        )
    warnings.warn(f"{name}(alpha, other) is old: write other, alpha={first}", stacklevel=3)
    return rest[0], first


def scaled(input: Any, other: Any, alpha: float) -> Tensor:
    """alpha * other in the type of a sum with `input`, which alpha must fit into."""
    _, b, x, _ = pair(input, other)
    dtype = x.dtype
    alpha = plain(alpha)
    if not isinstance(alpha, (int, float)):
        raise TypeError(f"argument 'alpha' must be Number, not {type(alpha).__name__}")
    if isinstance(alpha, bool) and dtype.kind != "b":
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and dtype.kind != "f":
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    return mul(other if b is None else b, wrap(element(alpha, dtype)))


def sub(input: Any, other: Any, *factored: Any, alpha: float = 1) -> Tensor:
    """input - alpha * other."""
    if factored:
        other, alpha = old_form("sub", other, factored, alpha)
    a, b, x, y = pair(input, other)
    refuse_bool(input, other)
    if alpha is not ONE:
        a, b, x, y = pair(input, scaled(input, other, alpha))
    shapes = x.shape, y.shape

    def gradients(g: Array) -> Sequence[Array | None]:
        return sum_to(g, shapes[0]), None if b is None else -sum_to(g, shapes[1])

    return record(compute(_core.sub, np.subtract, x, y), "SubBackward0", (a, b), gradients)


def rsub(input: Any, other: Any) -> Tensor:
    """other - input: what `ndarray - Tensor` and `1 - Tensor` call."""
    b, a, y, x = pair(input, other)
    refuse_bool(input, other)
    shapes = x.shape, y.shape

    def gradients(g: Array) -> Sequence[Array | None]:
        return None if a is None else sum_to(g, shapes[0]), -sum_to(g, shapes[1])

    name = "RsubBackward1" if a is None else "RsubBackward0"
    return record(compute(_core.sub, np.subtract, x, y), name, (a, b), gradients)


def refuse_bool(*operands: Any) -> None:
    """RuntimeError if one is bool: torch's rule for differences."""
    found = 0
    for each in operands:
        if type(each) is bool or (isinstance(each, Storage) and each._array.dtype.kind == "b"):
            found += 1
    if found == 2:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` "
            "or `logical_xor()` operator instead."
        )
    if found:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are "
            "trying to invert a mask, use the `~` or `logical_not()` operator instead."
        )


def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    product = _core.mul_number(input, other)
    if product is not None:
        return product
    a, b, x, y = pair(input, other, True)
    out = compute(_core.mul, np.multiply, x, y)
    edges = edges_of((a, b))
    if edges is None:
        return wrap(out)
    need_x, need_y = edges[0] is not None, edges[1] is not None
    shapes = x.shape, y.shape

    def gradients(g: Array) -> Sequence[Array | None]:
        return (
            sum_to(g * y, shapes[0]) if need_x else None,
            sum_to(g * x, shapes[1]) if need_y else None,
        )

    saved = (a if need_y else None, b if need_x else None)
    return recorded(out, "MulBackward0", edges, gradients, saved)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, float32 for integers. d(x/y) = dx/y - dy x/y^2.

    `rounding_mode` "floor" rounds down, "trunc" towards 0; then integers stay integers, and the
    gradient is 0.
    """
    if rounding_mode is not None:
        return _rounded_div(input, other, rounding_mode)
    a, b, x, y = floating_pair(input, other)
    out = compute(_core.div, np.divide, x, y)
    edges = edges_of((a, b))
    if edges is None:
        return wrap(out)
    need_x, need_y = edges[0] is not None, edges[1] is not None
    shapes = x.shape, y.shape

    def gradients(g: Array) -> Sequence[Array | None]:
        return (
            sum_to(g / y, shapes[0]) if need_x else None,
            sum_to(-g * ((x / y) / y), shapes[1]) if need_y else None,
        )

    return recorded(out, "DivBackward0", edges, gradients, (a if need_y else None, b))


def _rounded_div(input: Any, other: Any, mode: str) -> Tensor:
    if mode not in ("floor", "trunc"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{mode}'"
        )
    a, b, x, y = pair(input, other)
    out = _whole(f"div_{mode}_cpu", np.floor_divide if mode == "floor" else _truncated, x, y)
    shapes = x.shape, y.shape

    def gradients(g: Array) -> Sequence[Array]:
        return np.zeros(shapes[0], g.dtype), np.zeros(shapes[1], g.dtype)

    return record(out, "DivBackward2", (a, b), gradients)


def _truncated(x: Array, y: Array) -> Any:
    if x.dtype.kind == "f":
        return np.trunc(x / y)
    return x // y + ((x % y != 0) & ((x < 0) != (y < 0)))


def reciprocal(input: Tensor) -> Tensor:
    """1 / input. d(1/x) = -dx/x^2."""
    _, a, _, x = floating_pair(1.0, input)
    y = quiet(np.reciprocal, x)
    return record(y, "ReciprocalBackward0", (a,), lambda g: (-g * (y * y),), (), True)


def rdiv(input: Any, other: Any) -> Tensor:
    """other / input, as torch computes it: reciprocal, then product, for a number."""
    if isinstance(other, (Storage, np.ndarray)):
        return div(other, input)
    return mul(reciprocal(input), other)


def neg(input: Tensor) -> Tensor:
    """-input."""
    x = input._array
    if x.dtype.kind == "b":
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return record(quiet(np.negative, x), "NegBackward0", (input,), lambda g: (-g,))


def pos(input: Tensor) -> Tensor:
    """+input: the Tensor itself."""
    if input._array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent. d(x^k) = k x^(k-1) dx + x^k log(x) dk; at x = 0, k >= 0 dk counts 0."""
    a, b, x, k = pair(input, exponent, True)
    if x.dtype.kind in "iu" and b is None:
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        element(exponent, x.dtype)  # RuntimeError where it does not fit
    if x.dtype.kind == "b" and b is not None:
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    out = np.asarray(broadcast(_power, x, k), order="C" if a is None else None)
    edges = edges_of((a, b))
    if edges is None:
        return wrap(out)
    need_x, need_k = edges[0] is not None, edges[1] is not None

    def gradients(g: Array) -> Sequence[Array | None]:
        dx = dk = None
        if need_x:
            dx = sum_to(np.where(k == 0, np.zeros_like(g), g * (k * x ** (k - 1))), x.shape)
        if need_k:
            slope = np.where((x == 0) & (k >= 0), np.zeros_like(out), out * np.log(x))
            dk = sum_to(g * slope, k.shape)
        return dx, dk

    name = "PowBackward0" if b is None else "PowBackward2" if a is None else "PowBackward1"
    return recorded(out, name, edges, gradients, (a, b), need_k)


def _power(x: Array, k: Array) -> Any:
    if x.dtype.kind in "iu":  # negative exponents in a Tensor: torch truncates x**k towards 0
        whole = np.power(x, np.maximum(k, 0))
        return np.where(k < 0, np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (k % 2), 0)), whole)
    return x | ~k if x.dtype.kind == "b" else np.power(x, k)


def rpow(input: Any, other: Any) -> Tensor:
    """other ** input."""
    return pow(other, input)


def _whole(name: str, function: Any, x: Array, y: Array) -> Any:
    if x.dtype.kind == "b":
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    if x.dtype.kind != "f" and not np.all(y):
        raise RuntimeError("ZeroDivisionError")
    return broadcast(function, x, y)


def floor_divide(input: Any, other: Any) -> Tensor:
    """input // other, rounded down. It has no gradient: `backward` through it raises."""
    a, b, x, y = pair(input, other)
    out = _whole("div_floor_cpu", np.floor_divide, x, y)
    return _without_gradient(out, "floor_divide", a, b)


def rfloor_divide(input: Any, other: Any) -> Tensor:
    """other // input."""
    return floor_divide(other, input)


def _remainder(x: Array, y: Array) -> Any:
    if x.dtype.kind != "f":
        return np.remainder(x, y)
    rest = np.fmod(x, y)  # of x's sign, also where it is 0: np.remainder gives 0 that of y
    return np.where((rest != 0) & ((y < 0) != (rest < 0)), rest + y, rest)


def remainder(input: Any, other: Any) -> Tensor:
    """input % other with the sign of `other`: x - y floor(x/y), so dx - dy floor(x/y).

    A number for `input` has no gradient in torch: `backward` through it raises.
    """
    a, b, x, y = pair(input, other, True)
    out = _whole("remainder_cpu", _remainder, x, y)
    if a is None:
        return _without_gradient(out, "remainder", b)
    shapes = x.shape, y.shape
    edges = edges_of((a, b))
    if edges is None:
        return wrap(out)
    need_y = edges[1] is not None

    def gradients(g: Array) -> Sequence[Array | None]:
        dy = sum_to(-g * np.floor_divide(x, y), shapes[1]) if need_y else None
        return sum_to(g, shapes[0]), dy

    name = "RemainderBackward0" if b is None else "RemainderBackward1"
    return recorded(out, name, edges, gradients, (a, b) if need_y else ())


def rremainder(input: Any, other: Any) -> Tensor:
    """other % input."""
    return remainder(other, input)


def _without_gradient(out: Any, name: str, *operands: Storage | None) -> Tensor:
    def gradients(g: Array) -> Sequence[Array | None]:
        raise RuntimeError(
            f"derivative for aten::{name} is not implemented: write x.detach() for its operand "
            "if no gradient is meant to pass"
        )

    return record(out, "NotImplemented", operands, gradients)


def matmul(input: Any, other: Any) -> Tensor:
    """input @ other: vectors, matrices, batches of matrices.

    out = x @ y; dx = g @ y^T, dy = x^T @ g, summed over broadcast batches.
    """
    a, x = _matrix(input, other)
    b, y = _matrix(other, input)
    if not x.ndim or not y.ndim:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {x.ndim}D and {y.ndim}D"
        )
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_ctype(x)} != {_ctype(y)}"
        )
    try:
        out = quiet(np.matmul, x, y)
    except ValueError:
        raise _matmul_error(x, y) from None
    if x.dtype.kind == "b":
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")
    edges = edges_of((a, b))
    if edges is None:
        return wrap(out)
    need_x, need_y = edges[0] is not None, edges[1] is not None

    def gradients(g: Array) -> Sequence[Array | None]:
        rows = x if x.ndim > 1 else x[None, :]
        columns = y if y.ndim > 1 else y[:, None]
        g = g if x.ndim > 1 else np.expand_dims(g, -1 if y.ndim == 1 else -2)
        g = g if y.ndim > 1 else g[..., None]
        dx = dy = None
        if need_x:
            dx = sum_to(g @ columns.swapaxes(-1, -2), rows.shape).reshape(x.shape)
        if need_y:
            dy = sum_to(rows.swapaxes(-1, -2) @ g, columns.shape).reshape(y.shape)
        return dx, dy

    saved = (a if need_y else None, b if need_x else None)
    return recorded(out, _matmul_name(x.ndim, y.ndim), edges, gradients, saved)


def rmatmul(input: Any, other: Any) -> Tensor:
    return matmul(other, input)


def _matrix(value: Any, other: Any) -> tuple[Storage, Array]:
    if not isinstance(value, Storage):
        if isinstance(value, np.generic) or not array_like(value):
            raise TypeError(f"matmul: expected a Tensor, got {type(value).__name__}")
        value = wrap(own(to_array(value), other))
    return value, value._array


def _ctype(x: Array) -> str:
    names = {"float32": "float", "float64": "double", "int64": "long", "int32": "int"}
    return names.get(x.dtype.name, x.dtype.name)


def _matmul_name(x_ndim: int, y_ndim: int) -> str:
    names = {(1, 1): "Dot", (2, 1): "Mv", (1, 2): "Squeeze", (2, 2): "Mm"}
    name = names.get((x_ndim, y_ndim), "UnsafeView")
    return name + ("Backward4" if name == "Squeeze" else "Backward0")


def _matmul_error(x: Array, y: Array) -> RuntimeError:
    left, right = ("x".join(map(str, each.shape)) for each in (x, y))
    return RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({left} and {right})")
