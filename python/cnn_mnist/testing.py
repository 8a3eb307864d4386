"""Comparisons for tests and notebooks: `test_close`, and `gradcheck` against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .grad_mode import enable_grad, no_grad
from .operations.common import to_array
from .tape import Array, Storage

__all__ = ["gradcheck", "test_close"]


def _values(value: Any) -> Array:
    """Any number, sequence, array, Tensor or torch tensor (also one that requires grad)."""
    if not isinstance(value, Storage) and hasattr(value, "detach"):
        value = value.detach().cpu()
    return to_array(value)


def test_close(a: Any, b: Any, eps: float = 1e-5) -> None:
    """AssertionError unless |a - b| <= eps everywhere, equal infinities and nans included.

    Parameters
    ----------
    a, b : arrays, Tensors, torch tensors, numbers or (nested) sequences
        Of one shape, or one of them 0-d.
    eps : float
        Largest difference allowed.

    Raises
    ------
    AssertionError
        Names the shapes, or the first bad position, its values and the largest difference.
    """
    x, y = _values(a), _values(b)
    if x.shape != y.shape and x.ndim and y.ndim:
        raise AssertionError(f"shapes differ: {x.shape} and {y.shape}")
    x, y = np.broadcast_arrays(x, y)
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(wide_x - wide_y)
        same = (wide_x == wide_y) | (np.isnan(wide_x) & np.isnan(wide_y))
        bad = ~(same | (difference <= eps))
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    at = np.where(bad & np.isnan(difference), np.inf, np.where(same, 0, difference))
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(at), at.shape))
    raise AssertionError(
        f"not close (eps={eps:g}): {int(bad.sum())} of {bad.size} differ, first at "
        f"{_position(first)}: {x[first]!s} and {y[first]!s}; largest difference "
        f"{difference[worst]:g} at {_position(worst)}"
    )


test_close.__test__ = False  # type: ignore[attr-defined]  # pytest: a helper, not a test


def _position(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else "the only element"


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradients of `func` are those that central differences give.

    Each element x of an input that requires grad is moved by eps both ways:
    d func / dx = (func(x + eps) - func(x - eps)) / (2 eps).

    Parameters
    ----------
    func : callable
        Takes Tensors, returns a Tensor or several.
    inputs : Tensor or sequence
        Those that require grad must be float64 leaves.
    eps, atol, rtol : float
        Step, and |tape - difference| <= atol + rtol |difference|.
    raise_exception : bool
        Otherwise a difference returns False.

    Raises
    ------
    ValueError
        No input requires grad, or one that does is not float64.
    RuntimeError
        Gradients differ: which output, which input, where, by how much.
    """
    tensors = [inputs] if isinstance(inputs, Storage) else list(inputs)
    checked = [each for each in tensors if isinstance(each, Storage) and each._requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input that requires grad")
    for each in checked:
        if each._array.dtype != np.float64:
            raise ValueError(f"gradcheck needs float64 inputs, got {each._array.dtype}")
    for number, output in enumerate(_outputs(func, tensors)):
        for k, each in enumerate(checked):
            tape = _by_tape(func, tensors, number, each)
            numeric = _by_differences(func, tensors, number, each, eps)
            wrong = ~np.isclose(tape, numeric, rtol, atol, equal_nan=True)
            if wrong.any():
                if not raise_exception:
                    return False
                i, j = (int(index) for index in np.argwhere(wrong)[0])
                raise RuntimeError(
                    f"gradient of output {number} (element {i} of {output._array.size}) with "
                    f"respect to input {k} (element {j}): the tape gives {tape[i, j]:g}, "
                    f"differences give {numeric[i, j]:g}"
                )
    return True


def _outputs(func: Callable[..., Any], tensors: Sequence[Any]) -> list[Any]:
    results = func(*tensors)
    results = results if isinstance(results, (tuple, list)) else (results,)
    return [each for each in results if isinstance(each, Storage) and each._array.dtype.kind == "f"]


def _by_tape(func: Callable[..., Any], tensors: Sequence[Any], number: int, wanted: Any) -> Array:
    """Jacobian (elements of the output, elements of `wanted`), one backward a row."""
    kept = [each._grad for each in tensors if isinstance(each, Storage)]
    rows = []
    with enable_grad():
        output = _outputs(func, tensors)[number]
        for i in range(output._array.size):
            for each in tensors:
                if isinstance(each, Storage):
                    each._grad = None
            seed = np.zeros(output._array.shape)
            seed.reshape(-1)[i] = 1
            if output.requires_grad:
                output.backward(seed, retain_graph=True)
            grad = wanted._grad
            rows.append(np.zeros(wanted._array.size) if grad is None else grad._array.ravel())
    for each, grad in zip((each for each in tensors if isinstance(each, Storage)), kept):
        each._grad = grad
    return np.array(rows).reshape(output._array.size, wanted._array.size)


def _by_differences(
    func: Callable[..., Any], tensors: Sequence[Any], number: int, wanted: Any, eps: float
) -> Array:
    """The same Jacobian from func(x + eps) and func(x - eps), one column an element."""
    x = wanted._array
    columns = []
    with no_grad():
        for index in np.ndindex(x.shape):
            before = x[index]
            ends = []
            for step in (eps, -eps):
                x[index] = before + step
                ends.append(_outputs(func, tensors)[number]._array.ravel().astype(np.float64))
            x[index] = before
            columns.append((ends[0] - ends[1]) / (2 * eps))
    return np.array(columns).reshape(x.size, -1).T
