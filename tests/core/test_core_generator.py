"""Generator against torch.Generator: the same bits, states and errors."""

import itertools
import random
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from cnn_mnist import _core

SEEDS = [0, 1, 42, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**63)]


def pair(seed):
    return _core.Generator(seed), torch.Generator().manual_seed(seed)


def same_draws(ours, theirs, rng):
    """Draws once from both, in a random way, and compares."""
    n = rng.choice([0, 1, 2, 3, 311, 312, 623, 624, 625, rng.randrange(2000)])
    kind = rng.randrange(5)
    if kind == 0:
        low = rng.uniform(-3, 3)
        high = low + rng.uniform(0, 9)
        out = np.empty(n, rng.choice([np.float32, np.float64]))
        expected = torch.from_numpy(out.copy()).uniform_(low, high, generator=theirs)
        ours.uniform(out, low, high)
        np.testing.assert_array_equal(out, expected.numpy())
    elif kind == 1:
        expected = torch.randperm(n, generator=theirs)
        np.testing.assert_array_equal(ours.randperm(n), expected.numpy())
    elif kind == 2:
        low = rng.randrange(-(2**63), 2**63 - 1)
        width = rng.choice([1, 5, 2**28 - 1, 2**28, 2**28 + 1, 2**32, 2**40, 2**64])
        high = min(2**63 - 1, low + width)
        expected = torch.randint(low, high, (n,), generator=theirs)
        np.testing.assert_array_equal(ours.randint(n, low, high - 1), expected.numpy())
    elif kind == 3:
        expected = torch.empty((), dtype=torch.int64).random_(generator=theirs)
        assert ours.random_int63() == expected.item()
    else:
        a, b = ours.get_state(), theirs.get_state().numpy()
        np.testing.assert_array_equal(a[:5045], b[:5045])  # the rest is padding


@pytest.mark.parametrize("round_", range(20))
def test_streams_of_a_hundred_seeds(round_):
    rng = random.Random(round_)
    for _ in range(100):
        ours, theirs = pair(rng.choice([rng.randrange(-(2**63), 2**64), rng.randrange(1000)]))
        for _ in range(4):
            same_draws(ours, theirs, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_seed(seed):
    ours, theirs = pair(seed)
    assert ours.initial_seed() == theirs.initial_seed()
    assert ours.random_int63() == torch.empty((), dtype=torch.int64).random_(generator=theirs)
    ours.manual_seed(3)
    assert ours.initial_seed() == 3
    np.testing.assert_array_equal(ours.get_state(), _core.Generator(3).get_state())


def test_default_seed_is_torchs():
    assert _core.Generator().initial_seed() == torch.Generator().initial_seed()


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 1300])
def test_states_go_both_ways(drawn):
    ours, theirs = pair(7)
    ours.randint(drawn, 0, 9)
    torch.randint(0, 10, (drawn,), generator=theirs)
    from_ours = torch.Generator()
    from_ours.set_state(torch.from_numpy(ours.get_state()))
    from_theirs = _core.Generator()
    from_theirs.set_state(theirs.get_state().numpy())
    assert from_theirs.initial_seed() == 7
    expected = torch.randperm(1000, generator=theirs).numpy()
    np.testing.assert_array_equal(torch.randperm(1000, generator=from_ours).numpy(), expected)
    np.testing.assert_array_equal(from_theirs.randperm(1000), expected)
    np.testing.assert_array_equal(ours.randperm(1000), expected)


def test_torchs_cached_normal_sample_is_carried_along():
    theirs = torch.Generator().manual_seed(1)
    torch.empty(1, dtype=torch.float64).normal_(generator=theirs)
    ours = _core.Generator()
    ours.set_state(theirs.get_state().numpy())
    ours.randperm(10)
    torch.randperm(10, generator=theirs)
    back = torch.Generator()
    back.set_state(torch.from_numpy(ours.get_state()))
    a, b = (torch.empty(3, dtype=torch.float64).normal_(generator=g) for g in (back, theirs))
    assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize(
    "part", [np.s_[:], np.s_[::2], np.s_[:, ::2], np.s_[:, :, ::3], np.s_[:, :, :1], np.s_[1:2]]
)
def test_uniform_fills_in_the_order_of_memory(dtype, order, part):
    theirs = torch.zeros(6, 5, 4, dtype=dtype)
    ours = theirs.numpy().copy()
    theirs[part].permute(order).uniform_(-1, 3, generator=torch.Generator().manual_seed(3))
    _core.Generator(3).uniform(ours[part].transpose(order), -1, 3)
    np.testing.assert_array_equal(ours, theirs.numpy())


def test_uniform_of_other_layouts():
    expected = np.empty(7)
    _core.Generator(1).uniform(expected, 0, 1)
    swapped = np.empty(7, np.dtype(float).newbyteorder())
    unaligned = np.zeros(57, np.uint8)[1:].view(float)
    scalar = np.empty(())
    for out in (swapped, unaligned):
        _core.Generator(1).uniform(out, 0, 1)
        np.testing.assert_array_equal(out, expected)
    _core.Generator(1).uniform(scalar, 0, 1)
    assert scalar == expected[0]


def test_uniform_is_rounded_once():
    """high - low and low + x * (high - low) in the array's own type, fused."""
    ours, theirs = np.empty(4000, np.float32), torch.empty(4000)
    for low, high in [(0.1, 0.7), (-1e-3, 1e3), (1e30, 3e38), (5, 5)]:
        _core.Generator(1).uniform(ours, low, high)
        theirs.uniform_(low, high, generator=torch.Generator().manual_seed(1))
        np.testing.assert_array_equal(ours, theirs.numpy())


