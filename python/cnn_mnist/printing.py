"""The text of a Tensor, character by character torch's, and `set_printoptions`.

All elements share one format: integers, fixed point or scientific, chosen from the elements
that are shown, padded to the widest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import BOOL, F32, I64, of_numpy
from .tape import Array

if TYPE_CHECKING:
    from .tensor import Tensor


class _Options:
    """Not a dataclass: that module costs a third of this package's import."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How Tensors print. Values not given stay, except `sci_mode`, as torch has it.

    Parameters
    ----------
    precision : int
        Digits after the point, 4 at first.
    threshold : int
        Number of elements above which only the edges are shown, 1000 at first.
    edgeitems : int
        How many elements an edge has, 3 at first.
    linewidth : int
        Characters a line, 80 at first.
    profile : {"default", "short", "full"}
        A set of the above.
    sci_mode : bool or None
        Scientific notation; None lets the elements decide.

    Raises
    ------
    ValueError
        Another profile.
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"profile: expected default, short or full, got {profile!r}")
        for name, value in _PROFILES[profile].items():
            setattr(_options, name, value)
    if precision is not None:
        _options.precision = precision
    if threshold is not None:
        _options.threshold = threshold
    if edgeitems is not None:
        _options.edgeitems = edgeitems
    if linewidth is not None:
        _options.linewidth = linewidth
    _options.sci_mode = sci_mode


class _Format:
    """The format that the elements of one Tensor share."""

    def __init__(self, shown: Array) -> None:
        self.floating = shown.dtype.kind == "f"
        self.whole = True
        self.scientific = False
        self.width = 1
        if not self.floating:
            self.width = max((len(str(value)) for value in shown.ravel().tolist()), default=1)
            return
        values = shown[np.isfinite(shown) & (shown != 0)]
        if not values.size:
            return
        sizes = np.abs(values.astype(np.float64))
        low, high = sizes.min(), sizes.max()
        self.whole = bool(np.all(values == np.ceil(values)))
        self.scientific = _options.sci_mode  # type: ignore[assignment]
        if self.scientific is None:
            self.scientific = bool(high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4)
        self.width = max(len(self._number(value)) for value in values.tolist())

    def _number(self, value: float) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{_options.precision}f}"

    def __call__(self, value: float) -> str:
        return self._number(value).rjust(self.width)


def tensor_text(tensor: Tensor) -> str:
    """`tensor([...], dtype=..., grad_fn=...)`."""
    x = tensor._array
    suffixes = []
    if not x.size:
        body = "[]"
        if x.ndim != 1:
            suffixes.append(f"size={x.shape}")
        if x.dtype != F32:
            suffixes.append(f"dtype={of_numpy(x.dtype)}")
    else:
        if not _options.edgeitems:
            suffixes.append(f"size={x.shape}")
        if x.dtype not in (F32, I64, BOOL):
            suffixes.append(f"dtype={of_numpy(x.dtype)}")
        summarize = x.size > _options.threshold
        form = _Format(_edges(x) if summarize else x)
        body = _text(x, len("tensor("), summarize, form)
    try:
        made_by = tensor.grad_fn
    except RuntimeError:  # a view that has become invalid
        suffixes.append("grad_fn=<Invalid>")
    else:
        if made_by is not None:
            suffixes.append(f"grad_fn=<{made_by.name()}>")
        elif tensor.requires_grad:
            suffixes.append("requires_grad=True")
    return _with_suffixes("tensor(" + body, suffixes, len("tensor("))


def _edges(x: Array) -> Array:
    """The elements that a summary shows."""
    edge = _options.edgeitems
    for axis in range(x.ndim):
        if x.shape[axis] > 2 * edge:
            x = np.take(x, [*range(edge), *range(-edge, 0)], axis)
    return x


def _text(x: Array, indent: int, summarize: bool, form: _Format) -> str:
    if not x.ndim:
        return form(x.item())
    edge = _options.edgeitems
    cut = summarize and len(x) > 2 * edge
    if x.ndim == 1:
        return _line(x, indent, cut, form)
    shown = [*x[:edge], *x[len(x) - edge :]] if cut else x
    parts = [_text(each, indent + 1, summarize, form) for each in shown]
    if cut:
        parts.insert(edge, "...")
    return "[" + ("," + "\n" * (x.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _line(x: Array, indent: int, cut: bool, form: _Format) -> str:
    edge = _options.edgeitems
    shown = [*x[:edge].tolist(), *x[len(x) - edge :].tolist()] if cut else x.tolist()
    items = [form(value) for value in shown]
    if cut:
        items.insert(edge, " ..." if edge else "...")
    per_line = max(1, (_options.linewidth - indent) // (form.width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    last_line = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last_line + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            last_line = indent + len(suffix)
        else:
            text += ", " + suffix
            last_line += len(suffix) + 2
    return text + ")"
