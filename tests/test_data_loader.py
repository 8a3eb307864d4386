"""Data sets, samplers and loaders against torch's: the same batches from the same seeds."""

import inspect
import multiprocessing
import random
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import cnn_mnist
import cnn_mnist.utils.data as ours

Point = namedtuple("Point", "x y")
PAIRS = [(ours, cnn_mnist), (theirs, torch)]


def plain(value):
    """Nested lists of numbers with the names of dtypes, whoever made them."""
    if hasattr(value, "tolist"):
        return str(np.asarray(value).dtype), value.tolist()
    if isinstance(value, dict):
        return type(value), {key: plain(member) for key, member in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value), [plain(member) for member in value]
    return value


def check(program):
    """The program gives the same with both packages, and leaves both generators alike."""
    results = []
    for data, package in PAIRS:
        package.manual_seed(9)
        results.append([plain(program(data, package)), package.rand(1).item()])
    assert results[0] == results[1]


def test_shuffled_orders_for_thousands_of_seeds_and_sizes():
    choice = random.Random(3)
    for seed in range(1500):
        n, batch = choice.randrange(1, 60), choice.randrange(1, 12)
        drop, own = choice.random() < 0.3, choice.random() < 0.5
        orders = []
        for data, package in PAIRS:
            package.manual_seed(seed)
            generator = package.Generator().manual_seed(seed + 1) if own else None
            loader = data.DataLoader(
                range(n), batch, shuffle=True, drop_last=drop, generator=generator
            )
            epochs = [[b.tolist() for b in loader] for _ in range(2)]
            next(iter(loader), None)  # an iterator that is not run to its end
            epochs.append([b.tolist() for b in loader])
            orders.append((epochs, package.rand(1).item(), len(loader)))
        assert orders[0] == orders[1], (seed, n, batch, drop, own)


def test_iterators_have_a_length_and_go_on_after_an_error():
    class Holes(list):
        def __getitem__(self, index):
            if index == 3:
                raise KeyError(index)
            return index

    def program(data, package):
        batches = iter(data.DataLoader(Holes(range(8)), 2))
        with pytest.raises(KeyError):
            list(batches)
        return len(batches), list(batches)

    check(program)


def test_epoch_order_is_that_of_the_loader():
    for seed in range(200):
        for own in (False, True):
            drawn = []
            for use_loader in (False, True):
                cnn_mnist.manual_seed(seed)
                generator = cnn_mnist.Generator().manual_seed(5) if own else None
                n = 1 + seed % 40
                loader = ours.DataLoader(range(n), None, shuffle=True, generator=generator)
                orders = [
                    list(loader) if use_loader else ours.sampler.epoch_order(n, generator).tolist()
                    for _ in range(3)
                ]
                drawn.append((orders, cnn_mnist.rand(1).item()))
            assert drawn[0] == drawn[1]


def one_draw(data, t, **options):
    """What an iteration that is left after one index has drawn from its generator."""
    generator = t.Generator().manual_seed(2)
    index = next(iter(data.RandomSampler(range(10), generator=generator, **options)))
    return index, t.rand(1, generator=generator)


@pytest.mark.parametrize(
    "program",
    [
        one_draw,
        lambda data, t: one_draw(data, t, replacement=True, num_samples=100),
        lambda data, t: list(data.RandomSampler(range(10))),
        lambda data, t: list(data.RandomSampler(range(10), num_samples=3)),
        lambda data, t: list(data.RandomSampler(range(10), num_samples=37)),
        lambda data, t: list(data.RandomSampler(range(10), replacement=True)),
        lambda data, t: list(data.RandomSampler(range(10), replacement=True, num_samples=100)),
        lambda data, t: list(data.RandomSampler(range(10), True, 64, t.Generator().manual_seed(2))),
        lambda data, t: list(data.RandomSampler(range(10), generator=t.Generator().manual_seed(2))),
        lambda data, t: list(data.SubsetRandomSampler([4, 9, 1])),
        lambda data, t: list(data.BatchSampler(data.SequentialSampler(range(10)), 4, False)),
        lambda data, t: list(data.BatchSampler(data.SequentialSampler(range(10)), 4, True)),
        lambda data, t: list(data.BatchSampler([3, 1, 2], 2, False)),
        lambda data, t: len(data.BatchSampler(range(9), 4, True)),
        lambda data, t: len(data.BatchSampler(range(9), 4, False)),
        lambda data, t: len(data.RandomSampler(range(10), num_samples=3)),
        lambda data, t: [list(part) for part in data.random_split(range(10), [3, 7])],
        lambda data, t: [list(part) for part in data.random_split(range(10), [0.5, 0.3, 0.2])],
        lambda data, t: [
            list(part)
            for part in data.random_split(
                range(7), [0.5, 0.5], generator=t.Generator().manual_seed(8)
            )
        ],
    ],
)
def test_samplers(program):
    check(program)


