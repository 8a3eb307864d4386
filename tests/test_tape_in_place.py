"""Changes in place under recording: what torch allows, counts, refuses and differentiates."""

from operator import setitem

import pytest
from both import agree, programs

import cnn_mnist

RECORDED = programs("""
a = T.ones(3, requires_grad=True); p = a*2; q2 = p*p; p.add_(1); q2.sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; q2 = p+p; p.add_(1); q2.sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); p = a.exp(); p.add_(1); p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a.exp(); p.add_(1); out = p.sum()

a = T.ones(3, requires_grad=True); p = a*2; p.mul_(3); p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p.mul_(p); p.sum().backward(); out = a.grad

a = T.ones(2, requires_grad=True); p = a*2; p.retain_grad(); p *= 3; p.sum().backward()
out = (a.grad, p.grad, p.retains_grad)

a = T.ones(2, requires_grad=True); p = a*2; p.retain_grad(); p[0] = 3; p.sum().backward()
out = (a.grad, p.grad)

a = T.ones(2, requires_grad=True); p = a*2; s = p[0]; p.retain_grad(); s *= 3; p.sum().backward()
out = (a.grad, p.grad)

a = T.ones(2, requires_grad=True); p = a*2; p.retain_grad(); p.zero_(); p.sum().backward()
out = (a.grad, p.grad)

a = T.ones(2, requires_grad=True); p = a*2; s = p[:1]; s.retain_grad(); p *= 3
(s.sum() + p.sum()).backward(); out = (a.grad, s.grad)

a = T.ones(3, requires_grad=True); p = a*2; p.mul_(a); p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p[0] = 5; p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p[0] = a[1]; p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p[0] = a[1]*a[2]; (p*p).sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p[[0, 1]] = 7.; (p*p).sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p[p>1] = 0; p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p[0] += 1; (p*p).sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p[0] *= 3; (p*p).sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; s = p[:2]; s.mul_(3); (p*p).sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; s = p[:2]; p.mul_(3); (s*s).sum().backward()
out = (a.grad, s.grad_fn is None)

a = T.ones(2, 3, requires_grad=True); p = a*2; s = p.T[0]; s.mul_(3); (p*p).sum().backward()
out = (a.grad, p)

a = T.ones(2, 3, requires_grad=True); p = a*2; s = p.view(-1)[2:]; s.zero_()
(p*p).sum().backward(); out = (a.grad, p)

t = T.Tensor(x); t[0] = 7; t += 1; out = x, t, t._version, x._version

t = T.Tensor(q); t.mul_(x); q.sum().backward(); out = q, t, r.grad

q[:] = 2; out = q

q[:] = x; (q * q).sum().backward(); out = q, r.grad

q[...] = z; out = q

q[:, :] = x[:1]; q[0:2] = r[0]; q.sum().backward(); out = q, r.grad

x[...] = r; x[:] *= v; x.sum().backward(); out = x, r.grad

q = r.sum(); q[()] = 2; out = q

q[0:2, 0:] = T.tensor(3); out = q

q[0:1] = T.tensor(3); out = q

a = T.ones(3, requires_grad=True); o = T.zeros(2, 3); o[0] = a; o[1] = a*2
(o*o).sum().backward(); out = (a.grad, o.requires_grad, o.is_leaf)

a = T.ones(3, requires_grad=True); o = T.zeros(2, 3); o[0].copy_(a); o[1].copy_(a*2)
(o*o).sum().backward(); out = (a.grad, o.requires_grad)

a = T.ones(3, requires_grad=True); o = T.zeros(2, 3); row = o[0]; row += a
(o*o).sum().backward(); out = (a.grad, row.requires_grad, o)

a = T.ones(3, requires_grad=True); o = T.zeros(3); o.add_(a); o.mul_(2); o.sum().backward()
out = (a.grad, o)

a = T.ones(3, requires_grad=True); o = T.zeros(3); o.fill_(a[0]); o.sum().backward()
out = (a.grad, o)

a = T.ones(3, requires_grad=True); p = a*2; p.fill_(1); p.sum().backward()
out = (a.grad, p)

a = T.ones(3, requires_grad=True); p = a*2; p.zero_(); p.sum().backward(); out = (a.grad, p)

a = T.ones(3, requires_grad=True); p = a*2; p.uniform_(0, 0); p.sum().backward()
out = (a.grad, p)

a = T.ones(3, requires_grad=True); a[0] = 2; out = a

a = T.ones(3, requires_grad=True); a.view(-1)[0]=2; out = a

a = T.ones(3, requires_grad=True)
with T.no_grad():
    a[0] = 5; a.mul_(2); a -= 1; a[1:] *= 3
out = (a, a.requires_grad, a.is_leaf)

a = T.ones(3, requires_grad=True); p = a*a
with T.no_grad():
    a.add_(1)
p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*a
with T.no_grad():
    a.data.add_(1)
p.sum().backward(); out = a.grad

a = T.ones(3, requires_grad=True); p = a*a; a.detach().add_(1); p.sum().backward()
out = a.grad

a = T.ones(3, requires_grad=True); p = a*2; p.detach().zero_(); p.sum().backward()
out = (a.grad, p)

a = T.ones(3, requires_grad=True); p = a.detach(); p += 1; out = a

a = T.ones(3); p = a.view(3, 1); p.add_(1); out = a

a = T.ones(2, requires_grad=True); a += 1

a = T.ones(2, requires_grad=True); p = a*2; p += 1; p *= p+1; p.sum().backward()
out = (p, a.grad)

a = T.ones(2, 3, requires_grad=True); rows = [t.sum() for t in a]
T.stack(rows)[1].backward(); out = a.grad

a = T.ones(2, requires_grad=True); p = a.exp(); l = p.sum(); p.data.zero_(); l.backward()
out = a.grad

a = T.ones(2, requires_grad=True); p = a*1; p.add_(a); p.sub_(a*2); p.div_(a+1)
p.sum().backward(); out = (a.grad, p)

a = T.ones(2, requires_grad=True); p = a.log_softmax(0); p += 1; p.sum().backward()
""")

