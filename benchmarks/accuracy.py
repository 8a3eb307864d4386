"""`python -m benchmarks.accuracy`: how far float32 results are from float64's, ours and torch's.

Every functional and its gradients get the same float32 inputs here and in torch; the reference is
torch in float64 on these very inputs. The table goes into docs/accuracy.md, between its markers.

The unit is float32's epsilon, 2^-23, relative to the result's largest element: the RMS of the
errors over all elements, and the largest. (A result that is nothing but the right one, rounded,
has an RMS of up to 0.29 and a largest error of up to 0.5.) softmax's gradient, a difference that
may vanish, is measured by the gradient that it is made of.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

import cnn_mnist
import cnn_mnist.nn.functional
from benchmarks.report import replace_between
from cnn_mnist import _core

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
BEGIN, END = "<!-- accuracy table: begin -->", "<!-- accuracy table: end -->"
EPSILON = 2.0**-23

Array = NDArray[Any]
# (functional module, inputs as Tensors, target, class weights) -> result
Function = Callable[[Any, "list[Any]", Any, Any], Any]


class Case(NamedTuple):
    """A function on some inputs, the first `floats` of which want gradients."""

    function: str
    inputs: str
    call: Function
    arrays: list[Array]
    gradients: list[str]


class Error(NamedTuple):
    """What one result of a case is off by, in the unit above."""

    function: str
    result: str
    inputs: str
    rms: float
    largest: float
    torch_rms: float
    torch_largest: float


LOGITS: dict[str, Function] = {
    "softmax": lambda f, x, t, w: f.softmax(x[0], 1),
    "log_softmax": lambda f, x, t, w: f.log_softmax(x[0], 1),
    "logsumexp": lambda f, x, t, w: x[0].logsumexp(1),
    "relu": lambda f, x, t, w: f.relu(x[0]),
    "nll_loss": lambda f, x, t, w: f.nll_loss(x[0], t, w),
    "cross_entropy": lambda f, x, t, w: f.cross_entropy(x[0], t),
    "cross_entropy, each row": lambda f, x, t, w: f.cross_entropy(x[0], t, reduction="none"),
    "cross_entropy, weighted": lambda f, x, t, w: f.cross_entropy(x[0], t, w),
    "cross_entropy, smoothed": lambda f, x, t, w: f.cross_entropy(x[0], t, label_smoothing=0.1),
}

SHAPES = [
    (1, 784, 50), (512, 784, 50), (512, 50, 10), (64, 784, 50), (153, 784, 1), (153, 7, 1),
    (153, 1, 1), (33, 17, 65), (100, 128, 64), (256, 1024, 512), (1, 1, 1), (1000, 3, 2),
]  # fmt: skip


def logits(rows: int, classes: int) -> Iterator[tuple[str, Array]]:
    """Logits small, middling and large, all equal, and far apart."""
    rng = np.random.default_rng(classes)
    normal = rng.standard_normal((rows, classes))
    for scale in (1e-30, 1e-5, 1.0, 30.0, 1e4):
        yield f"{scale:g} x normal", (scale * normal).astype(np.float32)
    yield "equal", np.repeat(normal[:, :1] * 10, classes, 1).astype(np.float32)
    apart = normal.copy()
    apart[:, 0] += 80
    yield "one far above", apart.astype(np.float32)
    yield "shifted by 1000", (normal + 1000).astype(np.float32)


def cases(rows: int, classes: list[int], shapes: list[tuple[int, int, int]]) -> Iterator[Case]:
    """All functions on all their inputs."""
    for count in classes:
        for name, x in logits(rows, count):
            for function, call in LOGITS.items():
                if function == "nll_loss":
                    arrays = [-np.abs(x)]
                else:
                    arrays = [x]
                yield Case(function, f"({rows}, {count}), {name}", call, arrays, ["d input"])
    for B, I, O in shapes:
        rng = np.random.default_rng(B + I + O)
        bound = I**-0.5
        arrays = [
            rng.random((B, I), np.float32),
            rng.uniform(-bound, bound, (O, I)).astype(np.float32),
            rng.uniform(-bound, bound, O).astype(np.float32),
        ]
        call: Function = lambda f, x, t, w: f.linear(*x)
        names = ["d input", "d weight", "d bias"]
        sizes = f"B = {B}, I = {I}, O = {O}"
        yield Case("linear", sizes, call, arrays, names)
        if B > 32 and I > 64 and O > 24:  # enough for zeros to be skipped
            sparse = arrays[0] * (rng.random((B, I)) < 0.2)
            yield Case("linear", f"{sizes}, 80 % zeros", call, [sparse, *arrays[1:]], names)


def results(case: Case, package: Any, double: bool = False) -> list[Array]:
    """The result and the gradients of all inputs, for a gradient of the result made up."""
    kind = np.float64 if double else np.float32
    inputs = [package.tensor(array.astype(kind), requires_grad=True) for array in case.arrays]
    rng = np.random.default_rng(1)
    classes = case.arrays[0].shape[1]
    target = package.tensor(rng.integers(0, classes, len(case.arrays[0])))
    weight = package.tensor(rng.uniform(0.5, 2, classes).astype(np.float32).astype(kind))
    out = case.call(package.nn.functional, inputs, target, weight)
    out.backward(package.tensor(upstream(tuple(out.shape)).astype(kind)))
    return [np.asarray(each.detach()) for each in (out, *(x.grad for x in inputs))]


def upstream(shape: tuple[int, ...]) -> Array:
    """A gradient of the result."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def measure(case: Case) -> Iterator[Error]:
    """The errors of the result and of each gradient."""
    names = ["result", *case.gradients]
    reference = results(case, torch, double=True)
    ours, theirs = results(case, cnn_mnist), results(case, torch)
    for name, right, *both in zip(names, reference, ours, theirs, strict=True):
        scale = np.abs(right).max()
        if (case.function, name) == ("softmax", "d input"):
            scale = max(scale, np.abs(upstream(right.shape)).max())
        unit = EPSILON * (scale or 1)
        errors = [(each - right) / unit for each in both]
        figures = [
            figure
            for e in errors
            for figure in (float(np.sqrt(np.mean(e**2))), float(abs(e).max()))
        ]
        yield Error(case.function, name, case.inputs, *figures)


