"""torch's random numbers: mt19937 streams, bit for bit those of torch 2.13 on a CPU."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .dtypes import F32, I64, check_limits, to_numpy
from .operations.common import check_device, new_shape, size_given, whole
from .tape import wrap
from .tensor import Tensor

__all__ = [
    "Generator",
    "default_generator",
    "initial_seed",
    "manual_seed",
    "rand",
    "randint",
    "randperm",
]


class Generator:
    """A stream of random numbers of its own: torch's mt19937, seeded with 67280421310721.

    Parameters
    ----------
    device : str
        Only ``"cpu"``.
    """

    def __init__(self, device: str | None = "cpu") -> None:
        check_device(device)
        self.device = "cpu"
        self._core = _core.Generator()

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed`, an int in [-2**63, 2**64); return the generator.

        Only the low 32 bits of the seed choose the stream, as in torch.

        Raises
        ------
        RuntimeError
            When `seed` is no int.
        ValueError
            When it is out of range.
        """
        if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(
                f"seed: expected an int in [-2**63, 2**64), got {seed} "
                "(Overflow when unpacking long long)"
            )
        self._core.manual_seed(int(seed))
        return self

    def seed(self) -> int:
        """Seed with 64 bits from the operating system and return them."""
        seed = int.from_bytes(os.urandom(8), "little")
        self._core.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the stream, as an unsigned number."""
        return self._core.initial_seed()

    def get_state(self) -> Tensor:
        """The state as torch lays it out: a uint8 Tensor of 5056 bytes, torch's own work too."""
        return wrap(self._core.get_state())

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from a state that `get_state`, ours or torch's, returned; the generator itself.

        Raises
        ------
        TypeError
            When `new_state` is no uint8 Tensor (or array).
        RuntimeError
            When its bytes are no state of an mt19937; the generator keeps its own then.
        """
        if not hasattr(new_state, "__array__"):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        state = np.asarray(new_state)
        if state.dtype != np.uint8:
            raise TypeError(f"RNG state must be a torch.ByteTensor, got dtype {state.dtype}")
        self._core.set_state(state)
        return self

    def clone_state(self) -> Generator:
        """A generator of its own that continues as this one would."""
        return _restore(self._core.get_state())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._core.get_state(),)


def _restore(state: NDArray[np.uint8]) -> Generator:
    generator = Generator()
    generator._core.set_state(state)
    return generator


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, which everything draws from unless told otherwise.

    `seed` may be anything that ``int()`` takes; its errors are those of ``int()``. Returns the
    default generator.
    """
    try:
        seed = int(seed)
    except (OverflowError, TypeError, ValueError) as error:
        raise type(error)(f"manual_seed(): argument 'seed' must be int: {error}") from None
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator's stream."""
    return default_generator.initial_seed()


def draw_seed(generator: Generator | None = None) -> int:
    """A seed for somebody else's generator: what torch's int64 ``random_()`` draws."""
    return _chosen(generator)._core.random_int63()


def uniform_(
    array: NDArray[Any], low: float = 0.0, high: float = 1.0, generator: Generator | None = None
) -> None:
    """Fill an array in place with numbers from [low, high), in the order of its memory.

    ``fma(x, high - low, low)`` in the array's own type, x on 24 (float32) or 53 bits.

    Raises
    ------
    NotImplementedError
        When the array is neither float32 nor float64.
    RuntimeError
        When ``low > high``, or one of them or their distance is out of the type's range.
    """
    core = _chosen(generator)._core
    if array.flags.c_contiguous:
        core.uniform(array, low, high)
        return
    dense = np.empty_like(array, order="K", subok=False)
    core.uniform(dense.ravel(order="K"), low, high)
    array[...] = dense


# What random_ draws up to without bounds. It takes other draws for an int32.
_LARGEST = {
    "bool": 1,
    "uint8": 2**8 - 1,
    "int8": 2**7 - 1,
    "int16": 2**15 - 1,
    "int64": 2**63 - 1,
    "float32": 2**24,
    "float64": 2**53,
}


