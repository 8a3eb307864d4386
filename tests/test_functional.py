"""nn.functional on random arrays and Tensors, forward and backward, on every path, against torch.

The error of float32 is measured against torch in float64, and may be twice that of torch in
float32.
"""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import cnn_mnist
import cnn_mnist.nn.functional as F

DTYPES = ["float32", "float64"]
SEEDS = range(40)


class Draw:
    """Random arguments of one call."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.random = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)

    def one_of(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def numbers(self, *shape: int) -> np.ndarray:
        """Any layout: axes in random order, elements broadcast or reversed now and then."""
        order = self.random.permutation(len(shape))
        x = (self.random.standard_normal([shape[i] for i in order]) * 3).astype(self.dtype)
        x = x.transpose(np.argsort(order)) if shape else x
        kind = self.one_of("plain", "plain", "reversed", "broadcast")
        if shape and kind == "reversed":
            x = x[::-1]
        if shape and shape[0] and kind == "broadcast":
            x = np.broadcast_to(x[:1], shape)
        return x

    def shape(self) -> tuple[int, ...]:
        """1 to 5 dimensions, the class dimension never empty."""
        shape = [int(self.one_of(1, 2, 3, 4, 9, 17)) for _ in range(self.random.integers(1, 6))]
        if self.random.random() < 0.1 and len(shape) > 1:
            shape[-1 if len(shape) > 2 else 0] = 0
        return tuple(shape)


def check(ours: Any, exact: Any, theirs: Any, dtype: str, g: Any = 0.0) -> None:
    """`ours` against torch in float64, with the error of torch in `dtype` as the measure.

    `g`: numbers as large as the terms of a gradient, which may cancel.
    """
    expected = exact.detach().numpy()
    actual = np.asarray(ours)
    assert actual.dtype == np.dtype(dtype)
    assert actual.shape == expected.shape
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    expected = expected[finite]
    difference = np.abs(actual[finite] - expected)
    allowed = np.abs(theirs.detach().numpy()[finite] - expected)
    scale = max(np.abs(expected).max(initial=0), np.abs(g).max(initial=0))
    ulps = 4 if dtype == "float32" else 100  # in float64 the reference has errors, too
    floor = ulps * np.finfo(dtype).eps * scale
    assert difference.max(initial=0) <= 2 * allowed.max(initial=0) + floor


def leaves(arrays: list[Any], dtype: Any = None) -> list[Any]:
    """torch leaves of a type; None and labels stay what they are."""
    made = []
    for x in arrays:
        if x is None:
            made.append(None)
        else:
            t = torch.tensor(np.array(x, order="C"))  # else torch's own softmax_backward fails
            made.append(t.to(dtype).requires_grad_() if t.is_floating_point() else t)
    return made


def compare(name: str, arrays: list[Any], extra: dict[str, Any], draw: Draw) -> tuple[Any, Any]:
    """One function of both packages, as arrays and through the tape; returns (g, result)."""
    kind = str(draw.dtype)
    before = [None if x is None else x.copy() for x in arrays]
    function = getattr(TF, name, None) or getattr(torch, name)
    exact_in, their_in = leaves(arrays, torch.float64), leaves(arrays, getattr(torch, kind))
    exact, theirs = function(*exact_in, **extra), function(*their_in, **extra)
    plain = getattr(F, name)(*arrays, **extra)
    assert type(plain) is np.ndarray
    check(plain, exact, theirs, kind)
    tensors = [None if x is None else cnn_mnist.tensor(x) for x in arrays]
    for x in tensors:
        if x is not None and x.is_floating_point():
            x.requires_grad_()
    ours = getattr(F, name)(*tensors, **extra)
    np.testing.assert_array_equal(ours.detach().numpy(), plain, strict=True)
    if arrays[0].flags.c_contiguous:  # torch's name of linear depends on it
        assert ours.grad_fn.name() == type(theirs.grad_fn).__name__
    g = draw.numbers(*exact.shape)
    exact.backward(torch.tensor(np.array(g, order="C")).double())
    theirs.backward(torch.tensor(np.array(g, order="C")))
    ours.backward(g)
    for x, a, b in zip(tensors, exact_in, their_in, strict=True):
        if a is not None and a.requires_grad:
            terms = g * np.abs(arrays[0]).max(initial=0) if name == "linear" else g
            check(x.grad, a.grad, b.grad, kind, terms)
    for x, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, kept)
    return g, ([x.grad for x in tensors if x is not None and x.grad is not None], plain)


def explicit(name: str, expected: list[Any], *args: Any, **kwargs: Any) -> None:
    """The explicit gradient equals the tape's, for arrays and for Tensors."""
    result = getattr(F, f"{name}_backward")(*args, **kwargs)
    parts = result if isinstance(result, tuple) else (result,)
    for part, grad in zip(parts, expected, strict=True):
        assert type(part) is np.ndarray
        np.testing.assert_array_equal(part, grad.numpy(), strict=True)
    tensors = [cnn_mnist.tensor(x) if isinstance(x, np.ndarray) else x for x in args]
    again = getattr(F, f"{name}_backward")(*tensors, **kwargs)
    for part in again if isinstance(again, tuple) else (again,):
        assert isinstance(part, cnn_mnist.Tensor)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", SEEDS)