ASSIGNED = programs("""
a = np.ones(3, 'f4'); t = T.from_numpy(a); t += 1; a[0] = 9; out = (t, a)

a = np.ones(3, 'f4'); t = T.tensor(a); t += 1; out = a

a = np.ones(3, 'f4'); t = T.as_tensor(a); t += 1; out = a

x2 = T.ones(2, 3); x2[0] = T.tensor([1., 2., 3.]); x2[:, 1] = 9; x2[1, 2] = 5; x2[x2>8] = 0
x2[[0, 1], [0, 2]] = T.tensor([7., 8.]); x2[:, None] = x2[:, None]*2; out = x2

x2 = T.ones(2, 3); x2[0] = T.ones(2)

x2 = T.ones(2, 3); x2[5] = 1

x2 = T.ones(2, 3); x2[0] = [1., 2., 3.]

x2 = T.ones(2, 3); x2[0] = 'a'

x2 = T.ones(2, 3); x2[0] = None

x2 = T.ones(2, 3).long(); x2[0] = 1.7; out = x2

x2 = T.ones(2, 3); x2[0] = T.ones(1, 3)*2; out = x2

x2 = T.ones(2, 3); x2[0] = T.ones(1, 1, 3)*2; out = x2

x2 = T.ones(2, 3); x2[...] = 5; x2[None, 0] = 1; out = x2

x2 = T.ones(2, 3); x2[:] = T.arange(3); out = x2

x2 = T.ones(2, 3); x2[0, 0] = T.tensor(5); x2[1][2] = 4; out = x2

x2 = T.ones(2, 3); x2[True] = 4; out = x2

x2 = T.ones(2, 3); x2[T.tensor([True, False])]=T.zeros(1, 3); out = x2

x2 = T.ones(2, 3); x2[T.tensor([True, False])]=T.zeros(2, 3)

a = T.tensor(1.); a += 2; a *= 3; a -= 1; a /= 2; out = a

a = T.arange(4); a += 2; a *= 3; a -= 1; a //= 2; a %= 3; out = a

a = T.arange(4); a /= 2

a = T.arange(4.); a **= 2; out = a

a = T.tensor([True, False]); a &= T.tensor([True, True]); a |= True; out = a
""")