def integers_(
    array: NDArray[Any], low: int, high: int | None, generator: Generator | None = None
) -> None:
    """Fill an array in place with whole numbers from [low, high), in the order of its memory.

    Without `high` up to the largest number of the dtype, of a floating one 2**24 or 2**53;
    int32 needs `high`. UserWarning for bounds beyond these two in a floating array: torch moves
    them to numbers that the type has, and so does this.

    Raises
    ------
    TypeError
        When `high` is missing for int32.
    RuntimeError
        When ``low >= high``, or one of the numbers would be out of the dtype's range.
    """
    core = _chosen(generator)._core
    dtype = array.dtype
    if high is None:
        if dtype.name not in _LARGEST:
            raise TypeError(f"random_(): expected bounds for dtype {dtype}")
        last = _LARGEST[dtype.name]
    else:
        if not low < high:
            raise RuntimeError(
                f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
            )
        if dtype.kind == "f":
            low, high = _floating_bounds(low, high, dtype)
        last = high - 1
        check_limits(low, last, dtype)
    dense = np.empty_like(array, order="K", subok=False)
    dense.ravel(order="K")[...] = core.randint(array.size, low, last)
    array[...] = dense


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers from [0, 1), float32 unless `dtype` or `out` says float64.

    ``rand(2, 3)`` or ``rand((2, 3))``.

    Raises
    ------
    NotImplementedError
        When the dtype is no floating-point one.
    RuntimeError
        When a size is negative, or `out` is of another shape or dtype.
    """
    shape = tuple(size_given("rand", sizes, size))
    result = _result("rand", shape, F32, out, dtype, device, requires_grad)
    uniform_(result._array, generator=generator)
    return result


def randint(
    *args: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whole numbers from [low, high), int64 unless `dtype` or `out` says otherwise.

    ``randint(high, size)`` or ``randint(low, high, size)``; `size` is a tuple.

    Raises
    ------
    TypeError
        When an argument is missing, or is no int where one is due.
    ValueError
        When a bound does not fit into int64.
    RuntimeError
        When ``low >= high``, `high` - 1 or `low` is out of the dtype's range, a size is
        negative, or `out` is of another shape or dtype.
    """
    low, high, size = _randint_arguments(args, low, high, size)
    result = _result("randint", (size,), I64, out, dtype, device, requires_grad)
    integers_(result._array, low, high, generator)
    return result


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 to n - 1 in random order, int64 unless `dtype` or `out` says otherwise.

    Raises
    ------
    TypeError
        When `n` is no int.
    RuntimeError
        When `n` is negative or out of the dtype's range, or `out` of another shape or dtype.
    """
    n = whole("randperm", "n", n)
    result = _result("randperm", (n,), I64, out, dtype, device, requires_grad)
    array = result._array
    if array.dtype == np.bool_:
        raise NotImplementedError("\"randperm\" not implemented for 'Bool'")
    if n:
        check_limits(n - 1, n - 1, array.dtype)
    array[...] = _chosen(generator)._core.randperm(n)
    return result


# arguments ------------------------------------------------------------------------------
def check_generator(generator: Any) -> None:
    """Raise TypeError unless it is a Generator or None."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(f"generator: expected a Generator, got {type(generator).__name__}")


def _chosen(generator: Generator | None) -> Generator:
    check_generator(generator)
    return default_generator if generator is None else generator


def _randint_arguments(
    args: tuple[Any, ...], low: Any, high: Any, size: Any
) -> tuple[int, int, Any]:
    """(low, high, size) from ``(high, size)`` or ``(low, high, size)`` and keywords."""
    names = [
        name for name, value in (("low", low), ("high", high), ("size", size)) if value is None
    ]
    if len(args) < len(names):
        names.remove("low")  # the one that may be left out
    if len(args) != len(names):
        raise TypeError(
            "randint(): expected (high, size) or (low, high, size), got "
            f"{len(args)} positional arguments for {names}"
        )
    given = {"low": low, "high": high, "size": size, **dict(zip(names, args, strict=True))}
    bounds = []
    for name in ("low", "high"):
        bound = whole("randint", name, 0 if given[name] is None else given[name])
        if not -(2**63) <= bound < 2**63:
            raise ValueError(
                f"{name}: expected an int64, got {bound} (Overflow when unpacking long long)"
            )
        bounds.append(bound)
    if not isinstance(given["size"], (tuple, list)):
        raise TypeError(
            f"randint(): argument 'size' must be tuple of ints, not {type(given['size']).__name__}"
        )
    return bounds[0], bounds[1], given["size"]


def _floating_bounds(low: int, high: int, dtype: np.dtype[Any]) -> tuple[int, int]:
    """[low, high) as torch draws from it into a floating array.

    Where low + 1 or high - 1 would be rounded out of it, a bound moves inwards by a step of the
    floating numbers beyond it.
    """
    digits = np.finfo(dtype).nmant + 1

    def rounded(bound: int) -> int:
        value = int(np.array(bound, I64).astype(dtype))
        return value if value < 2**63 else -(2**63)  # as the processor converts it back

    def step(bound: int) -> int:
        return 2 ** (abs(bound).bit_length() - digits)

    if rounded(low + 1) < low:
        low = rounded(low + 1) + step(low + 1)
    if rounded(high - 1) >= high:
        high = rounded(high - 1) - step(high - 1)
    if not low < high:
        raise RuntimeError(
            "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
            f"from={low} >= to={high}"
        )
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if abs(bound) > 2**digits:
            warnings.warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision "
                f"limitations {dtype} can support discrete uniform distribution only within "
                "this range.",
                stacklevel=4,
            )
    return low, high


def _result(
    function: str,
    size: tuple[Any, ...],
    default: np.dtype[Any],
    out: Tensor | None,
    dtype: Any,
    device: str | None,
    requires_grad: bool,
) -> Tensor:
    """`out` when it fits, else a new Tensor to fill."""
    check_device(device)
    kind = None if dtype is None else to_numpy(dtype)
    shape = new_shape(function, size, default if kind is None else kind)
    if out is None:
        result = wrap(np.empty(shape, default if kind is None else kind))
        return result.requires_grad_(requires_grad)
    if not isinstance(out, Tensor):
        raise TypeError(f"{function}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if kind is not None and kind != out._array.dtype:
        raise RuntimeError(f"dtype {kind.name} does not match dtype of out parameter ({out.dtype})")
    if out._array.shape != shape:
        raise RuntimeError(f"out: expected shape {shape}, got {out._array.shape}")
    if out.requires_grad:
        raise RuntimeError(
            f"{function}(): functions with out=... arguments don't support "
            "automatic differentiation, but one of the arguments requires grad."
        )
    return out.requires_grad_(requires_grad)
