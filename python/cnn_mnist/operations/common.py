"""What operations share: operands, broadcasting, dimensions, NumPy without its warnings."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..dtypes import BOOL, F32, I64, of_numpy, result_type
from ..quiet import quiet
from ..tape import Array, Storage, record, wants_grad, wrap

if TYPE_CHECKING:
    from ..tensor import Tensor

array_of = np.array
NUMBER = (int, float, np.integer, np.floating, np.bool_)  # what torch takes as a number
_FEW_ROWS = 16  # torch, too, adds so many one by one
_EXACT = 2**53  # doubles hold all smaller whole numbers
_F32_LARGEST = float(np.finfo(F32).max)


# operands ----------------------------------------------------------------------------------
def cast(tensor: Storage, dtype: np.dtype[Any]) -> Tensor:
    """`tensor` itself when it has that type, else a recorded copy of the type."""
    x = tensor._array
    if x.dtype == dtype:
        return tensor  # type: ignore[return-value]
    if x.dtype.kind != "f" and x.flags.c_contiguous:
        return wrap(x.astype(dtype))
    converted = laid_out(quiet(x.astype, dtype), x)
    if dtype.kind != "f":
        return wrap(converted)
    before = x.dtype
    return record(converted, "ToCopyBackward0", (tensor,), lambda g: (g.astype(before),))


def check_range(values: Array, kind: np.dtype[Any]) -> None:
    """RuntimeError for Python numbers that the integers of `kind` do not reach."""
    limits = np.iinfo(kind)
    low = limits.min if kind.kind == "i" or values.dtype.kind == "f" else -limits.max
    if not np.all((values >= low) & (values <= limits.max)):
        raise _overflow(kind)


def _overflow(kind: np.dtype[Any]) -> RuntimeError:
    return RuntimeError(f"value cannot be converted to type {kind} without overflow")


def plain(value: Any) -> Any:
    """The number that a NumPy number, or a 0-d Tensor without grad, stands for; or `value`."""
    if isinstance(value, Storage) and not value._array.ndim and not value._requires_grad:
        return value._array.item()
    return value.item() if isinstance(value, np.generic) else value


def exactly(value: Any) -> Array:
    """A number as a 0-d array that holds it exactly; OverflowError beyond 64 bits."""
    exact = array_of(value)
    if exact.dtype.kind == "O":
        raise OverflowError(f"int too big to convert: {value} does not fit into 64 bits")
    return exact


def number(value: Any, dtype: np.dtype[Any]) -> Array:
    """A number as a 0-d operand of `dtype`: integers wrap around, floats may become infinite."""
    return quiet(exactly(value).astype, dtype)  # type: ignore[no-any-return]


def element(value: Any, kind: np.dtype[Any]) -> Array:
    """A number as an element of `kind`, which must reach it; integers round it towards zero."""
    direct = _rounds_once(value, kind)
    exact = value if direct else exactly(value)
    if kind.kind in "iu" and not direct:
        check_range(exact, kind)
        return exact.astype(I64).astype(kind)
    if kind == F32 and _F32_LARGEST < abs(value) < math.inf:
        raise _overflow(kind)
    return array_of(exact, kind) if direct else quiet(exact.astype, kind)


def _rounds_once(value: Any, kind: np.dtype[Any]) -> bool:
    """Whether NumPy, by way of float64 or int64, gives `value` in `kind` as torch does."""
    if type(value) is int and -_EXACT <= value <= _EXACT:
        return kind.kind == "f" or kind == I64
    return type(value) is float and kind.kind == "f"


def array_like(value: Any) -> bool:
    """Whether `value` offers its elements as an array."""
    return hasattr(value, "__array__") or hasattr(value, "__dlpack__")


def to_array(value: Any) -> Array:
    """The array that `value` holds or offers, without a copy where that is possible."""
    if isinstance(value, Storage):
        return value._array
    if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    return np.asarray(value)


def own(array: Array, *others: Any) -> Array:
    """A copy if an operation on it and on one of `others` is recorded: who gave the array may
    change it before backward, and no version counts that."""
    tensors = (each for each in others if isinstance(each, Storage))
    return array.copy() if wants_grad(*tensors) else array


def _operand(value: Any, keep_beside: Any = None) -> tuple[Any, np.dtype[Any], int]:
    """`value` as a Tensor or Python number, its type, its rank in `dtypes.result_type`."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Storage):
        pass
    elif isinstance(value, bool):
        return value, BOOL, 0
    elif isinstance(value, int):
        return value, I64, 0
    elif isinstance(value, float):
        return value, F32, 0
    elif array_like(value):
        array = to_array(value)
        of_numpy(array.dtype)
        value = wrap(own(array, keep_beside))
    else:
        raise TypeError(f"expected a Tensor, an array or a number, got {type(value).__name__}")
    return value, value._array.dtype, 2 if value._array.ndim else 1


