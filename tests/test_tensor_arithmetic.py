"""Operators, comparisons and functions of one element give what torch gives."""

import pytest
from both import agree, cases

OPERATORS = cases("""
x+y; x-y; x*y; x/y; x@y.T; x+1; 1+x; x-1; 1-x; x*2.5; 2.5*x; x/2; 2/x; x**2; 2**x; x**0.5
y**x; -x; +x; abs(x); x//2; 5//x; 5%x; i//2; i%2; -i//2; -i%4
i+1; i+1.5; i*2; i/2; i/i; i**2; i**0.5; 2**i; i-1.5; i+True; b+1; b+b; b*b; b+1.5; b-b; -b
b*2.5; u+1; u+300; u*-1; u+i; u+1.5; u/2; u-u; -u; u*u; u//2; u+True
x+d; d+x; x*i; i*x; x+z; i+z; i+zi; x+zi; u+zi; d+z; z+d; z+zi; z*2; zi*2; zi/2; zi+2.5; u*z
b*z; b+zi; z+1; zi+1
x+v; v+x; x+T.ones(2); x*T.ones(3, 1); x+T.ones(2, 1); x-T.ones(4); T.ones(2, 1)*T.ones(1, 3);
x@y
x@v; v@v; v@x.T; x@T.ones(2); v@T.ones(2); x@i; x@d; z@x; c@T.ones(4); c@T.ones(4, 2)
c@T.ones(2, 4, 5); c@T.ones(3, 4, 5); v@c; T.ones(3)@c; i@i.T; i@k
b@b.T; u**-1; u**-1.; b**-1; x-b; b-x; True-x; x-True; 0*d%-y; r%y; r%2; r//2; 2%r; b//b; b%b
b**b; b**True; b**False; True**b; b**2; 2**b; b@z; z@b
""")

COMPARISONS = cases("""
x==y; x==1.5; x==None; x!=None; x!='a'; x=='a'; x<y; x<=0; x>0; x>=i; i==i; i<2.5; 1<x; 0>=x
b==b; b&b; b|~b; b^b; ~b; ~i; ~x; i&3; i|8; i^i; x&x; x<'a'; x==d; u==255; u<300; x.eq(y)
x.ne(y); x.lt(0); x.le(0); x.gt(0); x.ge(0); x.bitwise_not(); b.bitwise_not(); u.bitwise_not()
""")

ELEMENTWISE = cases("""
x.exp(); x.abs().log(); x.log(); x.abs().sqrt(); x.sqrt(); x.abs(); i.exp(); i.log(); i.sqrt()
i.abs(); b.exp(); b.abs(); u.abs(); u.exp(); x.relu(); i.relu(); b.relu(); n.relu()
x.clamp(0); x.clamp(-1, 1); x.clamp(max=1); x.clamp(min=1, max=0); x.clamp_min(0.)
x.clamp_min(0); i.clamp(2); i.clamp(2, 4); i.clamp(2.5); i.clamp_min(2); x.clamp()
n.clamp(0, 2); T.exp(x); T.log(x); T.abs(x); T.relu(x); x.clamp(v); z.exp(); e.exp(); d.exp()
x.clamp(0.5); u.clamp(3); b.clamp(0); b.clamp(0, .5); b.clamp(True)
""")


@pytest.mark.parametrize("code", OPERATORS)
def test_operators(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", COMPARISONS)
def test_comparisons(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", ELEMENTWISE)
def test_elementwise(code: str) -> None:
    agree(code)


# bad operands: the types of errors, and the order in which they are found ----------------------
OPERATORS_OF_TWO = ("|", "&", "^", "<<", ">>", "//", "%", "@", "+", "-", "*", "/", "**", "==", "<")
OPERANDS = cases("x; i; b; u; z; k; e; r")
OTHERS = cases("None; 'a'; [1, 2, 3]; object(); True; 2; 2.5; 300; np.float32(2)")
MINE = """
class Mine:
    def __radd__(self, other): return "mine"
    __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = __rmatmul__ = __radd__
    __ror__ = __rand__ = __rxor__ = __rlshift__ = __rrshift__ = __eq__ = __gt__ = __radd__
"""


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("operator", OPERATORS_OF_TWO)
def test_an_operator_and_any_two_operands(operator: str, operand: str) -> None:
    for other in (*OPERANDS, *OTHERS, "Mine()"):
        agree(f"{MINE}\nout = ({operand}) {operator} ({other})")
    for other in OTHERS:
        agree(f"({other}) {operator} ({operand})")


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("operator", OPERATORS_OF_TWO[:-2])
def test_an_operator_in_place_and_any_operand(operator: str, operand: str) -> None:
    for other in (*OPERANDS, *OTHERS, "Mine()"):
        agree(f"{MINE}\nt = {operand}; out = t; out {operator}= ({other})\nif out is not t: t = 0")


@pytest.mark.parametrize("operand", OPERANDS)
def test_signs_and_not(operand: str) -> None:
    for operator in ("~", "-", "+", "abs"):
        agree(f"{operator}({operand})")


def test_bits_in_place_reach_the_views() -> None:
    for operator in ("|", "&", "^", "<<", ">>"):
        agree(f"v = i[0]; w = i; i {operator}= 2; out = v, i is w")
        agree(f"v = i[:, 1]; v {operator}= i[:, 0]; out = i, v")