def tensors(t, n=11):
    x = t.arange(n * 3).reshape(n, 3)
    return x.float(), t.arange(n) % 4


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": 50},
        {"batch_size": 4, "shuffle": True},
        {"batch_size": None},
        {"batch_size": 3, "num_workers": 0},
        {"batch_size": 4, "sampler": [3, 1, 1, 7, 10]},
        {"batch_sampler": [[1, 2], [0], [5, 5, 3]]},
        {"batch_size": None, "sampler": [[3, 1], [7]]},
        {"batch_size": 2, "sampler": [-1, -11, 3]},
        {"batch_size": 2, "collate_fn": list},
    ],
)
def test_batches_of_tensors(options):
    check(lambda data, t: list(data.DataLoader(data.TensorDataset(*tensors(t)), **options)))
    check(
        lambda data, t: list(
            data.DataLoader(
                data.Subset(data.TensorDataset(*tensors(t, 30)), list(range(25, 5, -1))), **options
            )
        )
    )


ITEMS = [
    [1, 2, 3],
    [1.5, 2.5],
    [True, False],
    ["a", "b"],
    [b"a", b"b"],
    [(1, 2.0), (3, 4.0)],
    [[1, 2], [3, 4]],
    [{"a": 1, "b": [2.0]}, {"a": 3, "b": [4.0]}],
    [Point(1, 2), Point(3, 4)],
    [np.float32(1), np.float32(2)],
    [np.zeros(2), np.ones(2)],
    [np.int64(3), np.int64(4)],
    [np.zeros((2, 2), np.uint8)] * 3,
    [np.bool_(True)],
    [OrderedDict(z=1, a=2)] * 2,
    [defaultdict(int, a=1)] * 2,
    [((1, [2]), "x"), ((3, [4]), "y")],
    [range(3), range(3)],
]


@pytest.mark.parametrize("items", ITEMS, ids=str)
def test_default_collate_and_convert(items):
    check(lambda data, t: data.default_collate(items))
    check(lambda data, t: data.default_convert(items))
    check(lambda data, t: list(data.DataLoader(items, batch_size=2)))
    check(lambda data, t: list(data.DataLoader(items, batch_size=None)))


def test_getitems_is_used_where_a_data_set_has_it():
    class Many(ours.Dataset):
        def __getitems__(self, indices):
            return [-i for i in indices]

        def __len__(self):
            return 5

    assert [b.tolist() for b in ours.DataLoader(Many(), 3)] == [[0, -1, -2], [-3, -4]]


def test_gradients_pass_through_batches():
    x = cnn_mnist.ones(4, 2, requires_grad=True)
    for (batch,) in ours.DataLoader(ours.TensorDataset(x), 3):
        batch.sum().backward()
    assert x.grad.tolist() == [[1, 1]] * 4


def test_arrays_in_a_tensor_data_set_give_tensors():
    data = ours.TensorDataset(np.ones((5, 2), np.float32), np.arange(5))
    for x, y in ours.DataLoader(data, 3):
        assert isinstance(x, cnn_mnist.Tensor) and isinstance(y, cnn_mnist.Tensor)
        assert plain(x)[0] == "float32" and plain(y)[0] == "int64"


def test_workers_change_nothing():
    data = ours.TensorDataset(*tensors(cnn_mnist))
    batches = []
    for workers in (0, 2):
        cnn_mnist.manual_seed(1)
        loader = ours.DataLoader(data, 4, shuffle=True, num_workers=workers, pin_memory=True)
        batches.append(plain(list(loader)))
    assert batches[0] == batches[1]


# pairs of options that torch takes, each with its own attributes
TAKEN = [
    {"timeout": 0},
    {"worker_init_fn": print},
    {"pin_memory_device": ""},
    {"in_order": False},
    {"num_workers": 1, "timeout": 5.5},
    {"num_workers": 2, "prefetch_factor": 3},
    {"num_workers": 1, "persistent_workers": True},
    {"num_workers": 1, "multiprocessing_context": "fork"},
    {"num_workers": 1, "multiprocessing_context": multiprocessing.get_context("spawn")},
]
ATTRIBUTES = (
    "num_workers", "prefetch_factor", "persistent_workers", "timeout", "worker_init_fn",
    "multiprocessing_context", "in_order", "pin_memory", "pin_memory_device", "generator",
)  # fmt: skip


@pytest.mark.parametrize("options", TAKEN, ids=str)
def test_options_of_workers_are_taken_and_kept(options):
    expected = theirs.DataLoader(range(7), 2, **options)
    loader = ours.DataLoader(range(7), 2, **options)
    for name in ATTRIBUTES:
        assert getattr(loader, name) == getattr(expected, name), name
    assert plain(list(loader)) == plain(list(theirs.DataLoader(range(7), 2)))