# views made before the base, or another view, was told to require grad
EARLIER_VIEWS = [
    f"s = T.tensor([2.], requires_grad=True); w = T.tensor([1., 2., 3.]); {view}; {told}; {change}; "
    "(w * 2).sum().backward() if w.requires_grad else None; out = w, w.grad if w.is_leaf else 0"
    for view in ("p = w[0:2]", "p = w.view(3, 1)", "p = w[0:2][1:]", "p = w[1]", "p = w.detach()[1:]")
    for told in (
        "w.requires_grad_()", "p.requires_grad_()", "w.requires_grad_(); p.requires_grad_()",
        "w.requires_grad_(); w.requires_grad_(False)", "p.requires_grad_(); p = w[0:1]",
    )
    for change in (
        "p.add_(1)", "p += s[0]", "p[...] = 1", "p[...] = s[0]", "p.zero_()", "w.add_(1)", "w *= s",
        "k = p[None]; k.add_(1)", "k = p[None]; k += s[0]", "k = w[0:1]; k += s", "k = p * 1; k += 1",
    )
]  # fmt: skip


# rows of an iteration, and views made under no_grad, must not change under recording
FIXED_VIEWS = [
    f"w = T.ones(2, 3, requires_grad=True); s = T.ones(3, requires_grad=True); {base}; {view}; {change}"
    "\nout = y, y.requires_grad; (y * y).sum().backward() if y.requires_grad else None; out = out, w.grad, s.grad"
    for base in ("y = w * 1", "y = T.ones(2, 3)")
    for view in (
        "p, q = y", "p, q = y; p = p.view(3)", "p, q = y.t()[:, :2].t()",
        "no = T.no_grad(); no.__enter__(); p = y[0]; no.__exit__(None, None, None)",
        "no = T.no_grad(); no.__enter__(); p = y.t(); no.__exit__(None, None, None); p = p[:, 1]",
    )
    for change in (
        "p.add_(1)", "p += s", "p[0] = 2", "p[:] = s", "p.zero_()", "p[:2].mul_(s[0])", "p = p + s; p += 1",
        "p = p.detach(); p += 1", "y += s; y = y * p.requires_grad", "y += s; y = y * p", "y[1] = s; y = y + p[0]",
        "\nwith T.no_grad(): p *= 2",
    )
]  # fmt: skip


@pytest.mark.parametrize("code", FIXED_VIEWS)
def test_fixed_views(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", EARLIER_VIEWS)
def test_earlier_views(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", RECORDED)
def test_recorded(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", ASSIGNED)
def test_assigned(code: str) -> None:
    agree(code)


def test_views_of_views_are_not_nested_calls() -> None:
    deep = "for _ in range(3000): p = p[:]"
    agree(f"w = r * 1; p = w; {deep}\np += 1; out = (w * w).sum(); out.backward(); out = r.grad")
    agree(
        f"w = x.clone(); p = w; {deep}\np *= z.requires_grad_(); (w * w).sum().backward(); out = z.grad"
    )
    agree(f"w = r * 1; p = w; {deep}\nw *= 2; (p * p).sum().backward(); out = r.grad")


@pytest.mark.parametrize(
    "change",
    [
        lambda v, w: setitem(v, 0, 3.5),
        lambda v, w: setitem(v, 0, w * 2),
        lambda v, w: setitem(v.t(), (slice(None), 0), 2),
    ],
)
def test_parts_of_an_expanded_view_do_not_change_under_recording(change):
    w = cnn_mnist.ones(3, requires_grad=True)
    v = (w * 1).expand(2, 3)
    with pytest.raises(RuntimeError, match=r"refers to a single memory location.*clone"):
        change(v, w)
    with cnn_mnist.no_grad():
        v[0] = 3.5
    assert v.tolist() == [[3.5] * 3] * 2