class TestAgainstTorch:
    def test_linear(self, seed: int, dtype: str) -> None:
        draw = Draw(seed, dtype)
        size_in, size_out = (int(draw.one_of(1, 3, 8, 17, 33)) for _ in range(2))
        x = draw.numbers(*draw.shape()[:3], size_in)
        weight = draw.numbers(size_out, size_in)
        bias = draw.one_of(None, draw.numbers(size_out))
        g, (grads, _) = compare("linear", [x, weight, bias], {}, draw)
        if bias is not None:
            explicit("linear", grads, g, x, weight)

    @pytest.mark.parametrize("leading", [(2, 5), (3, 1, 2)])
    def test_linear_to_one_number(self, seed: int, dtype: str, leading: tuple[int, ...]) -> None:
        draw = Draw(seed, dtype)
        x, weight, bias = draw.numbers(*leading, 7), draw.numbers(7), draw.numbers()
        g, (grads, _) = compare("linear", [x, weight, bias], {}, draw)
        explicit("linear", grads, g, x, weight)

    def test_relu(self, seed: int, dtype: str) -> None:
        draw = Draw(seed, dtype)
        x = draw.numbers(*draw.shape())
        g, (grads, _) = compare("relu", [x], {}, draw)
        explicit("relu", grads, g, x)

    @pytest.mark.parametrize("name", ["softmax", "log_softmax"])
    def test_softmax(self, seed: int, dtype: str, name: str) -> None:
        draw = Draw(seed, dtype)
        x = draw.numbers(*draw.shape()) * draw.one_of(1, 30)
        dim = int(draw.random.integers(-x.ndim, x.ndim))
        g, (grads, y) = compare(name, [x], {"dim": dim}, draw)
        explicit(name, grads, g, y, dim)

    def test_logsumexp(self, seed: int, dtype: str) -> None:
        draw = Draw(seed, dtype)
        x = draw.numbers(*draw.shape())
        several = tuple(int(i) for i in draw.random.permutation(x.ndim)[: draw.one_of(1, 2)])
        extra = {"dim": draw.one_of(several, several[0]), "keepdim": draw.one_of(True, False)}
        g, (grads, y) = compare("logsumexp", [x], extra, draw)
        explicit("logsumexp", grads, g, x, y, **extra)

    def arguments_of_loss(self, draw: Draw) -> tuple[Any, Any, dict[str, Any]]:
        shape = draw.shape()
        C = shape[len(shape) > 1]
        x = draw.numbers(*shape)
        labels = draw.random.integers(0, C, [n for i, n in enumerate(shape) if i != (x.ndim > 1)])
        ignore_index = draw.one_of(-100, 0)
        if ignore_index < 0 and draw.one_of(True, False):
            labels = np.where(draw.random.random(labels.shape) < 0.3, -100, labels)
        elif x.ndim < 3:
            labels = labels.astype(draw.one_of(np.uint8, np.int64))
        weight = draw.one_of(None, draw.random.random(C).astype(draw.dtype) + 0.1)
        extra = {
            "reduction": draw.one_of("mean", "sum", "none"),
            "ignore_index": ignore_index,
            "weight": weight,
        }
        return x, labels, extra

    def test_nll_loss(self, seed: int, dtype: str) -> None:
        draw = Draw(seed, dtype)
        x, labels, extra = self.arguments_of_loss(draw)
        self.loss("nll_loss", x, labels, extra, draw)

    def test_cross_entropy(self, seed: int, dtype: str) -> None:
        draw = Draw(seed, dtype)
        x, labels, extra = self.arguments_of_loss(draw)
        if labels.dtype == np.int64:  # torch's own smoothing takes no uint8
            extra["label_smoothing"] = draw.one_of(0.0, 0.1, 1.0)
        self.loss("cross_entropy", x, labels, extra, draw)

    def test_class_probabilities(self, seed: int, dtype: str) -> None:
        draw = Draw(seed, dtype)
        x, _, extra = self.arguments_of_loss(draw)
        del extra["ignore_index"]
        extra["label_smoothing"] = draw.one_of(0.0, 0.1, 1.0)
        q = draw.random.random(x.shape).astype(draw.dtype)
        self.loss("cross_entropy", x, q, extra, draw)

    def loss(self, name: str, x: Any, target: Any, extra: dict[str, Any], draw: Draw) -> None:
        """Like `compare`, with a weight that has no gradient."""
        weight = extra.pop("weight")
        kind = str(draw.dtype)
        weights = {} if weight is None else {"weight": weight}
        results = []
        for precision in ("float64", kind):
            a, t = leaves([x, target], getattr(torch, precision))
            w = {k: torch.tensor(v).to(a.dtype) for k, v in weights.items()}
            results.append((a, t, getattr(TF, name)(a, t, **w, **extra)))
        (exact_x, exact_t, exact), (their_x, their_t, theirs) = results
        plain = getattr(F, name)(x, target, **weights, **extra)
        assert type(plain) is np.ndarray
        check(plain, exact, theirs, kind)
        mine = cnn_mnist.tensor(x, requires_grad=True)
        aim = cnn_mnist.tensor(target, requires_grad=target.dtype.kind == "f")
        w = {k: cnn_mnist.tensor(v) for k, v in weights.items()}
        ours = getattr(F, name)(mine, aim, **w, **extra)
        np.testing.assert_array_equal(ours.detach().numpy(), plain)
        assert ours.grad_fn.name() == type(theirs.grad_fn).__name__
        g = draw.numbers(*exact.shape)
        for each in (exact, theirs):
            each.backward(torch.tensor(np.array(g, order="C")).to(each.dtype))
        ours.backward(g)
        check(mine.grad, exact_x.grad, their_x.grad, kind, g)
        if aim.requires_grad:
            check(aim.grad, exact_t.grad, their_t.grad, kind, g)
        grads = [mine.grad, aim.grad] if aim.requires_grad else [mine.grad]
        explicit(name, grads, g, x, target, **weights, **extra)