def test_arguments_stand_where_torchs_stand():
    names = [
        [(each.name, each.kind, each.default) for each in signature.parameters.values()]
        for signature in (inspect.signature(data.DataLoader) for data in (ours, theirs))
    ]
    assert names[0] == names[1]


@pytest.mark.filterwarnings("ignore:os.fork")  # torch's workers, where jax is imported
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("own_generator", [False, True])
def test_the_order_of_epochs_loaded_by_workers_is_torchs(persistent, own_generator):
    orders = []
    for data, package in ((ours, cnn_mnist), (theirs, torch)):
        package.manual_seed(5)
        generator = package.Generator().manual_seed(3) if own_generator else None
        loader = data.DataLoader(
            range(9), 4, shuffle=True, num_workers=1, generator=generator,
            persistent_workers=persistent, collate_fn=list,
        )  # fmt: skip
        orders.append([plain(list(loader)) for _ in range(3)])
    assert orders[0] == orders[1]


ERRORS = [
    lambda data, t: data.DataLoader(range(3), 0),
    lambda data, t: data.DataLoader(range(3), 1.5),
    lambda data, t: data.DataLoader(range(3), True),
    lambda data, t: data.DataLoader(range(3), num_workers=-1),
    lambda data, t: iter(data.DataLoader(range(3), num_workers=1.5)),
    lambda data, t: data.DataLoader(range(3), timeout=-1),
    lambda data, t: data.DataLoader(range(3), num_workers=1, timeout=-0.5),
    lambda data, t: data.DataLoader(range(3), timeout="a"),
    lambda data, t: list(data.DataLoader(range(3), timeout=1)),
    lambda data, t: data.DataLoader(range(3), prefetch_factor=2),
    lambda data, t: data.DataLoader(range(3), num_workers=1, prefetch_factor=-1),
    lambda data, t: data.DataLoader(range(3), persistent_workers=True),
    lambda data, t: data.DataLoader(range(3), multiprocessing_context="fork"),
    lambda data, t: data.DataLoader(range(3), num_workers=1, multiprocessing_context="knife"),
    lambda data, t: data.DataLoader(range(3), num_workers=1, multiprocessing_context=3),
    lambda data, t: data.DataLoader(
        range(3), 1, None, None, None, 0, None, False, False, 0, None, None, None, 2
    ),
    lambda data, t: setattr(data.DataLoader(range(3)), "persistent_workers", True),
    lambda data, t: data.DataLoader(range(3), shuffle=True, sampler=[1]),
    lambda data, t: data.DataLoader(range(3), 2, batch_sampler=[[1]]),
    lambda data, t: data.DataLoader(range(3), batch_sampler=[[1]], drop_last=True),
    lambda data, t: data.DataLoader(range(3), None, drop_last=True),
    lambda data, t: data.DataLoader([], shuffle=True),
    lambda data, t: data.DataLoader(range(3), drop_last=1),
    lambda data, t: setattr(data.DataLoader(range(3)), "batch_size", 2),
    lambda data, t: setattr(data.DataLoader(range(3)), "dataset", 2),
    lambda data, t: list(data.DataLoader(range(3), sampler=[5])),
    lambda data, t: list(data.DataLoader(data.TensorDataset(t.zeros(3)), sampler=[5])),
    lambda data, t: data.TensorDataset(t.zeros(3), t.zeros(2)),
    lambda data, t: data.Dataset()[0],
    lambda data, t: iter(data.Sampler()),
    lambda data, t: data.RandomSampler(range(3), replacement=1),
    lambda data, t: data.RandomSampler(range(3), num_samples=0),
    lambda data, t: data.RandomSampler([]),
    lambda data, t: data.BatchSampler([1], 0, False),
    lambda data, t: data.BatchSampler([1], 2, 0),
    lambda data, t: data.random_split(range(3), [1, 1]),
    lambda data, t: data.random_split(range(3), [1.5, -0.5]),
    lambda data, t: data.default_collate([object()]),
    lambda data, t: data.default_collate([None]),
    lambda data, t: data.default_collate([[1], [1, 2]]),
    lambda data, t: data.default_collate([np.array(["a"])]),
    lambda data, t: data.default_collate([t.zeros(2), t.zeros(3)]),
]


@pytest.mark.parametrize("call", ERRORS)
def test_errors_are_of_torchs_type(call):
    with pytest.raises(Exception) as expected:
        call(theirs, torch)
    with pytest.raises(expected.type):
        call(ours, cnn_mnist)


def test_an_empty_part_of_a_split_warns():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        parts = ours.random_split(range(1), [0.9, 0.1])
    assert [len(part) for part in parts] == [1, 0]