# a call of either generator that both refuse with the same type of error, and our text
ERRORS = [
    (lambda g: g.manual_seed(-(2**63) - 1), "is outside of [-2**63, 2**64)"),
    (lambda g: g.manual_seed(2**64), "is outside of [-2**63, 2**64)"),
    (lambda g: g.manual_seed(1.5), "manual_seed expected an int, but got float"),
    (lambda g: g.manual_seed("a"), "manual_seed expected an int, but got str"),
    (lambda g: g.manual_seed(True), "manual_seed expected an int, but got bool"),
    (lambda g: g.randperm(-1), "must be non-negative, got -1"),
    (lambda g: g.randint(-1, 0, 5), "must be non-negative, got -1"),
    (lambda g: g.randint(3, 5, 4), "got low=5 > last=4"),
    (lambda g: g.randint(3, 0, 2**63), "does not fit in 64 bits"),
    (lambda g: g.randint(3, -(2**63) - 1, 0), "does not fit in 64 bits"),
    (lambda g: g.uniform(np.zeros(3, "f"), 1, 0), "expects low <= high"),
    (lambda g: g.uniform(np.zeros(3, "f"), 0, np.inf), "high is out of bounds for float32"),
    (lambda g: g.uniform(np.zeros(3, "f"), 0, np.nan), "high is out of bounds for float32"),
    (lambda g: g.uniform(np.zeros(3, "f"), -1e300, 0), "low is out of bounds for float32"),
    (lambda g: g.uniform(np.zeros(3, "f"), -3e38, 3e38), "exceeds the largest float32"),
    (lambda g: g.uniform(np.zeros(3), -1e308, 1.7e308), "exceeds the largest float64"),
    (lambda g: g.uniform(np.zeros(3, int), 0, 1), "not implemented for 'Long'"),
    (lambda g: g.set_state(np.zeros(10, np.uint8)), "of size 5056 but found 10"),
    (lambda g: g.set_state(np.zeros(5056, np.uint8)), "Invalid mt19937 state"),
    (lambda g: g.set_state(np.zeros(5056, "f")), "must be a uint8 array, got float32"),
    (lambda g: g.set_state(3), "must be numpy.ndarray, not int"),
]


class TorchGenerator:
    """torch.Generator with our methods."""

    def __init__(self):
        self.generator = torch.Generator()

    def manual_seed(self, seed):
        self.generator.manual_seed(seed)

    def randperm(self, n):
        return torch.randperm(n, generator=self.generator)

    def randint(self, n, low, last):
        return torch.randint(low, last + 1, (n,), generator=self.generator)

    def uniform(self, out, low, high):
        torch.from_numpy(out).uniform_(low, high, generator=self.generator)

    def set_state(self, state):
        is_array = isinstance(state, np.ndarray)
        self.generator.set_state(torch.from_numpy(state) if is_array else state)


@pytest.mark.parametrize(("call", "text"), ERRORS, ids=[text for _, text in ERRORS])
def test_type_of_error_is_torchs(call, text):
    with pytest.raises(Exception) as theirs:
        call(TorchGenerator())
    ours = _core.Generator(5)
    before = ours.get_state()
    with pytest.raises(theirs.type, match=re.escape(text)):
        call(ours)
    np.testing.assert_array_equal(ours.get_state(), before)


def test_other_errors():
    g = _core.Generator(1)
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="'out' is read-only"):
        g.uniform(read_only, 0, 1)
    with pytest.raises(RuntimeError, match="single memory location"):
        g.uniform(np.lib.stride_tricks.as_strided(np.zeros(1), (4,), (0,), writeable=True), 0, 1)
    with pytest.raises(TypeError, match="'low' must be float, not str"):
        g.uniform(np.zeros(3), "a", 1)
    with pytest.raises(TypeError, match="no keyword arguments"):
        _core.Generator(seed=1)
    with pytest.raises(TypeError, match="at most 1 argument"):
        _core.Generator(1, 2)
    with pytest.raises(MemoryError):
        g.randperm(2**50)


def test_states_that_no_generator_reaches_are_refused():
    state = _core.Generator(1).get_state()
    for at, value in [(8, 0), (8, 200), (12, 0), (16, 255)]:  # left, left, seeded, next
        broken = state.copy()
        broken[at] = value
        broken[at + 1] = 7 if value == 255 else broken[at + 1]
        with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
            _core.Generator().set_state(broken)


def test_threads_share_one_stream():
    """Every draw of a generator goes to exactly one of the threads that use it."""
    ours, n, rounds, got = _core.Generator(5), 20_000, 10, []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def draw():
        for _ in range(rounds):
            got.append(ours.randint(n, -(2**63), 2**63 - 1))

    try:
        threads = [threading.Thread(target=draw) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    expected = _core.Generator(5).randint(4 * n * rounds, -(2**63), 2**63 - 1).reshape(-1, n)
    assert {each.tobytes() for each in got} == {each.tobytes() for each in expected}


FORKED = """
import os, signal, threading, time
import numpy as np
from cnn_mnist import _core

generator = _core.Generator(1)
out = np.empty(50_000_000, np.float32)
thread = threading.Thread(target=generator.uniform, args=(out, 0.0, 1.0))
thread.start()
time.sleep(0.05)  # it draws, without the GIL, and holds the generator's lock
child = os.fork()
if not child:
    signal.alarm(20)
    generator.random_int63()
    os._exit(0)
thread.join()
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_child_does_not_wait_for_its_parents_threads():
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "0\n"
