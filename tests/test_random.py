"""Random numbers against torch: the same bits from the same seeds."""

import copy
import pickle
import random
import warnings

import numpy as np
import pytest
import torch

import cnn_mnist
from cnn_mnist.random import default_generator, draw_seed, initial_seed

SEEDS = [0, 1, 42, 2**31 - 1, 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1, -1, -(2**63)]


def same(ours, theirs):
    """Bits, shape and dtype alike."""
    a, b = np.asarray(ours), theirs.detach().numpy()
    assert a.dtype == b.dtype and a.shape == b.shape
    assert a.tobytes() == b.tobytes()


def both(seed):
    return cnn_mnist.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_rand_is_torchs_for_every_kind_of_seed(seed, name):
    cnn_mnist.manual_seed(seed)
    torch.manual_seed(seed)
    same(
        cnn_mnist.rand(700, dtype=getattr(cnn_mnist, name)),
        torch.rand(700, dtype=getattr(torch, name)),
    )
    assert initial_seed() == torch.initial_seed()


def test_a_program_of_many_draws_stays_torchs():
    choice = random.Random(7)
    for seed in range(300):
        ours, theirs = both(seed)
        for _ in range(6):
            n, low = choice.randrange(700), choice.randrange(-(2**40), 2**40)
            span = choice.choice([1, 10, 2**28 - 1, 2**28, 2**33, 2**62])
            kind = choice.randrange(4)
            if kind == 0:
                same(cnn_mnist.rand(n, generator=ours), torch.rand(n, generator=theirs))
            elif kind == 1:
                same(
                    cnn_mnist.rand(n, generator=ours, dtype=cnn_mnist.float64),
                    torch.rand(n, generator=theirs, dtype=torch.float64),
                )
            elif kind == 2:
                same(cnn_mnist.randperm(n, generator=ours), torch.randperm(n, generator=theirs))
            else:
                same(
                    cnn_mnist.randint(low, low + span, (n,), generator=ours),
                    torch.randint(low, low + span, (n,), generator=theirs),
                )
        same(ours.get_state(), theirs.get_state())


def test_randperm_for_thousands_of_seeds_and_sizes():
    for seed in range(3000):
        ours, theirs = both(seed)
        same(
            cnn_mnist.randperm(seed % 97, generator=ours),
            torch.randperm(seed % 97, generator=theirs),
        )
    ours, theirs = both(3)
    same(cnn_mnist.randperm(60_000, generator=ours), torch.randperm(60_000, generator=theirs))


@pytest.mark.parametrize("name", ["uint8", "int64", "float32", "float64"])
def test_dtypes_of_whole_numbers(name):
    ours, theirs = getattr(cnn_mnist, name), getattr(torch, name)
    cnn_mnist.manual_seed(5)
    torch.manual_seed(5)
    same(cnn_mnist.randint(3, 200, (2, 3), dtype=ours), torch.randint(3, 200, (2, 3), dtype=theirs))
    same(cnn_mnist.randint(200, (4,), dtype=ours), torch.randint(200, (4,), dtype=theirs))
    same(cnn_mnist.randperm(99, dtype=ours), torch.randperm(99, dtype=theirs))


def _drawn(package, low, high, dtype, draw):
    """What comes out, what is warned of, and where the generator stands then."""
    package.manual_seed(5)
    kind = getattr(package, dtype)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            if draw == "randint":
                result = package.randint(low, high, (20,), dtype=kind).tolist()
            else:
                result = package.zeros(20, dtype=kind).random_(low, high).tolist()
        except RuntimeError as error:
            result = str(error)
    return result, [str(each.message).split(".")[0] for each in found], package.rand(1).item()


@pytest.mark.parametrize("draw", ["randint", "random_"])
@pytest.mark.parametrize("dtype, digits", [("float32", 24), ("float64", 53)])
def test_bounds_that_a_floating_type_rounds(dtype, digits, draw):
    edge, choice = 2**digits, random.Random(1)
    near = [edge + each for each in range(-2, 8)] + [4 * edge + each for each in range(-9, 9, 2)]
    pairs = [(0, high) for high in near] + [(low, low + 1) for low in near]
    pairs += [(low, low + 3) for low in near] + [(-high, 7) for high in near]
    pairs += [(-(2**63), 2**63 - 1), (0, 2**62), (0, 2**63 - 1), (2**62, 2**63 - 1), (5, edge)]
    pairs += [sorted(choice.sample(range(-(2**62), 2**62, 2**20 + 1), 2)) for _ in range(200)]
    for low, high in pairs:
        ours, theirs = (_drawn(each, low, high, dtype, draw) for each in (cnn_mnist, torch))
        assert ours == theirs, (low, high)


