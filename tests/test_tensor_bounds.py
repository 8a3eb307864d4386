"""clamp with Tensors for bounds, max and min of two Tensors, division that rounds: as in torch."""

from typing import Any

import pytest
from both import agree, cases, programs

import cnn_mnist

VALUES = cases("""
x.clamp(v); x.clamp(v, z); x.clamp(max=v); x.clamp(z); x.clamp(v, 2.); x.clamp(1, v); x.clamp_min(y); x.clamp_min('a')
x.clamp('a'); x.clamp([1, 2]); i.clamp(z); i.clamp(T.tensor(2), v); i.clamp(zi); i.clamp(d); b.clamp(b); b.clamp(i); x.clamp(T.ones(2))
n.clamp(T.ones(2)); x.clamp(n[0, 1]); x.clamp(T.tensor(3.), T.tensor(1.)); u.clamp(zi, i); x.clone().clamp_(v); i.clone().clamp_(v); x[:1].clamp_(y)
T.max(x, y); x.max(v); x.max(z); i.max(zi); i.max(v); T.max(i, k); x.max(other=y); x.min(v); u.min(i); b.max(~b); n.max(z)
x.max(T.ones(2)); T.max(x, 1); T.max(x, z, True); x.max(y, keepdim=True); x.max([1]); d.min(v); x.t().max(y.t()).stride()
x.max(dim=T.tensor(0)); x.min(dim=T.tensor(-1))[0]; T.max(x, dim=zi - 2); x.max(T.tensor(0), True); x.min(T.tensor(1), keepdim=True); x.max(dim=z); x.max(0, dim=1); x.min(v, dim=1); x.max(0, other=y); x.max(y, other=y); x.min(v, axis=1)
x.div(y, rounding_mode='floor'); x.div(2, rounding_mode='trunc'); i.div(-2, rounding_mode='floor'); i.div(-zi, rounding_mode='trunc')
u.div(2, rounding_mode='trunc'); x.div(0, rounding_mode='trunc'); i.div(0, rounding_mode='trunc'); b.div(b, rounding_mode='floor')
x.div(2, rounding_mode='ceil'); x.div(v, rounding_mode=None); x.div_(2, rounding_mode='floor'); i.div_(2, rounding_mode='trunc'); i.div_(2.5, rounding_mode='floor')
x.clamp(z, 3); x.clamp(-1, z); x.clamp(zi, 2.); i.clamp(zi, 4); i.clamp(z, 4); i.clamp(2, z); b.clamp(zi, 4); x.clamp(T.tensor(True), 3); r.clamp(z, 3); r.clamp_(z, 3)
q.clamp_(z, 3); x.clamp(z.requires_grad_(), 3); x.clamp(z[None], 3); x.clamp(3, z[None]); x.clamp(d[0, 0], 1); x.clamp(T.tensor(1e39).double(), 3); x.clamp_min(None)
x.clamp(c[:, :2, :3]); x.t().clamp(c[:, :3, :2]); x.clamp(T.ones(2), v); x.clamp(v, T.ones(2)); x[:, :1].clamp(v, T.ones(2)); i.clamp(z, d); i.clamp(zi.double(), zi); u.clamp(zi.byte(), zi); u.clamp(max=zi)
T.maximum(x, y); T.minimum(x, v); T.maximum(x, 1); x.maximum(y); x.minimum(v); x.minimum(2.); r.maximum(y); T.maximum(1, x); x.max(other=1)
z.double().clamp(v); z.double().clamp_min(x); z.double().clamp(v, zi); z.double().clamp(v, z.double()); i.clamp(z, z.double()); zi.clamp(v, d[0]); i.clamp(zi, z)
i.div_(2); r.div(y, rounding_mode='floor'); r.max(y); r.clamp(y); r.clamp_min(y); r.__rsub__(y); r.min(y)
""")

GRADIENTS = programs("""
y.requires_grad_(); r.clamp(y, y + 1).backward(c[0, :2, :3]); out = r.grad, y.grad

y.requires_grad_(); r.clamp(y + 1, y).backward(c[0, :2, :3]); out = r.grad, y.grad

v.requires_grad_(); r.clamp(max=v).backward(c[0, :2, :3]); out = r.grad, v.grad

z.requires_grad_(); r.clamp(z).backward(c[0, :2, :3]); out = r.grad, z.grad

v.requires_grad_(); r.clamp_min(v).backward(c[0, :2, :3]); out = r.grad, v.grad

v.requires_grad_(); q.clamp_(v); q.backward(c[0, :2, :3]); out = r.grad, v.grad

v.requires_grad_(); q.clamp_(T.zeros(3), v); q.backward(c[0, :2, :3]); out = r.grad, v.grad, q

v.requires_grad_(); T.max(r, v).backward(c[0, :2, :3]); out = r.grad, v.grad

r.max(r.detach()).sum().backward(); r.min(z).sum().backward(); out = r.grad

d.requires_grad_(); r.max(d).sum().backward(); out = r.grad, d.grad

r.div(y, rounding_mode='trunc').sum().backward(); out = r.grad
""")


@pytest.mark.parametrize("code", VALUES)
def test_values(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", GRADIENTS)
def test_gradients(code: str) -> None:
    agree(code)


@pytest.mark.parametrize(
    ("low", "high"), [(cnn_mnist.ones(1), 2), (2, cnn_mnist.tensor(1.0, requires_grad=True))]
)
def test_tensors_that_are_no_numbers_beside_a_number(low: Any, high: Any) -> None:
    with pytest.raises(TypeError, match="must be a number, or each bound a Tensor, not Tensor$"):
        cnn_mnist.ones(2).clamp(low, high)


@pytest.mark.parametrize("size", [1, 3, 8, 17])
@pytest.mark.parametrize(
    "clamped", ["clamp(0, 1)", "clamp_min(0)", "clamp_min(-0.)", "clamp(max=0)"]
)
def test_zeros_keep_their_sign(size: int, clamped: str) -> None:
    agree(f"1 / T.tensor([-0., 0., -1.] * {size}).{clamped}")
    agree(f"1 / T.zeros({size}).{clamped}")
    agree(f"1 / (-T.zeros({size})).{clamped}")
