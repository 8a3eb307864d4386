"""Where the elements of results and gradients lie in memory: torch's strides.

They decide whether `view` works: `(x.t() + 1).view(-1)` raises, `w.grad.view(-1)` does not.
"""

import numpy as np
import pytest
import torch
from both import agree, cases, programs

import cnn_mnist

RESULTS = """
x.stride(-1); x[:, 0:0].stride(); x[:, 1:1].t().stride(); c.permute(2, 0, 1).exp().stride(); c.permute(1, 0, 2).relu().stride(); (c.transpose(0, 1) + 1).stride()
x.t().exp().view(-1); x.t()[1:].exp().stride(); x.abs().t().log().stride(); T.relu(x.t()).view(-1)
(x.t() + T.ones(3, 2)).stride(); (T.ones(3, 2) + x.t()).stride(); (c.permute(2, 0, 1) * v[:2, None]).stride()
(c.permute(2, 0, 1) + T.ones(4, 1, 3)).stride(); (T.ones(4, 1, 3) - c.permute(2, 0, 1)).stride()
(x.t() % v[:, None]).stride(); (x.t() > T.ones(2)).stride(); (v[:, None].expand(3, 2) / x.t()).stride()
T.zeros(9, 5, 2).transpose(1, 2)[:, :1].expand(9, 3, 5).clone().stride(); c.permute(1, 2, 0)[:, ::2].double().stride(); c.permute(2, 0, 1).clamp(T.ones(3)).stride()
c.transpose(1, 2).sum(0).view(-1); c.transpose(1, 2)[:, [0, 1]].view(-1); (2 ** c.transpose(1, 2)).view(-1); x.t().clamp(c[:, :3, :2]).stride()
c[:, [0, 2]].stride(); c[:, :, k].view(-1); x[:, k].is_contiguous(); c[:, 1:, [0, 1]].stride(); c[:, [0, 1], [1, 2]].stride()
x[None].stride(); x[:, None].stride(); x[..., None].stride(); x.t()[:, None].stride(); v[None, :, None].stride(); v[None].stride(0)
z[None].stride(); z.unsqueeze(0).stride(); z.stride(); x.expand(1, 1, 2, 3).stride(); e.stride(); e[:, None].stride(); T.ones(3, 0).stride(-2); T.ones(2, 0, 3).stride(); x.stride(2); z.stride(0)
x[:1].stride(); x[:, :1].stride(); x.view(2, 1, 3).stride(); x.t().view(3, 2, 1).stride(); v.expand(2, 3).stride(); x[:, None].expand(2, 4, 3).stride(); x.sum(0, True)[None].stride()
"""

GRADIENTS = """
w = T.ones(5, 3, requires_grad=True); (x @ w.t()).sum().backward(); out = [w.grad.view(-1), w.grad.stride()]

w = T.ones(2, 3, 4, requires_grad=True); w.permute(2, 0, 1).exp().sum().backward(); out = w.grad.stride()

w = T.ones(3, 4).t().requires_grad_(); (w * 2).sum().backward(); out = w.grad.stride()

w = T.ones(3, 4)[:, ::2].requires_grad_(); (w.t() * 2).sum().backward(); out = w.grad.stride()

w = T.ones(2, 3, requires_grad=True); w.t().backward(T.ones(3, 2)); out = w.grad.view(6)

w = T.ones(2, 3, requires_grad=True); w.t().logsumexp(0).sum().backward(); w.t().sum().backward(); out = w.grad.view(6)

q.retain_grad(); q.t().exp().sum().backward(); out = [q.grad.stride(), r.grad.stride()]
"""


@pytest.mark.parametrize("code", cases(RESULTS))
def test_results(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", programs(GRADIENTS))
def test_gradients(code: str) -> None:
    agree(code)


OPERATIONS = cases("""
a + b; b * a; a - 1; 1 / a; a ** b; b ** a; a ** 2; 2 ** a; 2. ** a.long(); a % b; 5 % a; a // 2; -a; a > b; ~a.bool(); a.long() & 3
a.exp(); a.log(); a.sqrt(); a.abs(); a.relu(); a.isnan(); a.double(); a.clone(); a.clamp(0, 2); a.clamp_min(b); a.clamp(b, b + 1)
T.maximum(a, b); T.minimum(b, a); a.div(b, rounding_mode='floor'); a.add(b, alpha=2); a.contiguous()
a.sum(0); a.sum(-1, keepdim=True); a.sum(()); a.long().sum(0); a.mean(-1); a.mean(0, keepdim=True); a.std(0); a.var(-1, keepdim=True)
a.all(0); a.all(-1, keepdim=True); a.any(0); a.byte().any(-1); a.max(0)[0]; a.max(-1)[1]; a.min(-1, keepdim=True)[0]; a.min(0, True)[1]
a.argmax(0); a.argmin(-1); a.argmin(-1, keepdim=True); a.logsumexp(0); a.softmax(-1); a.log_softmax(0)
a[[0, 0]]; a[..., [0, 0]]; a[None][:, [0, 0]]; a[..., None][..., [0, 0], :]; a[None][[0, 0], ..., [0, 0]]; a[None][:, [[0, 0, 0], [0, 0, 0]]]
a[a > 0]; a[..., T.ones(a.shape[-1]) > 0]; a[None][:, T.ones(a.shape[0]) > 0]
""")


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("code", OPERATIONS)
def test_randomly_permuted_tensors(code: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        sizes = rng.integers(1, 5, rng.integers(1, 5))
        arrays = []
        for k in range(2):
            kept = np.where(rng.random(len(sizes)) < 0.3 * k, 1, sizes)
            order = rng.permutation(len(sizes))
            array = np.ones(kept[order], np.float32).transpose(np.argsort(order))
            arrays.append(array[..., :: rng.integers(1, 3)] if kept[-1] == 1 else array)
        theirs, ours = (
            eval(code, {"T": package, **dict(zip("ab", map(package.from_numpy, arrays)))})
            for package in (torch, cnn_mnist)
        )
        steps = [(a, b) for a, b, n in zip(ours.stride(), theirs.stride(), theirs.shape) if n > 1]
        assert all(a == b for a, b in steps), (arrays[0].strides, arrays[1].strides)
