"""float32 results are as close to float64 as torch's float32 results, on every path."""

from collections import defaultdict

import numpy as np
import pytest
from benchmarks import accuracy

SHAPES = [
    (512, 50, 10),
    (16, 128, 10),
    (1, 784, 50),
    (64, 784, 50),
    (153, 784, 1),
    (153, 7, 1),
    (33, 17, 65),
    (100, 128, 64),
]


@pytest.fixture
def errors(isa: str) -> list[accuracy.Error]:
    return [e for case in accuracy.cases(32, [10, 300], SHAPES) for e in accuracy.measure(case)]


def test_as_close_as_torch(errors):
    """In the mean over all inputs of a function, and with no single element far off.

    Below 0.29 the RMS is that of rounding the right result, and chance decides: 0.1 of it is
    allowed for. The largest error of some thousands varies far more than their RMS does, and a mean
    loss is a single number: half as much again, and one rounding to the result.
    """
    groups = defaultdict(list)
    for each in errors:
        groups[each.function, each.result].append(each)
        assert each.largest <= 1.5 * each.torch_largest + 0.75, each
    for key, group in groups.items():
        ours, theirs = (np.mean([e[i] for e in group]) for i in (3, 5))
        assert ours <= theirs + 0.1, (key, ours, theirs)


def test_the_page_is_made_of_its_markers(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{accuracy.BEGIN}\nold\n{accuracy.END}\nafter\n")
    monkeypatch.setattr(accuracy, "PAGE", page)
    monkeypatch.setattr(accuracy, "cases", lambda *_: iter(()))
    accuracy.main()
    text = page.read_text()
    assert text.startswith(f"before\n{accuracy.BEGIN}\n") and "| function |" in text
    assert text.endswith(f"{accuracy.END}\nafter\n") and "old" not in text
