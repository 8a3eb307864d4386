"""Python numbers at the edge of what an element type holds: where torch raises, where it wraps."""

import itertools

import pytest
from both import agree, cases

# the first is float32's largest, and the next one would be rounded to it
NUMBERS = cases("""
3.4028234663852886e38; 3.402823466385289e38; -1e39; float('inf'); float('nan'); 300; -1; -2.7
2**53 + 1; 2**64; np.float64(1e39); np.int64(300)
""")
TYPES = ("float32", "int64", "uint8", "bool")
WHERE_IT_MUST_FIT = cases("""
t[0] = N; t[...] = N; t[t == 1] = N; t[[0, 1]] = N; t.fill_(N); out = t.clamp(N); out = t.clamp(max=N)
t.clamp_(N); out = t.clamp_min(N); out = T.tensor(N, dtype=t.dtype); t.add_(t.clone(), alpha=N)
""")
# as an operand: integers wrap around, floats become infinite
OPERANDS = cases("""
out = t + N; out = N - t; out = t * N; out = t / N; out = t == N; out = t < N; out = t & N; t.add_(N)
t.mul_(N); t.copy_(N)
""")


def _codes(statements: list[str]) -> list[str]:
    return [
        f"t = T.ones(3, dtype=T.{kind}); out = t; {statement.replace('N', number)}"
        for statement, number, kind in itertools.product(statements, NUMBERS, TYPES)
    ]


def _undefined(code: str) -> bool:
    """What is left to the processor: floats that an integer type does not reach."""
    integers = any(f"T.{kind})" in code for kind in TYPES[1:3])
    return "copy_" in code and integers and any(each in code for each in ("e3", "inf", "nan"))


@pytest.mark.parametrize("statement", WHERE_IT_MUST_FIT)
def test_a_number_that_an_element_cannot_hold_raises(statement: str) -> None:
    for code in _codes([statement]):
        agree(code)


@pytest.mark.parametrize("statement", OPERANDS)
def test_operands_wrap_around_or_become_infinite(statement: str) -> None:
    for code in _codes([statement]):
        if not _undefined(code):
            agree(code)


ALPHA = cases("""
x.add(y, alpha=2); x.sub(y, alpha=.5); i.add(i, alpha=1.5); i.sub(i, alpha=3); x.add(2, alpha=3)
u.add(u, alpha=300); u.add(u, alpha=-1); b.add(b, alpha=2); b.sub(b, alpha=2); x.add(i, alpha=1.5)
i.add(x, alpha=1.5); i.add(1, alpha=1.5); i.add(1.5, alpha=1.5); x.add(v, alpha=2); v.add(x, alpha=2)
x.add(x, alpha=True); i.add(i, alpha=True); b.add(b, alpha=True); b.add(x, alpha=False); x.sub(x, alpha=True); b.add(True, alpha=True)
T.add(x, y, alpha=2); T.sub(x, y, alpha=.5); T.add(x, 2); T.add(1, x); T.sub(2., x); T.add(1, i, alpha=3); T.add([1], x); T.add('a', x); T.add(True, r); T.sub(r, v); T.add(x, other=y); T.sub(b, b)
T.add(2, 3); T.add(2., 3); T.sub(2, 3.5, alpha=2); T.add(True, 2); T.add(np.float32(2), 3); T.sub(True, True)
x.add(2, y); x.add_(-.5, y); x.sub(2, y); x.sub_(.5, y); T.add(x, 2, y); T.sub(x, .5, r); x.add(2, 3); x.add(y, 2); x.add(2, y, alpha=3); x.add_(1, y, 2); i.add_(.5, i); x.add('a', y); x.add(None, y)
T.add(np.float64(.5), i); T.sub(np.float64(.5), i); T.add(np.float32(.5), b); T.add(np.int64(2), u); q.add(x, alpha=2); q.sub(q, alpha=3); x.add(T.ones(2), alpha=2); x.add('a', alpha=2)
i.add(u, alpha=2); i.sub(u, alpha=3); i.add_(u, alpha=2); T.add(i, u, alpha=2); i.add(b, alpha=3); x.sub(b, alpha=1.5); z.add(d, alpha=3); x.add(z.double(), alpha=3)
(d.add(x / 3, alpha=3) - d - (x / 3).double() * 3) * 1e9
i.add_(i, alpha=True); i.add_(1, alpha=True); x.sub_(1, alpha=True); b.add_(b, alpha=True); x.sub_(b, alpha=.5); i.sub_(True, alpha=2); b.sub_(i, alpha=2); i.sub_(2, alpha=1.); i.add_(i, alpha=.5)
i.add(i, alpha=1.); i.sub(i, alpha=1.); b.add(b, alpha=1.); x.sub(x, alpha=1.); i.add(i, alpha=np.float32(1)); i.add(i, alpha=np.int64(1)); x.add(2, alpha=T.tensor(1))
i.add_(2, alpha=T.tensor(1.)); x.add_(2, alpha=T.tensor(2)); i.add(2, alpha='a'); x.sub_(2, alpha=None); x.add(x, alpha=[1]); q.sub_(x, alpha=1.)
""")


@pytest.mark.parametrize("code", ALPHA)
def test_sums_with_a_factor(code: str) -> None:
    agree(code)


def test_a_number_that_does_not_fit_changes_nothing() -> None:
    agree("""
t = T.ones(3)
for change in (lambda: t.__setitem__(0, 1e39), lambda: t.fill_(1e39), lambda: t.clamp_(1e39)):
    try:
        change()
    except RuntimeError:
        pass
out = t
""")
