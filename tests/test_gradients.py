"""Gradients at special points are torch's; every operation passes gradcheck."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from both import agree, programs

import cnn_mnist
import cnn_mnist.nn.functional as F
from cnn_mnist.testing import gradcheck

SPECIAL = programs("""
a = T.ones(3, requires_grad=True); p = a*2; p.backward(T.tensor([1., 2., 3.])); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p.backward(T.tensor([1., 2., 3.]).double())
out = a.grad

a = T.tensor([1., 2., 2.], requires_grad=True); a.max().backward(); out = a.grad

a = T.tensor([1., 2., 2.], requires_grad=True); a.max(0)[0].backward(); out = a.grad

a = T.tensor([1., 1., 2.], requires_grad=True); a.min().backward(); out = a.grad

a = T.tensor([1., float('nan'), 2., float('nan')], requires_grad=True); a.max().backward()
out = a.grad

a = T.tensor([1., float('nan'), 2.], requires_grad=True); a.max(0)[0].backward()
out = a.grad

a = T.tensor([0., -1., float('nan'), 2.], requires_grad=True); F.relu(a).sum().backward()
out = a.grad

a = T.tensor([0., -1., float('nan'), 2., 1.], requires_grad=True)
a.clamp(0, 1).sum().backward(); out = a.grad

a = T.tensor([0., -1., float('nan'), 2., 1.], requires_grad=True)
a.clamp_min(0).sum().backward(); out = a.grad

a = T.tensor([0., -1., 2.], requires_grad=True); a.clamp(1, 0).sum().backward()
out = (a.grad, a.clamp(1, 0))

a = T.tensor([0., -1., 2.], requires_grad=True); a.abs().sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); a.sqrt().sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); a.log().sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); (a**2).sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); (a**0).sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); (a**0.5).sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); (a**3.5).sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); (a**-1).sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True)
k2 = T.tensor([2., 0., 3.], requires_grad=True); (a**k2).sum().backward()
out = (a.grad, k2.grad)

a = T.tensor([0., 4., -1.], requires_grad=True); (2**a).sum().backward(); out = a.grad

a = T.tensor([0., 4., -1.], requires_grad=True); (0**a).sum().backward(); out = a.grad

a = T.tensor([2., 2., 2.], requires_grad=True); a.std().backward(); out = a.grad

a = T.tensor([2.], requires_grad=True); a.std().backward(); out = a.grad

a = T.tensor([2., 3.], requires_grad=True); (1/a).sum().backward(); out = a.grad

a = T.tensor([2., 0.], requires_grad=True); (1/a).sum().backward(); out = a.grad

a = T.tensor([2., 0.], requires_grad=True); (a/a).sum().backward(); out = a.grad

a = T.ones(2, 3, requires_grad=True); a[range(2), T.tensor([2, 0])].mean().backward()
out = a.grad

a = T.ones(2, 1, requires_grad=True); a.expand(2, 3).sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); a.expand(2, 3).mean().backward(); out = a.grad

a = T.ones(2, 3, requires_grad=True); bb = T.ones(3, 2, requires_grad=True)
(a@bb).sum().backward(); out = (a.grad, bb.grad)

a = T.ones(4, 2, 3, requires_grad=True); bb = T.ones(3, 2, requires_grad=True)
(a@bb).sum().backward(); out = (a.grad, bb.grad)

a = T.ones(3, requires_grad=True); bb = T.ones(5, 3, 2, requires_grad=True)
(a@bb).sum().backward(); out = (a.grad, bb.grad)

a = T.ones(5, 1, 2, 3, requires_grad=True); bb = T.ones(3, requires_grad=True)
(a@bb).sum().backward(); out = (a.grad, bb.grad)

a = T.ones(3, requires_grad=True); bb = T.ones(3, requires_grad=True); (a@bb).backward()
out = (a.grad, bb.grad)

a = T.ones(2, 2, requires_grad=True); t = T.tensor([0, 1]); l = F.cross_entropy(a, t)
l.backward(retain_graph=True); l.backward(); out = a.grad

a = T.ones(2, 3, requires_grad=True); a.sum(0)[1].backward(); out = a.grad

a = T.ones(2, 3, requires_grad=True); a[:, [0, 0, 1]].sum().backward(); out = a.grad

a = T.ones(2, 3, requires_grad=True); a[[0, 0], [1, 1]].sum().backward(); out = a.grad

a = T.ones(2, 3, requires_grad=True); a[a>0].sum().backward(); out = a.grad

