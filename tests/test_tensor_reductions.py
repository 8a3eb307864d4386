"""Sums, means, extremes, softmax along dimensions: values, types and errors are torch's."""

import pytest
from both import agree, cases

SUMS_AND_MEANS = cases("""
x.sum(); x.sum(0); x.sum(1); x.sum(-1); x.sum(dim=1); x.sum(dim=1, keepdim=True); x.sum((0, 1))
x.sum([0, 1], keepdim=True); x.sum(2); x.sum(-3); x.sum(2**63); x.argmax(-2**70); x.max(2**70); x.softmax(2**64); T.stack([x], 2**63); x.sum(()); x.sum(1, True)
x.sum(dtype=T.float64); i.sum(); i.sum(1); i.sum(0).dtype; u.sum(); b.sum(); b.sum(0); e.sum()
e.sum(0); e.sum(1); z.sum(); z.sum(0); z.sum(-1); z.sum(1); i.sum(dtype=T.float32)
x.sum((0, 0)); x.sum('a'); x.sum(1.0); b.sum(dtype=T.bool); x.sum(axis=1)
x.sum(axis=1, keepdims=True); x.sum(None)
x.mean(); x.mean(0); x.mean(1, True); x.mean((0, 1)); i.mean(); b.mean(); u.mean()
i.mean(dtype=T.float32); e.mean(); e.mean(0); e.mean(1); z.mean(); x.mean(dim=-1, keepdim=True)
x.mean(5); d.mean(); i.float().mean()
x.std(); x.std(0); x.std(1); x.std(unbiased=False); x.std(1, False); x.std(False); x.var()
x.var(0, keepdim=True); x.var(unbiased=False); x.std(correction=0); z.std(); T.ones(1).std()
i.std(); e.std(); x.std((0, 1)); x.var(1, True, True); d.std(); x.std(dim=1, correction=2)
x.sum(0, keepdim=1); x.sum(0, None); x.sum(0, keepdim='a'); x.mean(1, 0); x.std(0, None); x.std(unbiased=0); x.var(0, True, 1); x.var(0, np.bool_(True)); x.sum(axis=0, keepdims=1)
r.sum(dtype=T.int64); r.sum(0, dtype=T.bool); r.detach().sum(dtype=T.int64); r.sum(dtype=T.float64)
""")

EXTREMES = cases("""
x.max(); x.min(); x.max(0); x.max(1); x.min(1); x.max(-1); x.max(dim=1, keepdim=True)
x.max(1)[0]; x.max(1).values; x.max(1).indices; x.max(0)[1]; i.max(); i.max(1); b.max()
b.max(0); u.max(); n.max(); n.max(0); n.min(1); n.min(); e.max(); e.max(0); e.max(1); z.max()
z.max(0); z.max(-1); x.max(2); x.max(dim=0).indices.dtype; T.ones(2, 2).max(1)
T.ones(2, 2).max(0, keepdim=True)[1]; T.max(x); T.max(x, 1); T.max(x, dim=0)
x.argmax(); x.argmax(0); x.argmax(1); x.argmax(-1); x.argmax(dim=1, keepdim=True); x.argmin()
x.argmin(1); i.argmax(); b.argmax(); u.argmax(); n.argmax(); n.argmax(0); n.argmax(1)
n.argmin(1); e.argmax(); e.argmax(0); e.argmax(1); z.argmax(); z.argmax(0); z.argmax(1)
x.argmax(3); T.argmax(x, dim=1); T.argmax(x, dim=1, keepdim=True); T.ones(3).argmax()
x.argmax(keepdim=True); x.max(keepdim=True); x.min(keepdim=True); x.max(y, dim=0); x.max(0, dim=0); x.max(0, 1); x.min(1, keepdim=None); x.argmax(0, 1); x.argmin(keepdim=1); x.argmax(1, 0); x.argmax(1, None); x.mean(None, 0); x.mean(keepdim=0)
""")

TRUTH = cases("""
x.all(()); x.any([]); u.all(()); x.any((), keepdim=True)
x.all(); x.any(); b.all(); b.any(); b.all(1); b.any(0); b.any(dim=1, keepdim=True); u.all()
u.any(0); i.all(); e.all(); e.any(); e.all(0); z.any(); b.all(2); x.isnan(); n.isnan()
n.isinf(); n.isfinite(); i.isnan(); x.equal(y); T.equal(x, x); T.equal(x, v); T.equal(i, i)
T.equal(x, d); T.allclose(x, x); T.allclose(x, x+1e-9); T.allclose(x, y); T.allclose(x, d)
T.allclose(n, n); T.equal(x, 1.5); T.equal(x, None); T.allclose(x, 1.); T.allclose(x, [1.])
T.allclose(n, n, equal_nan=True); T.allclose(x, v); x.all(0, 1); x.any(keepdim='a')
""")

SOFTMAX_FAMILY = cases("""
x.softmax(1); x.softmax(0); x.softmax(-1); x.softmax(dim=1); x.log_softmax(1)
x.log_softmax(dim=0); x.logsumexp(1); x.logsumexp((0, 1)); x.logsumexp(1, keepdim=True)
i.logsumexp(1); i.softmax(1); i.softmax(1, dtype=T.float32); i.softmax(0)
x.softmax(1, dtype=T.float64); T.softmax(x, 1); T.log_softmax(x, dim=1); T.logsumexp(x, 1)
z.softmax(0); z.log_softmax(-1); z.logsumexp(0); e.softmax(1); e.softmax(0); e.logsumexp(0)
e.logsumexp(1); x.softmax(2); x.softmax(); T.softmax(x, dim=None); x.logsumexp(1, 1)
""")


@pytest.mark.parametrize("code", SUMS_AND_MEANS)
def test_sums_and_means(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", EXTREMES)
def test_extremes(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", TRUTH)
def test_truth(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", SOFTMAX_FAMILY)
def test_softmax_family(code: str) -> None:
    agree(code)
