"""What works but is deprecated, or rarely what is meant, warns as torch does; the rest does not."""

import warnings
from collections.abc import Iterator

import pytest
import torch
from both import PACKAGES, SETUP, cases

WARN = cases("""
T.zeros(0, 3).var(0); T.zeros(1).std(); x.var(0, correction=2); x[:1].std(0); z.var(); e.std(1, correction=0)
v.T; z.T; z.mT; c.T; T.tensor(x); T.tensor(r); x[[[0, 1], [1, 2]]]; q.grad; T.tensor([1, 0])[u[1, :2]]; F.softmax(v)
float(q.sum()); "%.2f" % q.mean(); complex(r[0, 0]); T.tensor([q.sum()])
x.add(2, x); x.add_(2, x); x.sub(2, x); x.sub_(2, x); T.add(x, 2, x)
""")
SILENT = cases("""
x.T; x.var(); x.var(correction=0); T.tensor(v.tolist()); T.tensor(v.numpy()); T.Tensor(v); T.as_tensor(x); float(x.sum()); int(q.sum())
q.sum().item(); f'{q.sum():.2f}'; bool(q.sum()); q.tolist(); float(q.detach().sum()); [1, 2, 3][(q.sum() * 0).long()]; x[[0, 1], [1, 2]]; r.grad; x / 0; (-x).log(); (-x).sqrt(); T.tensor(1e300); e.mean(); e.mean(0); e.sum(); x.copy_(d); i.__setitem__(0, x[0] / 0)
""")


@pytest.fixture(autouse=True)
def every_time() -> Iterator[None]:
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def _warnings(code: str) -> list[list[type[Warning]]]:
    """The categories that each package warns with."""
    found = []
    for package, functional in PACKAGES:
        names = {"T": package, "F": functional}
        exec("import numpy as np\n" + SETUP, names)  # noqa: S102
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            eval(code, names)
        found.append([each.category for each in caught])
    return found


@pytest.mark.parametrize("code", WARN + SILENT)
def test_warnings(code: str) -> None:
    theirs, ours = _warnings(code)
    assert ours == theirs == [UserWarning] * (code in WARN)