a = T.ones(2, 3, 4, requires_grad=True)
(a[0, :, [0, 1]]*T.arange(6.).reshape(3, 2)).sum().backward(); out = a.grad

a = T.ones(2, 3, 4, requires_grad=True); (a[:, None, [0, 1]]).sum().backward(); out = a.grad

a = T.ones(2, 3, 4, requires_grad=True); a.permute(2, 0, 1)[1].sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); T.stack([a, a*2, a*3], 1)[:, 1].sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); T.cat([a, a*2, T.zeros(0)])[2:].sum().backward()
out = a.grad
""")


@pytest.mark.parametrize("code", SPECIAL)
def test_special_point(code: str) -> None:
    agree(code)


LABELS = cnn_mnist.tensor([2, 0])
OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y + (1 - x),
    "mul": lambda x, y: x * y * 1.5,
    "div": lambda x, y: x / (y * y + 1) + 2 / (x * x + 1),
    "pow": lambda x, y: x**3 + (x * x + 1) ** y + 2**x,
    "matmul": lambda x, y: x @ y.T + (x @ y[0])[:, None],
    "neg, abs": lambda x, y: -x.abs(),
    "exp, log, sqrt": lambda x, y: x.exp() + (y * y + 1).log() + (x * x + 1).sqrt(),
    "relu, clamp": lambda x, y: x.relu() + y.clamp(-0.5, 0.5) + y.clamp_min(0.1),
    "sum, mean": lambda x, y: x.sum(0) * y.mean(0) + x.mean() + y.sum(1, keepdim=True),
    "std, var": lambda x, y: x.std(1) + y.var(1, unbiased=False) + x.var(),
    "max, min": lambda x, y: x.max(1)[0] + y.min(1)[0] + x.max() - y.min(),
    "stack, cat": lambda x, y: (cnn_mnist.stack([x, y], 1), cnn_mnist.cat([x, y * y], 1)),
    "index": lambda x, y: x[0] + y[:, 1:].sum() + x[[0, 1], LABELS].sum() + y[y > 0].sum(),
    "shapes": lambda x, y: (
        x.T.reshape(-1) + y.flatten() + x[None].expand(2, 2, 3).permute(2, 0, 1)[0, 0, 0]
    ),
    "reversed and iterated": lambda x, y: sum(row * row for row in reversed(x)) * y[0],
    "casts": lambda x, y: x.to(cnn_mnist.float64).squeeze().unsqueeze(0) * y.transpose(0, 1).mT,
    "softmax": lambda x, y: x.softmax(1) * y.log_softmax(0),
    "logsumexp": lambda x, y: x.logsumexp(1) + y.logsumexp((0, 1)),
    "linear": lambda x, y: F.linear(x, y, y[:, 0]),
    "nll_loss": lambda x, y: F.nll_loss(x, LABELS) + F.nll_loss(y, LABELS, reduction="sum"),
    "cross_entropy": lambda x, y: F.cross_entropy(x, LABELS, label_smoothing=0.1),
    "class probabilities": lambda x, y: F.cross_entropy(x, y, reduction="none"),
    "in place": lambda x, y: (x * 1).add_(y).mul_(x).div_(y * y + 1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradcheck(name: str) -> None:
    random = np.random.default_rng(3)
    x, y = (
        cnn_mnist.tensor(random.standard_normal((2, 3)) + 0.05, requires_grad=True)
        for _ in range(2)
    )
    assert gradcheck(OPERATIONS[name], (x, y))


def test_own_loss_gives_the_gradients_of_cross_entropy() -> None:
    def log_softmax(x: Any) -> Any:
        top = x.max(dim=1)[0][:, None]
        return x - (top + cnn_mnist.exp(x - top).sum(dim=1).log()[:, None])

    def nll(logp: Any, y: Any) -> Any:
        return -logp[range(len(logp)), y].mean()

    random = np.random.default_rng(0)
    logits = random.standard_normal((512, 10)).astype(np.float32)
    y = cnn_mnist.tensor(random.integers(0, 10, 512))
    x, x2 = (cnn_mnist.tensor(logits, requires_grad=True) for _ in range(2))
    own, ready = nll(log_softmax(x), y), F.cross_entropy(x2, y)
    own.backward()
    ready.backward()
    assert abs(own.item() - ready.item()) < 1e-6
    np.testing.assert_allclose(x.grad, x2.grad, atol=1e-8)
