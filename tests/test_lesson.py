"""The lesson, cell by cell, with PyTorch and with cnn_mnist in its import lines.

The notebook is no part of this project: its .md is named by CNN_MNIST_LESSON, or lies in
../shared/seed beside the checkout; its data is the mnist.pkl.gz in CNN_MNIST_DATA.
"""

import ast
import builtins
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import matplotlib
import numpy as np
import pytest
import torch

import cnn_mnist

CHECKOUT = Path(__file__).resolve().parents[1]
STEPS, ROWS, LAST_ROWS = 294, 512, 336  # 3 epochs of 98 steps; the last of each is shorter


def lesson_path() -> Path:
    default = CHECKOUT.parent / "shared" / "seed" / "04_minibatch_training.md"
    path = Path(os.environ.get("CNN_MNIST_LESSON", default))
    if not path.is_file():
        pytest.skip("the lesson is not here: CNN_MNIST_LESSON names no file")
    return path


def with_our_imports(source: str) -> str:
    """The cell with torch replaced by cnn_mnist in its import lines, and nowhere else."""
    lines = []
    for line in source.splitlines():
        if line.startswith("from "):
            line = re.sub(r"^from torch\b", "from cnn_mnist", line)
        elif line.startswith("import "):
            line = re.sub(r"\btorch\.", "cnn_mnist.", line)
            line = re.sub(r"\btorch\b", "cnn_mnist as torch", line)
        lines.append(line)
    return "\n".join(lines)


@dataclass
class Run:
    """What the cells of one run showed: last expressions as (value, repr), and printed rows."""

    values: list = field(default_factory=list)
    printed: list = field(default_factory=list)


def plain(value):
    """Tensors of either package become arrays; everything else stays."""
    return value.detach().numpy().copy() if hasattr(value, "detach") else value


def run_lesson(cells: list[str]) -> Run:
    run = Run()

    def record(*arguments):
        run.printed.append([(a.item(), repr(a)) for a in arguments])

    namespace = {"__name__": "lesson", "print": record, "__builtins__": builtins}
    try:
        for number, source in enumerate(cells):
            run.values.append(run_cell(source, f"cell {number}", namespace))
    finally:  # the lesson changes how Tensors print
        for package in (torch, cnn_mnist):
            package.set_printoptions(profile="default")
    return run


def run_cell(source: str, name: str, namespace: dict) -> tuple | None:
    """What the cell's last expression shows: its plain value and its text."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)  # noqa: S102
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    return None if value is None else (plain(value), repr(value))


def losses_of(run: Run) -> np.ndarray:
    """What the loop printed second, a step a row: `print(accuracy(ypred, ytrue), loss)`."""
    return np.array([row[1][0] for row in run.printed])


@pytest.fixture(scope="module")
def lesson(tmp_path_factory, mnist_dir):
    """The lesson's code cells without os.chdir, in a folder with data/mnist.pkl.gz."""
    cells = [cell.source for cell in jupytext.read(lesson_path()).cells if cell.cell_type == "code"]
    folder = tmp_path_factory.mktemp("lesson")
    (folder / "data").mkdir()
    data = mnist_dir.resolve() / "mnist.pkl.gz"
    if not data.is_file():
        pytest.skip("the lesson reads mnist.pkl.gz, and CNN_MNIST_DATA has none")
    (folder / "data" / "mnist.pkl.gz").symlink_to(data)
    with pytest.MonkeyPatch.context() as patch, matplotlib.rc_context():
        patch.chdir(folder)
        yield [re.sub(r"(?m)^os\.chdir\(.*\)$", "", source) for source in cells]


@pytest.fixture(scope="module")
def theirs(lesson):
    return run_lesson(lesson)


@pytest.fixture(scope="module")
def theirs_in_float64(lesson):
    """The losses of PyTorch's loop from the same initial weights, in double precision."""
    loop = next(i for i, source in enumerate(lesson) if "loss.backward()" in source)
    doubled = "x_train = x_train.double()\nfor layer in model.layers: layer.double()"
    return losses_of(run_lesson([*lesson[:loop], doubled, *lesson[loop:]]))


@pytest.fixture(scope="module", params=["fastcore.test", "cnn_mnist.testing"])
def ours(lesson, request):
    cells = [with_our_imports(source).replace("fastcore.test", request.param) for source in lesson]
    return run_lesson(cells)


def test_only_import_lines_change(lesson):
    changed = [
        (before, after)
        for cell in lesson
        for before, after in zip(cell.splitlines(), with_our_imports(cell).splitlines())
        if before != after
    ]
    assert [after for _, after in changed] == [
        changed[0][0].replace("torch", "cnn_mnist as torch"),
        "from cnn_mnist import tensor,nn",
        "import cnn_mnist.nn.functional as F",
    ]


def test_every_cell_shows_the_same_value(theirs, ours):
    shown = 0
    for number, (expected, got) in enumerate(zip(theirs.values, ours.values, strict=True)):
        assert (expected is None) == (got is None), f"cell {number}"
        if expected is None:
            continue
        shown += 1
        if isinstance(expected[0], np.ndarray):
            assert got[0].shape == expected[0].shape, f"cell {number}"
            assert got[0].dtype == expected[0].dtype, f"cell {number}"
            np.testing.assert_allclose(
                got[0], expected[0], rtol=0, atol=1e-5, err_msg=f"cell {number}"
            )
        else:
            assert got[0] == expected[0], f"cell {number}"
    assert shown >= 20


def test_every_cell_is_shown_in_the_same_way(theirs, ours):
    """Same text but for the digits that rounding may change, one unit of the last place."""
    number = re.compile(r"-?\d+(?:\.\d*)?(?:e[+-]\d+)?")
    pairs = [(t[1], o[1]) for t, o in zip(theirs.values, ours.values) if t is not None]
    pairs += [
        (t[1], o[1]) for rows in zip(theirs.printed[:20], ours.printed[:20]) for t, o in zip(*rows)
    ]
    for expected, got in pairs:
        got = got.replace("cnn_mnist.Size", "torch.Size")
        assert number.sub("#", got) == number.sub("#", expected)
        numbers = [[float(n) for n in number.findall(text)] for text in (expected, got)]
        np.testing.assert_allclose(numbers[1], numbers[0], rtol=0, atol=0.0101)


def test_every_step_prints_the_same_loss(theirs, theirs_in_float64, ours):
    """In the third epoch a hidden value lies within rounding of zero. There PyTorch's float32 may
    part from its own float64 by several 1e-4, depending on the machine; either one is right."""
    difference = np.abs(losses_of(ours) - losses_of(theirs))
    assert len(difference) == STEPS
    assert difference[:200].max() < 1e-5
    from_float64 = np.abs(losses_of(ours) - theirs_in_float64)
    assert np.minimum(difference, from_float64).max() < 2e-4


def test_every_step_prints_the_same_accuracy(theirs, ours):
    accuracies = [np.array([row[0][0] for row in run.printed]) for run in (theirs, ours)]
    rows = np.where(np.arange(1, STEPS + 1) % 98 == 0, LAST_ROWS, ROWS)
    assert (np.abs(accuracies[1] - accuracies[0]) * rows).max() < 2.5