def test_randint_reaches_the_ends_of_int64():
    cnn_mnist.manual_seed(5)
    torch.manual_seed(5)
    for low, high in ((-(2**63), 2**63 - 1), (-(2**63), -(2**63) + 1), (2**63 - 2, 2**63 - 1)):
        same(cnn_mnist.randint(low, high, (50,)), torch.randint(low, high, (50,)))
    same(cnn_mnist.randint(low=-3, high=4, size=(50,)), torch.randint(low=-3, high=4, size=(50,)))
    same(cnn_mnist.randint(high=4, size=(5, 0)), torch.randint(high=4, size=(5, 0)))


def test_sizes_of_rand():
    for size in [(), (3,), (2, 0), ((2, 3),), ([2, 3],), ((),), (np.int64(3), 2)]:
        cnn_mnist.manual_seed(5)
        torch.manual_seed(5)
        if size:
            same(cnn_mnist.rand(*size), torch.rand(*size))
    assert cnn_mnist.rand(3, requires_grad=True).requires_grad


@pytest.mark.parametrize("low, high", [(0, 1), (-1, 1), (-0.0357, 0.0357), (5, 5), (1e-3, 1e4)])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_uniform_fills_any_layout_in_the_order_of_memory(low, high, name):
    ours = cnn_mnist.zeros(6, 10, dtype=getattr(cnn_mnist, name))
    theirs = torch.zeros(6, 10, dtype=getattr(torch, name))
    cnn_mnist.manual_seed(5)
    torch.manual_seed(5)
    views = [
        lambda t: t,
        lambda t: t.T,
        lambda t: t[:, 3],
        lambda t: t[1:4, 2:7],
        lambda t: t[::2].T,
        lambda t: t[2, 3],
    ]
    for view in views:
        view(ours).uniform_(low, high)
        view(theirs).uniform_(low, high)
        same(ours, theirs)
    generators = both(77)
    ours.uniform_(low, high, generator=generators[0])
    theirs.uniform_(low, high, generator=generators[1])
    same(ours, theirs)


def test_states_go_to_torch_and_come_back():
    ours, theirs = both(11)
    for n in (0, 1, 623, 1, 624, 5):
        cnn_mnist.rand(n, generator=ours)
        theirs.set_state(torch.from_numpy(np.array(ours.get_state())))
        same(cnn_mnist.rand(9, generator=ours), torch.rand(9, generator=theirs))
        assert ours.set_state(theirs.get_state()) is ours
        same(cnn_mnist.randperm(9, generator=ours), torch.randperm(9, generator=theirs))


def test_generators_are_copied_with_their_state():
    generator = cnn_mnist.Generator().manual_seed(3)
    cnn_mnist.rand(5, generator=generator)
    copies = [
        copy.copy(generator),
        copy.deepcopy(generator),
        generator.clone_state(),
        pickle.loads(pickle.dumps(generator)),
    ]
    expected = cnn_mnist.rand(5, generator=generator).tolist()
    for each in copies:
        assert each.initial_seed() == 3
        assert cnn_mnist.rand(5, generator=each).tolist() == expected


def test_seeds():
    generator = cnn_mnist.Generator()
    assert generator.initial_seed() == torch.Generator().initial_seed()
    assert generator.manual_seed(4) is generator
    assert cnn_mnist.manual_seed(4) is default_generator
    seed = generator.seed()
    assert generator.initial_seed() == seed
    assert seed != generator.seed()
    cnn_mnist.manual_seed(1.9)
    torch.manual_seed(1.9)
    assert draw_seed() == torch.empty((), dtype=torch.int64).random_()


@pytest.mark.parametrize("name", ["bool", "uint8", "int64", "float32", "float64"])
def test_random_without_bounds(name):
    cnn_mnist.manual_seed(6)
    torch.manual_seed(6)
    for size in (), (40,):
        ours = cnn_mnist.zeros(size, dtype=getattr(cnn_mnist, name)).random_()
        same(ours, torch.zeros(size, dtype=getattr(torch, name)).random_())
    with pytest.raises(TypeError, match="expected bounds for dtype int32"):
        cnn_mnist.zeros(3, dtype=cnn_mnist.int32).random_()


def test_out_receives_the_numbers():
    out, theirs = cnn_mnist.zeros(3), torch.zeros(3)
    cnn_mnist.manual_seed(5)
    torch.manual_seed(5)
    assert cnn_mnist.rand(3, out=out) is out
    same(out, torch.rand(3, out=theirs))
    whole, theirs = cnn_mnist.zeros(3, dtype=cnn_mnist.uint8), torch.zeros(3, dtype=torch.uint8)
    same(cnn_mnist.randint(9, (3,), out=whole), torch.randint(9, (3,), out=theirs))
    same(cnn_mnist.randperm(3, out=whole), torch.randperm(3, out=theirs))
    assert cnn_mnist.randperm(0, dtype=cnn_mnist.uint8).shape == (0,)