def table(errors: list[Error]) -> str:
    """The errors as Markdown, after a summary by function."""
    lines = [
        "| function | of | cases | mean RMS, ours | torch | worst, ours | torch | ours the closer or equal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str], list[Error]] = {}
    for each in errors:
        groups.setdefault((each.function, each.result), []).append(each)
    for (function, result), group in groups.items():
        rms, torch_rms = (np.mean([e[i] for e in group]) for i in (3, 5))
        worst, torch_worst = (max(e[i] for e in group) for i in (4, 6))
        closer = sum(e.rms <= e.torch_rms for e in group)
        lines.append(
            f"| {function} | {result} | {len(group)} | {rms:.3f} | {torch_rms:.3f} | {worst:.2f} | "
            f"{torch_worst:.2f} | {closer} of {len(group)} |"
        )
    lines += [
        "",
        "| function | of | inputs | RMS, ours | torch | largest, ours | torch |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {e.function} | {e.result} | {e.inputs} | {e.rms:.3f} | {e.torch_rms:.3f} | "
        f"{e.largest:.2f} | {e.torch_largest:.2f} |"
        for e in errors
    ]
    return "\n".join(lines)


def main() -> None:
    """Measures everything and writes the page."""
    torch.set_num_threads(1)
    all_cases = cases(64, [10, 1000, 5000], SHAPES)
    errors = [error for case in all_cases for error in measure(case)]
    lines = f"torch {torch.__version__}, NumPy {np.__version__}, path {_core._isa()}."
    replace_between(PAGE, BEGIN, END, f"\n{lines}\n\n{table(errors)}\n\n")
    print(PAGE)


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__).parse_args()
    main()
