"""test_close and gradcheck accept what is right and name what is wrong."""

import numpy as np
import pytest
import torch

import cnn_mnist
from cnn_mnist.testing import gradcheck, test_close


@pytest.mark.parametrize(
    "other",
    [
        np.array([1.0, 2.0]),
        [1.0, 2.0],
        cnn_mnist.tensor([1.0, 2.0]),
        torch.tensor([1.0, 2.0]),
        torch.tensor([1.0, 2.0], requires_grad=True),
        cnn_mnist.tensor([1.0, 2.0], requires_grad=True),
        np.array([1.000009, 2.0]),
        np.array([1, 2]),
    ],
    ids=lambda other: type(other).__name__,
)
def test_equal_values(other: object) -> None:
    test_close(np.array([1.0, 2.0]), other)
    test_close(other, np.array([1.0, 2.0]))


def test_numbers_and_special_values() -> None:
    test_close(1.0, 1.000001)
    test_close(np.ones(3), 1)
    test_close([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf])
    test_close(np.zeros(0), np.zeros(0))
    test_close(1.0, 1.5, eps=0.6)


def test_first_bad_position_and_largest_difference() -> None:
    a, b = np.zeros((2, 3)), np.zeros((2, 3))
    b[0, 2], b[1, 1] = 0.25, -0.5
    message = (
        r"not close \(eps=1e-05\): 2 of 6 differ, first at \[0, 2\]: 0.0 and 0.25; "
        r"largest difference 0.5 at \[1, 1\]"
    )
    with pytest.raises(AssertionError, match=message):
        test_close(a, b)


@pytest.mark.parametrize(
    ("a", "b"), [(np.nan, 1.0), (1.0, np.nan), (np.inf, -np.inf), (np.inf, 1.0), (1.0, 1.1)]
)
def test_unequal_numbers(a: float, b: float) -> None:
    with pytest.raises(AssertionError, match="first at the only element"):
        test_close(a, b)


def test_shapes_are_named() -> None:
    with pytest.raises(AssertionError, match=r"shapes differ: \(2, 3\) and \(3,\)"):
        test_close(np.zeros((2, 3)), np.zeros(3))


def test_unsigned_numbers_do_not_wrap_around() -> None:
    with pytest.raises(AssertionError, match="largest difference 1"):
        test_close(np.array([0], np.uint8), np.array([1], np.uint8))


def wrong_gradient(x: cnn_mnist.Tensor) -> cnn_mnist.Tensor:
    return x.detach() * 2 + x  # the tape says 1, the truth is 3


def test_gradcheck_finds_a_wrong_gradient() -> None:
    x = cnn_mnist.tensor(np.array([1.0, 2.0]), requires_grad=True)
    assert gradcheck(lambda x: x * x, x)
    assert not gradcheck(wrong_gradient, (x,), raise_exception=False)
    with pytest.raises(
        RuntimeError,
        match=r"output 0 \(element 0 of 2\).*input 0 \(element 0\): "
        "the tape gives 1, differences give 3",
    ):
        gradcheck(wrong_gradient, (x,))


def test_gradcheck_leaves_its_inputs_alone() -> None:
    data = np.array([1.0, 2.0])
    x = cnn_mnist.tensor(data, requires_grad=True)
    (x * 3).sum().backward()
    gradcheck(lambda x: x.exp(), x)
    np.testing.assert_array_equal(x.detach(), data)
    np.testing.assert_array_equal(x.grad, [3, 3])


@pytest.mark.parametrize("x", [cnn_mnist.ones(2), cnn_mnist.ones(2, requires_grad=True)])
def test_gradcheck_needs_float64_that_requires_grad(x: cnn_mnist.Tensor) -> None:
    with pytest.raises(ValueError, match="requires grad|float64"):
        gradcheck(lambda x: x * 2, x)
