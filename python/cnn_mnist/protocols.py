"""How a Tensor meets Python and NumPy: truth, numbers, iteration, `__array__`, pickles.

NumPy functions take a Tensor as the array that it holds. One that the tape knows is recorded;
any other on a Tensor that requires grad raises, rather than to lose the gradient in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from . import printing
from .operations import arithmetic, comparisons, indexing, pointwise
from .operations.common import warn_of_lost_grad
from .operations.inplace import changed, prepare
from .tape import Array, Storage, record, wants_grad, wrap

if TYPE_CHECKING:
    from .tensor import Tensor


# Python ------------------------------------------------------------------------------------
def tensor_repr(self: Tensor) -> str:
    return printing.tensor_text(self)


def formatted(self: Tensor, spec: str) -> str:
    """f"{loss:.2f}" formats the number that a 0-d Tensor holds."""
    if not self._array.ndim:
        return format(self._array.item(), spec)
    return object.__format__(self, spec)


def length(self: Tensor) -> int:
    if not self._array.ndim:
        raise TypeError("len() of a 0-d tensor")
    return len(self._array)


def iterate(self: Tensor) -> Iterator[Tensor]:
    if not self._array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return indexing.parts(self)


def reverse(self: Tensor) -> Tensor:
    """reversed(x): the rows from the last to the first."""
    if not self._array.ndim:
        return self
    return record(self._array[::-1].copy(), "FlipBackward0", (self,), lambda g: (g[::-1],))


def delete(self: Tensor, index: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


def contains(self: Tensor, element: Any) -> bool:
    if isinstance(element, (Storage, int, float, np.integer, np.floating)):
        return bool(comparisons.eq(self, element)._array.any())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


def truth(self: Tensor) -> bool:
    if self._array.size != 1:
        what = "no values" if not self._array.size else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(self._array.item())


def item(self: Tensor) -> Any:
    """The only element, as a Python number."""
    if self._array.size != 1:
        raise RuntimeError(
            f"a Tensor with {self._array.size} elements cannot be converted to Scalar"
        )
    return self._array.item()


def to_int(self: Tensor) -> int:
    return int(_scalar(self))


def to_float(self: Tensor) -> float:
    warn_of_lost_grad(self, stacklevel=3)
    return float(_scalar(self))


def _scalar(self: Tensor) -> Any:
    if self._array.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return self._array.item()


def to_index(self: Tensor) -> int:
    if self._array.size != 1 or self._array.dtype.kind == "f":
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self._array.item())


def to_list(self: Tensor) -> Any:
    """Nested lists of Python numbers."""
    return self._array.tolist()


def _rebuild(kind: type[Tensor], array: Array, requires_grad: bool) -> Tensor:
    result = wrap(array, kind)
    result._requires_grad = requires_grad
    return result


def reduce(self: Tensor, protocol: Any) -> Any:
    """Pickles and copies hold the elements and `requires_grad`, not the history."""
    state = self.__dict__ or None
    return _rebuild, (type(self), self._array, self.requires_grad), state


def deep_copy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    if self.grad_fn is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment. Write x.detach() first."
        )
    result = _rebuild(type(self), self._array.copy("K"), self._requires_grad)
    memo[id(self)] = result
    if self._grad is not None:
        result._grad = deep_copy(self._grad, memo)
    if self.__dict__:
        result.__dict__.update(deepcopy(self.__dict__, memo))
    return result


# NumPy -------------------------------------------------------------------------------------
def to_numpy(self: Tensor, *, force: bool = False) -> Array:
    """A view of the array, no copy.

    RuntimeError if the Tensor requires grad, unless `force` or under `no_grad`.
    """
    if not force and wants_grad(self):
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    return self._array.view()  # whose shape the caller may set


def array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Array:
    """A view of the array where no copy is asked for or needed, also when grad is required."""
    x = self._array
    if dtype is not None and np.dtype(dtype) != x.dtype:
        if copy is False:
            raise ValueError(f"a {x.dtype} Tensor as {np.dtype(dtype)} takes a copy")
        return x.astype(dtype)
    return x.copy() if copy else x.view()


def dlpack(self: Tensor, **options: Any) -> Any:
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self._array.__dlpack__(**options)


def dlpack_device(self: Tensor) -> Any:
    return self._array.__dlpack_device__()


_ON_TAPE: dict[Any, Any] = {
    np.add: arithmetic.add,
    np.subtract: arithmetic.sub,
    np.multiply: arithmetic.mul,
    np.divide: arithmetic.div,
    np.power: arithmetic.pow,
    np.matmul: arithmetic.matmul,
    np.negative: arithmetic.neg,
    np.floor_divide: arithmetic.floor_divide,
    np.remainder: arithmetic.remainder,
    np.exp: pointwise.exp,
    np.log: pointwise.log,
    np.sqrt: pointwise.sqrt,
    np.absolute: pointwise.abs,
    np.equal: comparisons.eq,
    np.not_equal: comparisons.ne,
    np.less: comparisons.lt,
    np.less_equal: comparisons.le,
    np.greater: comparisons.gt,
    np.greater_equal: comparisons.ge,
    np.bitwise_and: comparisons.bitwise_and,
    np.bitwise_or: comparisons.bitwise_or,
    np.bitwise_xor: comparisons.bitwise_xor,
    np.left_shift: comparisons.bitwise_left_shift,
    np.right_shift: comparisons.bitwise_right_shift,
    np.invert: comparisons.invert,
}
_REFLECTED = {np.subtract: arithmetic.rsub, np.divide: arithmetic.rdiv}
_UNARY = (np.negative, np.exp, np.log, np.sqrt, np.absolute, np.invert)
# Functions without gradient: questions, tests, positions, counts, and the conversions that
# Matplotlib makes before it draws.
_FREE = frozenset([
    "shape", "ndim", "size", "result_type", "can_cast", "iscomplexobj", "isrealobj",
    "may_share_memory", "shares_memory", "all", "any", "isnan", "isinf", "isfinite", "signbit",
    "equal", "greater", "less", "allclose", "isclose", "array_equal", "array_equiv", "argmax",
    "argmin", "argsort", "argwhere", "nonzero", "flatnonzero", "searchsorted", "digitize",
    "count_nonzero", "bincount", "histogram", "histogram2d", "histogramdd", "histogram_bin_edges",
    "sign", "floor", "ceil", "rint", "trunc", "round", "array_repr", "array_str", "array2string",
    "save", "savetxt", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays",
])  # fmt: skip


# Functions that write to an argument, by its name; it is their first.
_WRITES = {
    "copyto": "dst",
    "fill_diagonal": "a",
    "place": "arr",
    "put": "a",
    "put_along_axis": "arr",
    "putmask": "a",
}


def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """`ndarray - Tensor`, `np.exp(Tensor)`: the Tensor's own operation; others on the array."""
    operation = _ON_TAPE.get(ufunc)
    if operation is not None and method == "__call__" and not options:
        first = inputs[0]
        if ufunc in _UNARY or isinstance(first, Storage):
            return operation(*inputs)
        first = np.asarray(first) if np.ndim(first) else first
        if ufunc in _REFLECTED:
            return _REFLECTED[ufunc](inputs[1], first)
        return operation(first, inputs[1])
    out = options.get("out", ())
    written = [each for each in (*out, *inputs[: method == "at"]) if isinstance(each, Storage)]
    for each in written:
        prepare(each)
    arguments: list[Any] = []
    inputs = _replace(inputs, arguments)
    names = ", ".join(f"{name}=" for name in options)
    options = _replace(options, arguments)
    if method != "__call__":
        _refuse(ufunc.__name__, arguments, f".{method}")
    else:
        _refuse(ufunc.__name__, arguments, options=names if operation is not None else "")
    result = getattr(ufunc, method)(*inputs, **options)
    for each in written:
        changed(each)
    if out:
        return out if len(out) > 1 else out[0]
    return _tensors(result)