def pair(a: Any, b: Any, kept: bool = False) -> tuple[Storage | None, Storage | None, Array, Array]:
    """Two operands by torch's rules of mixing: the Tensors (None for a number), their arrays.

    kept: backward uses their values.
    """
    if isinstance(a, Storage):
        x = a._array
        if isinstance(b, Storage):
            if x.dtype is b._array.dtype:
                return a, b, x, b._array
        elif (type(b) is float or type(b) is int and -_EXACT <= b <= _EXACT) and (
            y := _core.number(b, x)
        ) is not None:
            return a, None, x, y
    return _mixed_pair(a, b, result_type, kept)


def floating_pair(a: Any, b: Any) -> tuple[Storage | None, Storage | None, Array, Array]:
    """`pair` for operations whose result is floating: integers become float32."""
    operands = pair(a, b, True)
    if operands[2].dtype.kind == "f":
        return operands
    return _mixed_pair(a, b, lambda *_: F32, True)


def _mixed_pair(
    a: Any,
    b: Any,
    rule: Callable[[np.dtype[Any], int, np.dtype[Any], int], np.dtype[Any]],
    kept: bool,
) -> tuple[Storage | None, Storage | None, Array, Array]:
    a, a_type, a_rank = _operand(a, b if kept else None)
    b, b_type, b_rank = _operand(b, a if kept else None)
    dtype = rule(a_type, a_rank, b_type, b_rank)
    a, x = (_operand_of(a, dtype), None) if a_rank else (None, number(a, dtype))
    b, y = (_operand_of(b, dtype), None) if b_rank else (None, number(b, dtype))
    return a, b, a._array if x is None else x, b._array if y is None else y


def _operand_of(tensor: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """`cast`, but a change of `tensor` counts as one of the copy: torch saves `tensor` itself."""
    operand = cast(tensor, dtype)
    operand._changes = tensor._changes
    return operand


def compute(kernel: Callable[..., Array | None], function: Any, x: Array, y: Array) -> Any:
    """kernel(x, y) where both are plain arrays of one shape, or y is 0-d; else function(x, y)."""
    out = kernel(x, y)
    return broadcast(function, x, y) if out is None else out


def broadcast(function: Callable[..., Any], x: Array, y: Array) -> Any:
    """function(x, y) without warnings; shapes that do not fit raise torch's error."""
    try:
        return laid_out(quiet(function, x, y), x, y)
    except ValueError as error:
        raise mismatch(x, y) or error from None


def laid_out(out: Any, *operands: Array) -> Any:
    """`out`, computed from the operands, in torch's order in memory."""
    order = _core.memory_order(*operands)
    if order is None:
        return out
    rows = np.transpose(out, order)
    if rows.flags.c_contiguous:
        return out
    return np.ascontiguousarray(rows).transpose(np.argsort(order))


def mismatch(x: Array, y: Array) -> RuntimeError | None:
    """torch's error if the shapes of x and y cannot be broadcast."""
    ndim = max(x.ndim, y.ndim)
    shapes = [(1,) * (ndim - each.ndim) + each.shape for each in (x, y)]
    for dim in reversed(range(ndim)):
        a, b = (shape[dim] for shape in shapes)
        if a != b and 1 not in (a, b):
            return RuntimeError(
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) "
                f"at non-singleton dimension {dim}"
            )
    return None


def sum_to(g: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of broadcasting `shape` to g's shape: sum over the dimensions it gained."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + dim for dim, size in enumerate(shape) if size == 1 and g.shape[lead + dim] != 1
    )
    return sum_over(g, axes).reshape(shape)


