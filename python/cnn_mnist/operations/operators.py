"""Python's operators; an operand that an operation does not know is asked itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tape import Storage
from . import arithmetic, comparisons, inplace, pointwise
from .common import NUMBER, array_like


def operator(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`function`, which raises for operands that are neither numbers nor arrays, as `__add__`.

    It returns NotImplemented for these, so that Python tries the other operand's `__radd__`.
    """

    def method(input: Any, other: Any) -> Any:
        try:
            return function(input, other)
        except (TypeError, RuntimeError):
            if isinstance(other, (Storage, *NUMBER)) or array_like(other):
                raise
            return NotImplemented

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = function.__doc__
    return method


class Operators:
    """Those of a Tensor; comparisons are element by element."""

    __slots__ = ()

    __add__ = __radd__ = operator(arithmetic.add)
    __sub__ = operator(arithmetic.sub)
    __rsub__ = operator(arithmetic.rsub)
    __mul__ = __rmul__ = operator(arithmetic.mul)
    __truediv__ = operator(arithmetic.div)
    __rtruediv__ = operator(arithmetic.rdiv)
    __floordiv__ = operator(arithmetic.floor_divide)
    __rfloordiv__ = operator(arithmetic.rfloor_divide)
    __mod__ = operator(arithmetic.remainder)
    __rmod__ = operator(arithmetic.rremainder)
    __pow__ = operator(arithmetic.pow)
    __rpow__ = operator(arithmetic.rpow)
    __matmul__ = operator(arithmetic.matmul)
    __rmatmul__ = operator(arithmetic.rmatmul)
    __iadd__ = operator(inplace.add_)
    __isub__ = operator(inplace.sub_)
    __imul__ = operator(inplace.mul_)
    __itruediv__ = operator(inplace.div_)
    __ifloordiv__ = operator(inplace.floor_divide_)
    __imod__ = operator(inplace.remainder_)
    __ipow__ = operator(inplace.pow_)
    __eq__ = operator(comparisons.eq)  # type: ignore[assignment]
    __ne__ = operator(comparisons.ne)  # type: ignore[assignment]
    __lt__ = operator(comparisons.lt)
    __le__ = operator(comparisons.le)
    __gt__ = operator(comparisons.gt)
    __ge__ = operator(comparisons.ge)
    __and__ = __rand__ = operator(comparisons.bitwise_and)
    __or__ = __ror__ = operator(comparisons.bitwise_or)
    __xor__ = __rxor__ = operator(comparisons.bitwise_xor)
    __lshift__ = operator(comparisons.bitwise_left_shift)
    __rlshift__ = operator(comparisons.rlshift)
    __rshift__ = operator(comparisons.bitwise_right_shift)
    __rrshift__ = operator(comparisons.rrshift)
    __iand__ = operator(inplace.bitwise_and_)
    __ior__ = operator(inplace.bitwise_or_)
    __ixor__ = operator(inplace.bitwise_xor_)
    __ilshift__ = operator(inplace.bitwise_left_shift_)
    __irshift__ = operator(inplace.bitwise_right_shift_)
    __pos__, __neg__, __abs__ = arithmetic.pos, arithmetic.neg, pointwise.abs
    __invert__ = comparisons.invert