def array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """Any other NumPy function, on the arrays that the Tensors hold."""
    written = _written(function.__name__, args, kwargs)
    for each in written:
        prepare(each)
    arguments: list[Any] = []
    args = _replace(args, arguments)
    kwargs = _replace(kwargs, arguments)
    _refuse(function.__name__, arguments, where=function.__module__ or "numpy")
    result = function(*args, **kwargs)
    for each in arguments:  # one that comes back as the result may have been written to as well
        if each._array is result or any(each is other for other in written):
            changed(each)
    return result


def _written(name: str, args: Any, kwargs: Any) -> list[Storage]:
    """The Tensors that a NumPy function is told to write to."""
    if name in _WRITES:
        out = args[0] if args else kwargs.get(_WRITES[name])
    else:
        out = kwargs.get("out")
    return [each for each in (out if type(out) is tuple else (out,)) if isinstance(each, Storage)]


def _refuse(
    name: str, arguments: list[Any], method: str = "", options: str = "", where: str = "numpy"
) -> None:
    """Raise if one of the Tensors requires grad; the tape may know `name` without `options`."""
    if name in _FREE:
        return
    for each in arguments:
        if wants_grad(each):
            function = f"{where}.{name}{method}"
            what = f"{function} with {options}" if options else function
            raise RuntimeError(
                f"{what} is not on the tape, and a Tensor given to it requires grad. "
                f"Use tensor.detach() if no gradient is meant to pass: {function}(x.detach())."
            )


def _replace(value: Any, found: list[Any]) -> Any:
    """`value` with the Tensors in it replaced by their arrays, and collected in `found`."""
    if isinstance(value, Storage):
        found.append(value)
        return value._array
    if type(value) in (list, tuple):
        return type(value)(_replace(each, found) for each in value)
    if type(value) is dict:
        return {key: _replace(each, found) for key, each in value.items()}
    return value


def _tensors(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(map(_tensors, result))
    return wrap(result) if isinstance(result, (np.ndarray, np.generic)) else result
