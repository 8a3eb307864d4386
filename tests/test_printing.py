"""`repr` of a Tensor is torch's, character by character but for the package's name."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import cnn_mnist

SHAPES = [
    (),
    (1,),
    (0,),
    (2, 0),
    (5,),
    (30,),
    (3, 4),
    (2, 3, 4),
    (1001,),
    (40, 30),
    (5, 4, 60),
    (7, 200),
    (2, 2, 2, 2),
    (1000, 1),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"precision": 2, "linewidth": 140, "sci_mode": False},
    {"sci_mode": True},
    {"profile": "short"},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 0},
    {"edgeitems": 2, "linewidth": 40},
    {"precision": 0},
    {"profile": "full", "linewidth": 60},
]
CONTENTS = {
    "ordinary": lambda x: x,
    "large": lambda x: x * 1e6,
    "whole": lambda x: np.round(x * 10),
    "whole and large": lambda x: np.round(x * 1e10),
    "small": lambda x: x * 1e-6,
    "nan": lambda x: np.where(x > 0.8, np.nan, x),
    "infinite": lambda x: np.where(x > 0.8, np.inf, np.where(x < -0.8, -np.inf, np.round(x))),
    "all nan": lambda x: np.full(x.shape, np.nan),
    "zero": lambda x: np.where(x > 0, -0.0, 0.0),
}


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    """Other tests, the lesson among them, may have set options."""
    for package in (torch, cnn_mnist):
        package.set_printoptions(profile="default")
    yield
    for package in (torch, cnn_mnist):
        package.set_printoptions(profile="default")


def same_text(theirs: torch.Tensor, ours: cnn_mnist.Tensor) -> None:
    """The text with torch's name put in; its length decides where a line ends."""
    expected, actual = repr(theirs), repr(ours).replace("cnn_mnist.", "torch.")
    if "dtype=" in expected:
        expected, actual = ("".join(text.split()) for text in (expected, actual))
    assert actual == expected


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("content", CONTENTS)
def test_floats(content: str, options: dict[str, Any]) -> None:
    for package in (torch, cnn_mnist):
        package.set_printoptions(**options)
    random = np.random.default_rng(0)
    for shape in SHAPES:
        if options.get("profile") == "full" and np.prod(shape) > 500:
            continue
        data = np.asarray(CONTENTS[content](random.standard_normal(shape)))
        for dtype in (np.float32, np.float64):
            with np.errstate(over="ignore"):
                x = data.astype(dtype)
            same_text(torch.tensor(x), cnn_mnist.tensor(x))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.int32])
def test_whole_numbers(dtype: type) -> None:
    random = np.random.default_rng(0)
    for shape in SHAPES:
        x = random.integers(0, 2 if dtype is np.bool_ else 120, shape).astype(dtype)
        same_text(torch.tensor(x), cnn_mnist.tensor(x))


def test_history_is_shown() -> None:
    random = np.random.default_rng(0)
    for shape in SHAPES:
        data = random.standard_normal(shape).astype(np.float32)
        theirs, ours = torch.tensor(data), cnn_mnist.tensor(data)
        theirs.requires_grad_()
        ours.requires_grad_()
        for operation in (
            lambda x: x,
            lambda x: x + 1,
            lambda x: x.abs().sum() * 0,
            lambda x: x[None],
            lambda x: x.reshape(-1)[:3],
            lambda x: x.double(),
        ):
            same_text(operation(theirs), operation(ours))


def test_loss_of_the_lesson() -> None:
    logits = np.random.default_rng(0).standard_normal((4, 10)).astype(np.float32)
    loss = cnn_mnist.nn.functional.cross_entropy(
        cnn_mnist.tensor(logits, requires_grad=True), cnn_mnist.tensor([1, 2, 3, 4])
    )
    assert repr(loss) == f"tensor({loss.item():.4f}, grad_fn=<NllLossBackward0>)"


def test_values_and_indices() -> None:
    x = [[1.0, 3.0], [2.0, 0.5]]
    theirs, ours = torch.tensor(x).max(1), cnn_mnist.tensor(x).max(1)
    assert repr(ours).replace("cnn_mnist", "torch") == repr(theirs)


def test_shape_and_type() -> None:
    x = cnn_mnist.zeros(512, 10)
    assert repr(x.shape) == "cnn_mnist.Size([512, 10])"
    assert repr(x.dtype) == "cnn_mnist.float32"


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match="profile: expected default, short or full, got 'long'"):
        cnn_mnist.set_printoptions(profile="long")
