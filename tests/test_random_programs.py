"""Small random programs of operations in place and out of place, run with torch and with us.

Statement by statement both packages must do the same: give the same values, or raise the same
type of error. At the end a weighted sum of all that was computed is differentiated: the leaves
get the same gradients, or backward raises in both, because a value that it needs has changed.
"""

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import cnn_mnist

PROGRAMS = 400
STATEMENTS = 9

SETUP = [
    "a = T.tensor([[.5, -1., 2.], [1.5, .25, -.75]], dtype=T.float64, requires_grad=True)",
    "b = T.tensor([1.25, -.5, .75], dtype=T.float64, requires_grad=True)",
    "c = T.tensor([[1., 2., -1.], [.5, -.5, 3.]], dtype=T.float64)",
]
SHAPES = {"a": (2, 3), "b": (3,), "c": (2, 3)}

# what makes a value of x's shape; {y} broadcasts to x
VALUES = [
    "{x} + {y}", "{x} - {y}", "{y} - {x}", "{x} * {y}", "{x} / {y}", "{y} / {x}", "{x} * 2",
    "3 - {x}", "2 / {x}", "-{x}", "{x} ** 2", "{x} % {y}", "{x} % .75", "{x}.exp()", "{x}.abs()",
    "{x}.abs().sqrt()", "{x}.abs().log()", "{x}.relu()", "{x}.clamp(-1, 1)", "{x}.clamp_min(0)",
    "{x}.clone()", "{x}.detach()", "{x}.clone().detach_()", "{x}.detach().clone().requires_grad_()", "{x}.softmax(-1)", "{x}.log_softmax(-1)", "{x} - {x}.max()",
    "{x} / ({x} ** 2).sum()", "{x} - {x}.mean(-1, keepdim=True)", "{x} > {y}", "{x}.contiguous()",
]  # fmt: skip
# what changes x in place
CHANGES = [
    "{x}.add_({y})", "{x}.sub_({y}, alpha=.5)", "{x}.mul_({y})", "{x}.div_({y})", "{x} += {y}",
    "{x} -= 1", "{x} *= {y}", "{x} /= 2", "{x} **= 2", "{x}.clamp_(-1, 1)", "{x}.clamp_(min=0)",
    "{x}.relu_()", "{x}.zero_()", "{x}.fill_(.5)", "{x}.fill_({y}.sum())", "{x}.copy_({y})",
    "{x}.exp_()", "{x}.sqrt_()", "{x}.abs_()", "{x}.neg_()", "{x}.log_()", "{x}.clamp_min_(.1)",
    "{x}.pow_(2)",
    "{x}[...] = {y}", "{x}[0] = .25", "{x}[0] = {y}[-1]", "{x}[{x} > 0] = 0", "{x}[[0, 1]] *= 2",
    "{x}[-1].mul_({x}[0])", "{x}[0] += {x}[1]", "{x}.data.mul_(2)", "{x}.detach().add_(1)",
]  # fmt: skip
# views of a matrix and their shapes
VIEWS = [
    ("{x}[0]", (3,)), ("{x}[:, 1]", (2,)), ("{x}.view(-1)", (6,)), ("{x}.T", (3, 2)),
    ("{x}.reshape(3, 2)", (3, 2)), ("{x}[:, :2].t()[0]", (2,)), ("{x}.view(2, 3)", (2, 3)),
    ("{x}.unsqueeze(0)[0]", (2, 3)), ("{x}.detach()[1]", (3,)), ("{x}.flatten()[1:4]", (3,)),
]  # fmt: skip


def _choose(rng: np.random.Generator, options: list[Any]) -> Any:
    return options[rng.integers(len(options))]


def program(seed: int) -> list[str]:
    """Statements over a, b, c and what earlier statements made."""
    rng = np.random.default_rng(seed)
    shapes = dict(SHAPES)
    lines = list(SETUP)
    for number in range(STATEMENTS):
        x = _choose(rng, list(shapes))
        fit = [y for y, shape in shapes.items() if shape in (shapes[x], shapes[x][1:])]
        names = {"x": x, "y": _choose(rng, fit)}
        kind = rng.random()
        new = f"v{number}"
        if kind < 0.35:
            line = f"{new} = " + _choose(rng, VALUES).format(**names)
            shapes[new] = shapes[x]
        elif kind < 0.55 and shapes[x] == (2, 3):
            text, shape = _choose(rng, VIEWS)
            line = f"{new} = " + text.format(**names)
            shapes[new] = shape
        else:
            lines.append(f"{x}.is_leaf")  # else torch takes some views for leaves
            line = _choose(rng, CHANGES).format(**names)
            if rng.random() < 0.15:
                line = f"with T.no_grad(): {line}"
        lines.append(line)
    computed = [name for name in shapes if name not in SHAPES]
    terms = [f"({name} * {1 + 0.5 * i}).sum()" for i, name in enumerate(["c", *computed])]
    loss = " + ".join(terms)
    return [*lines, f"loss = {loss} + 0 * a.sum()", "loss.backward()"]


def run(lines: list[str], package: ModuleType) -> tuple[list[str | None], dict[str, Any]]:
    """The type of each statement's error, or None, and the variables at the end."""
    names: dict[str, Any] = {"T": package}
    errors: list[str | None] = []
    for line in lines:
        error = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                exec(line, names)  # noqa: S102
            except Exception as raised:  # noqa: BLE001
                error = type(raised).__name__
        errors.append(error)
    return errors, names


def differences(seed: int) -> str:
    """What the two packages do differently with this program; nothing, one hopes."""
    lines = program(seed)
    theirs, theirs_names = run(lines, torch)
    ours, our_names = run(lines, cnn_mnist)
    for line, a, b in zip(lines, ours, theirs, strict=True):
        if a != b:
            return f"{line}: {a}, should be {b}"
    for name, expected in theirs_names.items():
        if not isinstance(expected, torch.Tensor):
            continue
        tensor = our_names[name]
        for what in ("requires_grad", "is_leaf", "_version"):
            a, b = getattr(tensor, what), getattr(expected, what)
            if a != b:
                return f"{name}.{what}: {a}, should be {b}"
        pairs = [(name, tensor, expected)]
        if expected.is_leaf and not theirs[-1]:  # torch's backward may fail half way
            if (tensor.grad is None) != (expected.grad is None):
                return f"{name}.grad: {tensor.grad}, should be {expected.grad}"
            if expected.grad is not None:
                pairs.append((f"{name}.grad", tensor.grad, expected.grad))
        for what, found, right in pairs:
            got, want = np.asarray(found), right.detach().numpy()
            if got.shape != want.shape or not np.allclose(got, want, 1e-6, 1e-9, equal_nan=True):
                return f"{what}: {got}, should be {want}"
    return ""


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_random_program(seed: int) -> None:
    found = differences(seed)
    assert not found, "\n".join([*program(seed), found])