ERRORS = [
    lambda t: t.manual_seed("a"),
    lambda t: t.manual_seed(None),
    lambda t: t.manual_seed(float("inf")),
    lambda t: t.manual_seed(2**64),
    lambda t: t.manual_seed(-(2**63) - 1),
    lambda t: t.Generator().manual_seed(1.5),
    lambda t: t.Generator().manual_seed(True),
    lambda t: t.Generator().manual_seed("3"),
    lambda t: t.Generator().manual_seed(2**64),
    lambda t: t.Generator().set_state(None),
    lambda t: t.Generator().set_state(t.zeros(3)),
    lambda t: t.Generator().set_state(t.zeros(3, dtype=t.uint8)),
    lambda t: t.Generator().set_state(t.zeros(5056, dtype=t.uint8)),
    lambda t: t.rand(-1),
    lambda t: t.rand(10**18, 10),
    lambda t: t.randint(5, (2**62,)),
    lambda t: t.randperm(2**62),
    lambda t: t.rand(2.0),
    lambda t: t.rand(True),
    lambda t: t.rand(None),
    lambda t: t.rand((2.0, 2)),
    lambda t: t.rand((2, 3), 4),
    lambda t: t.rand(3, dtype=t.int64),
    lambda t: t.rand(3, out=t.zeros(3, dtype=t.float64), dtype=t.float32),
    lambda t: t.rand(3, out=t.zeros(3, requires_grad=True)),
    lambda t: t.rand(3, generator=3),
    lambda t: t.randperm(5, generator="x"),
    lambda t: t.randint(10, 3),
    lambda t: t.randint(10, 10, (3,)),
    lambda t: t.randint(0, (0,)),
    lambda t: t.randint(5),
    lambda t: t.randint(high=5),
    lambda t: t.randint(1, 5, (2,), 3),
    lambda t: t.randint(True, 5, (2,)),
    lambda t: t.randint(0.5, 2, (3,)),
    lambda t: t.randint(0, 2**63, (3,)),
    lambda t: t.randint(0, 257, (3,), dtype=t.uint8),
    lambda t: t.randint(-1, 3, (3,), dtype=t.uint8),
    lambda t: t.randint(9, (3,), dtype=t.bool),
    lambda t: t.randint(9, (3,), requires_grad=True),
    lambda t: t.randperm(-1),
    lambda t: t.randperm(3.0),
    lambda t: t.randperm(True),
    lambda t: t.randperm(257, dtype=t.uint8),
    lambda t: t.randperm(2, dtype=t.bool),
    lambda t: t.zeros(3).uniform_(2, 1),
    lambda t: t.zeros(3).uniform_(float("nan"), 1),
    lambda t: t.zeros(3).uniform_(0, float("inf")),
    lambda t: t.zeros(3).uniform_(0, 1e39),
    lambda t: t.zeros(3).uniform_(-3e38, 3e38),
    lambda t: t.zeros(3, dtype=t.int64).uniform_(),
]


@pytest.mark.parametrize("call", ERRORS)
def test_errors_are_of_torchs_type_and_draw_nothing(call):
    before = default_generator.get_state().tolist()
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type):
        call(cnn_mnist)
    assert default_generator.get_state().tolist() == before


@pytest.mark.parametrize("seed", ["a", None, float("nan")])
def test_errors_of_int_name_the_seed(seed):
    with pytest.raises((TypeError, ValueError), match=r"^manual_seed\(\): argument 'seed' must be"):
        cnn_mnist.manual_seed(seed)


def test_a_bad_state_changes_nothing():
    generator = cnn_mnist.Generator().manual_seed(3)
    before = generator.get_state().tolist()
    for bad in (np.zeros(5056, np.uint8), np.zeros(7, np.uint8)):
        with pytest.raises(RuntimeError):
            generator.set_state(bad)
    assert generator.get_state().tolist() == before


@pytest.mark.parametrize(
    "call",
    [
        lambda: cnn_mnist.rand(3, out=cnn_mnist.zeros(5)),
        lambda: cnn_mnist.rand(3, device="cuda"),
        lambda: cnn_mnist.Generator("cuda"),
    ],
)
def test_errors_where_torch_differs(call):
    with pytest.raises(RuntimeError, match="expected"):
        call()


@pytest.mark.parametrize(
    "fill",
    [
        lambda x: x.uniform_(to=3),
        lambda x: x.uniform_(**{"from": -2, "to": 3}),
        lambda x: x.random_(to=7),
        lambda x: x.random_(**{"from": 2, "to": 9}),
        lambda x: x.random_(5),
        lambda x: x.random_(),
    ],
)
def test_bounds_by_torchs_names(fill):
    results = []
    for package in (cnn_mnist, torch):
        package.manual_seed(8)
        results.append(fill(package.zeros(5)))
    same(*results)


def test_bounds_by_other_names_raise():
    for call in (lambda x: x.uniform_(a=1), lambda x: x.random_(high=3), lambda x: x.random_(0)):
        for package in (cnn_mnist, torch):
            with pytest.raises((TypeError, RuntimeError)):
                call(package.zeros(2))