def sum_over(x: Array, axes: tuple[int, ...], keepdim: bool = False) -> Array:
    """Sum of floats over `axes`; it lies in memory row after row.

    NumPy adds neighbours in pairs but rows one by one, which costs float32 a digit from a hundred
    rows on. Rows that lie one behind the other are added by the kernel that keeps what its
    additions round off, others in float64.
    """
    rows = math.prod(x.shape[dim] for dim in axes)
    by_rows = rows > _FEW_ROWS and _innermost(x) not in axes
    rest = tuple(dim for dim in range(x.ndim) if dim not in axes)
    if by_rows and (in_order := x.transpose(axes + rest)).flags.c_contiguous:
        columns = in_order.reshape(rows, x.size // rows)
        total = np.asarray(_core.linear_backward(columns, None, None, False, False, True)[2])
        return np.expand_dims(
            total.reshape([x.shape[dim] for dim in rest]), axes if keepdim else ()
        )
    dtype = np.float64 if by_rows else x.dtype
    return np.asarray(quiet(lambda: x.sum(axis=axes, dtype=dtype, keepdims=keepdim)), x.dtype, "C")


def _innermost(x: Array) -> int:
    """The dimension along which neighbours in memory lie."""
    long = (dim for dim in range(x.ndim) if x.shape[dim] > 1)
    return min(long, key=lambda dim: abs(x.strides[dim]))


# dimensions --------------------------------------------------------------------------------
def out_of_range(index: int, text: str) -> Exception:
    """An IndexError; a ValueError for what is no 64-bit integer, as torch has it."""
    return IndexError(text) if -(2**63) <= index < 2**63 else ValueError(text)


def check_dim(dim: Any, ndim: int) -> int:
    """`dim` counted from the front; 0-d input takes 0 and -1."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"dim must be an int, not {type(dim).__name__}")
    index = dim.__index__()
    limit = max(ndim, 1)
    if not -limit <= index < limit:
        raise out_of_range(
            index,
            "Dimension out of range (expected to be in range of "
            f"[{-limit}, {limit - 1}], but got {index})",
        )
    return index % limit  # type: ignore[no-any-return]


def check_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """A dim or several as a tuple; None and () mean all."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        dims = tuple(check_dim(each, ndim) for each in dim)
        for each in dims:
            if dims.count(each) > 1:
                raise RuntimeError(f"dim {each} appears multiple times in the list of dims")
        return dims or tuple(range(ndim))
    return (check_dim(dim, ndim),)


def size_of(sizes: Sequence[Any], name: str = "size") -> tuple[int, ...]:
    """view(2, 3), view((2, 3)) and view(x.shape) mean the same."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    elif not sizes:
        raise TypeError(f"missing 1 required positional argument: '{name}'")
    try:
        if bool not in map(type, sizes[:1]):  # torch looks at the first one only
            return tuple(map(operator.index, sizes))
    except TypeError:
        pass
    kinds = ", ".join(type(each).__name__ for each in sizes)
    raise TypeError(f"argument '{name}' must be tuple of ints, got ({kinds})")


def size_given(function: str, sizes: Sequence[Any], size: Any, name: str = "size") -> Sequence[Any]:
    """f(2, 3), f((2, 3)) or f(size=(2, 3)) as the first two."""
    if size is not None and sizes:
        raise TypeError(f"{function}(): got its {name} by position and by name")
    if size is None and not sizes:
        raise TypeError(f'{function}(): missing 1 required positional argument: "{name}"')
    return sizes or (size,)


def new_shape(function: str, size: Sequence[Any], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """The shape of a new array, meant by f(2, 3), f((2, 3)) or f([2, 3]).

    TypeError for what is no int, RuntimeError for a negative size and for too many bytes.
    """
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    for i, length in enumerate(size):
        if not is_whole(length):
            raise TypeError(
                f"{function}(): argument 'size' must be tuple of ints, but found "
                f"element of type {type(length).__name__} at pos {i}"
            )
    shape = tuple(map(operator.index, size))
    for length in shape:
        if length < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {length}: {list(shape)}"
            )
    if math.prod((max(length, 1) for length in shape), start=dtype.itemsize) >= 2**63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
    return shape


def check_device(device: Any) -> None:
    """RuntimeError unless it is the CPU, or None."""
    if device is not None and str(device) != "cpu":
        raise RuntimeError(f"Tensors live on the CPU: expected device 'cpu', got {device!r}")


def warn_of_lost_grad(input: Storage, stacklevel: int) -> None:
    """A Tensor that requires grad becomes a number, which does not."""
    if wants_grad(input):
        warnings.warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
            "behavior. Consider using tensor.detach() first.",
            stacklevel=stacklevel,
        )


def whole(function: str, name: str, value: Any) -> int:
    """`value` as an int; TypeError for what torch does not take as one."""
    if not is_whole(value):
        raise TypeError(f"{function}(): argument '{name}' must be int, not {type(value).__name__}")
    return operator.index(value)


def is_whole(value: Any) -> bool:
    """Whether torch takes it as an int: bool is none, a 0-d integer Tensor is one."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def check_bool(name: str, value: Any) -> None:
    """TypeError for what torch does not take as a bool: anything else."""
    if type(value) is not bool:
        raise TypeError(f"argument '{name}' must be bool, not {type(value).__name__}")


def keeps(keepdim: Any, keepdims: Any) -> bool:
    """Whether reduced dimensions stay, told by torch's name or by NumPy's."""
    keep = either("keepdim", keepdim, "keepdims", keepdims, False)
    check_bool("keepdim", keep)
    return keep  # type: ignore[no-any-return]


def either(name: str, one: Any, numpy_name: str, other: Any, default: Any) -> Any:
    """The value given under torch's or under NumPy's name of an argument."""
    if other is not None:
        if one is not default:
            raise TypeError(f"got both {name} and {numpy_name}: they are the same argument")
        return other
    return one
