"""Changes in place and the rules of leaves, as in torch."""

import pytest
from both import agree, cases, programs

GRADIENT_FLAGS = cases("""
r.grad; r.grad_fn; r.is_leaf; q.is_leaf; q.requires_grad; r.requires_grad; x.requires_grad
q.detach().requires_grad; i.requires_grad_(); x.requires_grad_().requires_grad
q.requires_grad_(False); q.requires_grad_(); r.data.requires_grad; r.detach().requires_grad
q.sum().backward(); q.backward(); x.sum().backward(); q.backward(x); q.backward(v)
r.sum().backward('a'); r.sum().backward(1.5); r.sum().backward([1.]); r.sum().backward(True)
i.sum().backward(); r.sum().backward(T.tensor(2.)); q.backward(T.ones(2, 3).double())
(r*0).sum().backward(); q.retain_grad(); x.retain_grad(); r.grad_fn is None; q.data.is_leaf
""")

IN_PLACE = cases("""
r.add_(1); r.zero_(); r.mul_(2); r[0].add_(1); q.add_(1); q.mul_(2); q.zero_(); q[0].zero_()
x.add_(1); x.add_(y); x.sub_(y); x.mul_(2); x.div_(2); x.add_(y, alpha=2); x.sub_(y, alpha=.5)
i.add_(1); i.add_(1.5); i.div_(2); i.mul_(2); x.add_(T.ones(3, 2, 3)); x.add_(v); v.add_(x)
x.add_(i); x.add_(d); u.add_(1); u.add_(i); b.add_(1); b.mul_(True); x.zero_(); x.fill_(3)
x.copy_(other=y); x.copy_(src=y); F.one_hot(input=i); i.fill_(2.7); x.fill_(z); x.fill_(v); x.copy_(y); x.copy_(v); x.copy_(i); i.copy_(x)
v.copy_(x); x.copy_([1]); x.clamp_(0); x.clamp_(0, 1); x.relu_(); r.relu_(); q.relu_()
z.add_(1); z.add_(x); x.T.add_(1); x[0].mul_(5); v.expand(2, 3).add_(1); q.clamp_(0)
i.bitwise_and_(3); i.bitwise_or_(k); b.bitwise_xor_(b); i.bitwise_left_shift_(1); i.bitwise_right_shift_(k); i.bitwise_left_shift(k); i.bitwise_right_shift(1); x.bitwise_and_(1)
x.fill_('a'); x.add_('a'); x.add_(None); x.copy_(2.5); i.copy_(True); x.copy_('a')
""")


PARTS = programs("""
q[[0, 1]] = 5; out = q

q[q > 0] = x[x > 0]; out = q

q[0, [1, 2]] = 3; out = q

q[:, [1]] = 3; out = q

w = q[0]; w[[1, 2]] = 0; out = q, w

w = T.ones(3).expand(2, 3); w.zero_(); out = w

w = T.ones(3).expand(2, 3); w.fill_(2); out = w

w = T.ones(3).expand(2, 3); w[0] = v; out = w

w = T.ones(3).expand(2, 3); w[0] += 1; out = w

w = T.ones(3).expand(2, 3); w[w > 0] = 4; out = w

w = T.ones(3).expand(2, 3); w[:] = 5

w = T.ones(3).expand(2, 3); w[:] = v

w = T.ones(3).expand(2, 3); w.copy_(x)

w = T.ones(3).expand(2, 3); w.uniform_()

w = T.ones(0, 1).expand(0, 4); w += 1; out = w

x[k[1:]] = T.ones(2, 3).double()

x[:, k] = zi

x[b] = T.ones(3).long()

x[b] = zi; out = x

x[b[:, 0]] = T.ones(1).double(); out = x

x[0] = T.ones(3).double(); out = x

i[1:] = z; out = i

u[0] = 300

u[0] = -1.5

u[u > 2] = -1; out = u

u[[0]] = 256

u.fill_(300)

u.fill_(-1); out = u

i.fill_(float("nan"))

i[0] = 1e30

i[0, 0] = 2**63

i[:] = -2.7; out = i

b.pow_(True); out = b

b.pow_(b)
""")


@pytest.mark.parametrize("code", GRADIENT_FLAGS)
def test_gradient_flags(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", IN_PLACE)
def test_in_place(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", PARTS)
def test_parts_and_expanded_memory(code: str) -> None:
    agree(code)
