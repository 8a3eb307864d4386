"""Random programs of Tensor operations, run with torch and with cnn_mnist: values and gradients.

A program draws its operations and their arguments from a seed; the same seed gives the same
program in both packages.
"""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import cnn_mnist

SHAPES = [(2, 3), (3,), (1, 3), (2, 1), (), (2, 3, 4), (4, 1), (3, 3)]


class Program:
    """A sequence of operations on a growing list of Tensors."""

    def __init__(self, package: ModuleType, seed: int, dtype: str) -> None:
        self.package = package
        self.random = np.random.default_rng(seed)
        self.values: list[Any] = []
        for _ in range(3):
            shape = SHAPES[self.random.integers(len(SHAPES))]
            data = self.random.standard_normal(shape).astype(dtype)
            self.values.append(package.tensor(data, requires_grad=True))
        self.leaves = list(self.values)

    def run(self, steps: int) -> Any:
        names = [name for name in dir(self) if name.startswith("do_")]
        for _ in range(steps):
            name = names[self.random.integers(len(names))]
            x = self.values[self.random.integers(len(self.values))]
            result = getattr(self, name)(x)
            if result is not None:
                self.values.append(result)
        total = 0
        for each in self.values[3:]:
            total = total + (each * each.detach().abs().clamp_min(0.1)).mean()
        if not isinstance(total, int) and total.requires_grad:
            total.backward()
        return total

    def dim(self, x: Any) -> int:
        return int(self.random.integers(-max(x.ndim, 1), max(x.ndim, 1)))

    def partner(self, x: Any) -> Any:
        """Another value that broadcasts with x, x itself if there is none."""
        fitting = [each for each in self.values if _fits(tuple(x.shape), tuple(each.shape))]
        return fitting[self.random.integers(len(fitting))]

    def do_add(self, x: Any) -> Any:
        return x + self.partner(x)

    def do_sub(self, x: Any) -> Any:
        return x - self.partner(x)

    def do_mul(self, x: Any) -> Any:
        return x * self.partner(x)

    def do_div(self, x: Any) -> Any:
        return x / (self.partner(x).abs() + 0.5)

    def do_numbers(self, x: Any) -> Any:
        a, b, c = (float(each) for each in self.random.standard_normal(3))
        return ((a - x) * b + c) / 2 - 1 / (x * x + 1)

    def do_power(self, x: Any) -> Any:
        return x ** [2, 3, 1, 0][self.random.integers(4)]

    def do_root(self, x: Any) -> Any:
        return (x.abs() + 0.5) ** 0.5 + (x.abs() + 0.5).sqrt()

    def do_exp(self, x: Any) -> Any:
        return x.clamp(-3, 3).exp()

    def do_log(self, x: Any) -> Any:
        return (x.abs() + 0.5).log()

    def do_relu(self, x: Any) -> Any:
        return x.relu() - (-x).clamp_min(0.25)

    def do_sum(self, x: Any) -> Any:
        return x.sum(self.dim(x), keepdim=bool(self.random.integers(2)))

    def do_sums(self, x: Any) -> Any:
        return x.sum((0, -1)) if x.ndim > 1 else x.sum()

    def do_mean(self, x: Any) -> Any:
        return x.mean(self.dim(x), keepdim=bool(self.random.integers(2))) + x.mean()

    def do_std(self, x: Any) -> Any:
        dim = self.dim(x)
        return x.std(dim) + x.var() if x.ndim and x.shape[dim] > 1 else None

    def do_max(self, x: Any) -> Any:
        values, indices = x.max(self.dim(x))
        return values + indices * 0.1 + x.max() - x.min()

    def do_min(self, x: Any) -> Any:
        return x.min(self.dim(x), keepdim=True).values

    def do_softmax(self, x: Any) -> Any:
        return x.softmax(self.dim(x)) + x.log_softmax(self.dim(x))

    def do_logsumexp(self, x: Any) -> Any:
        return x.logsumexp(self.dim(x), keepdim=bool(self.random.integers(2)))

    def do_reshape(self, x: Any) -> Any:
        return x.T.reshape(-1) if x.ndim == 2 else x.reshape(-1, 1)

    def do_flatten(self, x: Any) -> Any:
        return x.flatten()[:12]

    def do_transpose(self, x: Any) -> Any:
        return x.transpose(self.dim(x), self.dim(x))

    def do_permute(self, x: Any) -> Any:
        return x.permute(tuple(int(i) for i in self.random.permutation(x.ndim)))

    def do_unsqueeze(self, x: Any) -> Any:
        return x.unsqueeze(self.dim(x)) if x.ndim < 4 else x.squeeze()

    def do_expand(self, x: Any) -> Any:
        return x.expand(2, *x.shape) if x.ndim < 4 else None

    def do_pick(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        n = x.shape[0]
        i = self.random.integers(-n, n, 3)
        ways = [
            lambda: x[int(i[0])],
            lambda: x[int(i[0]) :],
            lambda: x[:, None] if x.ndim < 4 else x[..., 0],
            lambda: x[[int(j) for j in i]],
            lambda: x[self.package.tensor(i)],
            lambda: x[x > 0].sum(),
            lambda: x[..., int(i[0]) % x.shape[-1]],
            lambda: x[x[(...,) + (0,) * (x.ndim - 1)] > 0].sum(0),
        ]
        return ways[self.random.integers(len(ways))]()

    def do_stack(self, x: Any) -> Any:
        return self.package.stack([x, x * 2, -x], self.dim(x)) if x.ndim < 4 else None

    def do_cat(self, x: Any) -> Any:
        return self.package.cat([x, x * 0.5], self.dim(x)) if 0 < x.ndim < 4 else None

    def do_matmul(self, x: Any) -> Any:
        if x.ndim == 0:
            return None
        return x @ x.T if x.ndim == 2 else x @ x if x.ndim == 1 else x @ x.mT

    def do_casts(self, x: Any) -> Any:
        return x.double() * 0.5 if self.random.integers(2) else x.float() + x

    def do_in_place(self, x: Any) -> Any:
        y = x * 1
        y += self.partner(x).sum()
        y *= 0.5
        if y.ndim:
            y[0] = y[-1] * 2
        return y

    def do_iterate(self, x: Any) -> Any:
        return sum(row.sum() for row in x) if x.ndim else None


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))


def _close(ours: Any, theirs: Any, tolerance: float, what: str) -> None:
    expected = theirs.detach().numpy()
    actual = np.asarray(ours)
    assert actual.dtype == expected.dtype, what
    assert actual.shape == expected.shape, what
    scale = max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0)))
    np.testing.assert_allclose(
        actual, expected, rtol=tolerance, atol=tolerance * scale, err_msg=what
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(150))
def test_random_program(seed: int, dtype: str) -> None:
    theirs, ours = Program(torch, seed, dtype), Program(cnn_mnist, seed, dtype)
    expected, actual = theirs.run(9), ours.run(9)
    tolerance = 2e-4 if dtype == "float32" else 1e-6  # casts to float32 are among the operations
    for i, (a, b) in enumerate(zip(ours.values, theirs.values, strict=True)):
        _close(a, b, tolerance, f"value {i}")
        name = None if b.grad_fn is None else type(b.grad_fn).__name__
        assert (None if a.grad_fn is None else a.grad_fn.name()) == name
    if not isinstance(expected, int):
        _close(actual, expected, tolerance, "total")
    for i, (a, b) in enumerate(zip(ours.leaves, theirs.leaves, strict=True)):
        if b.grad is None:
            assert a.grad is None
        else:
            _close(a.grad, b.grad, tolerance, f"gradient {i}")