def test_one_hot() -> None:
    labels = np.array([[2, 0], [1, 4]])
    for classes in (-1, 5, 7):
        expected = TF.one_hot(torch.tensor(labels), classes).numpy()
        np.testing.assert_array_equal(F.one_hot(labels, classes), expected, strict=True)
        assert isinstance(F.one_hot(cnn_mnist.tensor(labels), classes), cnn_mnist.Tensor)


def by_threads(g, x, w):
    """linear and its gradients on one thread; on 2, 3 and 5 the bits are the same."""
    before = cnn_mnist.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 5):
            cnn_mnist.set_num_threads(threads)
            results.append((F.linear(x, w, w[:, 0]), *F.linear_backward(g, x, w)))
    finally:
        cnn_mnist.set_num_threads(before)
    for result in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(result, results[0], strict=True))
    return results[0]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs", "share"),
    [
        (512, 784, 50, 0.2),
        (513, 784, 50, 1),
        (129, 1000, 300, 1),
        (1000, 70, 130, 0.1),
        (300, 15, 3000, 1),
    ],
)
def test_linear_has_the_same_bits_for_every_number_of_threads(rows, inputs, outputs, share, dtype):
    random = np.random.default_rng(rows)
    x = (random.normal(size=(rows, inputs)) * (random.random((rows, inputs)) < share)).astype(dtype)
    w, g = (random.normal(size=(outputs, n)).astype(dtype) for n in (inputs, rows))
    results = by_threads(g.T, x, w)
    expected = (x.astype(float) @ w.T + w[:, 0], g.T.astype(float) @ w, g.astype(float) @ x)
    for got, right in zip(results, expected, strict=False):
        size = np.abs(right).max()
        assert np.abs(got - right).max() <= 1000 * np.finfo(dtype).eps * size


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("place", [0, -1])
def test_zeros_are_skipped_in_all_parts_or_in_none(place):
    """Rows of very different density; then a factor that is infinite where one part sees it."""
    random = np.random.default_rng(7)
    x = random.normal(size=(600, 784)).astype(np.float32)
    x[100:] *= random.random((500, 784)) < 0.02
    w, g = (random.normal(size=shape).astype(np.float32) for shape in [(50, 784), (600, 50)])
    by_threads(g, x, w)
    w[place, place], g[place, place] = np.inf, np.inf
    got = by_threads(g, x, w)
    x, w, g = (torch.tensor(array) for array in (x, w, g))
    for ours, right in zip(got, (TF.linear(x, w, w[:, 0]), g @ w, g.T @ x), strict=False):
        np.testing.assert_allclose(ours, right.numpy(), 1e-3, 1e-3)


@pytest.mark.parametrize(
    "row", [(-np.inf,) * 3, (-np.inf, 1, 2), (np.inf, -np.inf, 0), (np.nan, 0, 1)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_of_logsumexp_where_numbers_are_infinite(row, dtype):
    x = np.array(row, dtype)
    tensor = torch.from_numpy(x).requires_grad_()
    torch.logsumexp(tensor, 0).backward()
    ours = F.logsumexp_backward(np.ones((), dtype), x, F.logsumexp(x, 0), 0)
    np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-6)


SHORT_OF_MEMORY = """
import resource
from pathlib import Path
import numpy as np
import cnn_mnist
from cnn_mnist.nn import Linear, functional as F

x, w = np.full((2048, 784), 0.1, "f4"), np.linspace(-1, 1, 50 * 784, dtype="f4").reshape(50, 784)
cnn_mnist.set_num_threads(1)
alone = F.linear(x, w)
cnn_mnist.set_num_threads(16)
cnn_mnist.predict(Linear(784, 50), x)  # starts the threads
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
unlimited = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20), unlimited[1]))
together = F.linear(x, w)
resource.setrlimit(resource.RLIMIT_AS, unlimited)
assert together.tobytes() == alone.tobytes()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_linear_takes_fewer_threads_where_memory_is_short_for_their_scratch():
    subprocess.run([sys.executable, "-W", "error", "-c", SHORT_OF_MEMORY], check=True)
