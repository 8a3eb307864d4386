"""Modules against torch's: registration, traversal, text, containers, errors."""

import copy
import pickle
from collections import OrderedDict

import pytest
import torch
from nn_programs import check, lesson, ours, plain, theirs

import cnn_mnist
from cnn_mnist import nn
from cnn_mnist.nn import functional


@pytest.mark.parametrize(
    "program",
    [
        lambda m: [name for name, _ in m.named_parameters()],
        lambda m: list(m.named_parameters(prefix="p", recurse=False)),
        lambda m: list(m.parameters()),
        lambda m: list(m.buffers()),
        lambda m: [name for name, _ in m.named_buffers(recurse=False)],
        lambda m: [(name, repr(each)) for name, each in m.named_modules()],
        lambda m: [(name, repr(each)) for name, each in m.named_children()],
        lambda m: [repr(each) for each in m.children()],
        lambda m: [repr(each) for each in m.modules()],
        lambda m: list(m.state_dict()),
        lambda m: dict(m.state_dict()),
        lambda m: list(m.state_dict(prefix="a.")),
        repr,
        str,
        lambda m: [each.requires_grad for each in m.state_dict(keep_vars=True).values()],
        lambda m: [each.requires_grad for each in m.state_dict().values()],
        lambda m: [each.training for each in m.eval().modules()],
        lambda m: [each.training for each in m.eval().train().modules()],
        lambda m: [each.requires_grad for each in m.requires_grad_(False).parameters()],
        lambda m: repr(m.get_submodule("rest.1.0")),
        lambda m: m.get_submodule("") is m,
        lambda m: m.get_parameter("rest.1.0.weight"),
        lambda m: list(m.double().state_dict().values()),
        lambda m: list(m.double().float().state_dict().values()),
        lambda m: [hasattr(m, name) for name in ("first", "scale", "mean", "nothing", "other")],
        lambda m: [name in dir(m) for name in ("first", "scale", "mean", "nothing", "forward")],
        lambda m: [name for name in dir(m.rest) if name.isdigit()],
        lambda m: [m.nothing, m.absent, m.mean, m.kept_back[0].weight],
    ],
)
def test_a_model_is_seen_as_torch_sees_it(program):
    check(lambda nn, t: program(lesson(nn)))


def test_apply_goes_bottom_up():
    def program(nn, t):
        names = []
        model = lesson(nn)
        assert model.apply(lambda each: names.append(type(each).__name__)) is model
        return names

    check(program)


def test_assignments_move_names_between_kinds():
    def program(nn, t):
        m = nn.Module()
        m.a = m._a = nn.Parameter(t.zeros(2))
        m.register_buffer("b", t.ones(2), persistent=False)
        m.c = nn.Linear(1, 1)
        seen = [list(m.state_dict())]
        m.c = nn.Parameter(t.zeros(1))
        m.b = nn.Parameter(t.zeros(3))
        m.a = None
        m.d = t.zeros(4)
        seen += [list(m.state_dict()), [name for name, _ in m.named_children()]]
        m.b = None
        m.d = nn.Linear(1, 2)
        seen += [list(m.state_dict()), repr(m), type(m.d).__name__]
        m.d = None
        m.e = t.zeros(1)
        m.register_buffer("f", t.zeros(1))
        m.f = t.ones(1)
        del m.e, m.d, m.c
        seen += [list(m.state_dict()), repr(m), hasattr(m, "e"), hasattr(m, "c")]
        return [*seen, m.f, m._a]

    check(program)


def test_shared_parameters_and_modules_are_listed_once():
    def program(nn, t):
        linear = nn.Linear(2, 2)
        m = nn.Sequential(linear, nn.ReLU(), linear)
        tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        tied[1].weight = tied[0].weight
        return [
            [name for name, _ in m.named_parameters()],
            list(m.state_dict()),
            [name for name, _ in m.named_parameters(remove_duplicate=False)],
            [name for name, _ in m.named_modules(remove_duplicate=False)],
            [name for name, _ in tied.named_parameters()],
            len(list(m.children())),
        ]

    check(program)


def test_gradients_are_dropped_or_filled_with_zeros():
    def program(nn, t):
        seen = []
        for set_to_none in (True, False):
            model = nn.Linear(2, 1)
            model(t.ones(3, 2)).sum().backward()
            grad = model.weight.grad
            seen.append(grad.tolist())
            model.zero_grad(set_to_none=set_to_none)
            seen += [
                model.weight.grad is grad,
                model.weight.grad is None,
                model.bias.grad is None or model.bias.grad.tolist(),
            ]
        return seen

    check(program)


def test_a_module_that_overrides_call_itself():
    def program(nn, t):
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = [nn.Linear(3, 2), nn.ReLU()]

            def __call__(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

        model = Model()
        with t.no_grad():
            model.layers[0].weight.copy_(t.arange(6).view(2, 3))  # sums without rounding
            model.layers[0].bias.zero_()
        return [model(t.ones(2, 3)), list(model.parameters()), repr(model)]

    check(program)


def test_float_and_double_keep_the_parameters_and_convert_gradients():
    def program(nn, t):
        model = nn.Linear(2, 2)
        weight = model.weight
        model(t.ones(1, 2)).sum().backward()
        grad = weight.grad
        seen = [
            model.to(t.float64) is model,
            model.weight is weight,
            weight.grad is grad,
            str(grad.dtype).split(".")[1],
            model(t.ones(1, 2, dtype=t.float64)),
        ]
        model.to("cpu"), model.to(device="cpu"), model.cpu()
        return [
            *seen,
            model.to("cpu", t.float32).weight,
            model.to(t.zeros(1).double()).bias,
            model.to(dtype=t.float32).weight,
        ]

    check(program)


def test_copies_have_memory_of_their_own():
    for make in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        model = ours.Sequential(ours.Linear(2, 3), ours.ReLU())
        model[0].weight.requires_grad = False
        twin = make(model)
        assert repr(twin) == repr(model)
        assert plain(twin.state_dict()) == plain(model.state_dict())
        assert [p.requires_grad for p in twin.parameters()] == [False, True]
        assert isinstance(twin[0].weight, ours.Parameter)
        with cnn_mnist.no_grad():
            twin[0].bias.zero_()
        assert model[0].bias.tolist() != [0, 0, 0]


def test_tied_parameters_stay_tied_in_a_copy():
    model = ours.Sequential(ours.Linear(2, 2), ours.Linear(2, 2))
    model[1].weight = model[0].weight
    twin = copy.deepcopy(model)
    assert twin[1].weight is twin[0].weight is not model[0].weight


# containers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        lambda nn, s: [repr(s), len(s), [repr(each) for each in s]],
        lambda nn, s: [repr(s[0]), repr(s[-1]), repr(s[1:]), repr(s[::2]), repr(s[:0])],
        lambda nn, s: repr(s.append(nn.ReLU())),
        lambda nn, s: repr(s.extend([nn.ReLU()])),
        lambda nn, s: [s.insert(1, nn.Identity()), repr(s)][1],
        lambda nn, s: [s.insert(0, nn.Identity()), repr(s), list(s.state_dict())][1:],
        lambda nn, s: repr(s.insert(0, nn.ReLU())),
        lambda nn, s: [repr(s.pop(1)), repr(s)],
        lambda nn, s: [repr(s.pop(-1)), repr(s)],
        lambda nn, s: [s.__setitem__(0, nn.ReLU()), repr(s)],
        lambda nn, s: [s.__setitem__(-1, nn.ReLU()), repr(s), list(s.state_dict())],
        lambda nn, s: [s.__delitem__(0), repr(s), list(s.state_dict())],
        lambda nn, s: [s.__delitem__(slice(1, None)), repr(s)],
        lambda nn, s: [repr(s + s), repr(s)],
        lambda nn, s: [s.__iadd__(type(s)()), repr(s)][1],
        lambda nn, s: [layer in s for layer in (s[0], nn.ReLU())],
        lambda nn, s: [repr(list(reversed(s))) if hasattr(s, "__reversed__") else 0],
    ],
)
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_containers(kind, program):
    def run(nn, t):
        layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)]
        container = nn.Sequential(*layers) if kind == "Sequential" else nn.ModuleList(layers)
        return program(nn, container)

    check(run)


@pytest.mark.parametrize(
    "program",
    [
        lambda nn, t: nn.Sequential(OrderedDict(a=nn.Linear(1, 2), b=nn.ReLU())),
        lambda nn, t: nn.Sequential(OrderedDict(a=nn.Linear(1, 2), b=nn.ReLU()))[1:],
        lambda nn, t: nn.Sequential(),
        lambda nn, t: nn.ModuleList(),
        lambda nn, t: nn.Sequential(nn.ReLU()) * 3,
        lambda nn, t: 2 * nn.Sequential(nn.ReLU()),
        lambda nn, t: nn.ModuleList([nn.ReLU()] * 3 + [nn.Linear(1, 1)] * 2 + [nn.ReLU()]),
        lambda nn, t: nn.ModuleList([nn.Sequential(nn.ReLU(), nn.ReLU())] * 2),
        lambda nn, t: nn.Sequential(nn.ModuleList([nn.Linear(1, 1)]), nn.CrossEntropyLoss()),
        lambda nn, t: nn.ModuleList([nn.ReLU()]) + [nn.Linear(1, 2)],
        lambda nn, t: nn.Linear(3, 4, bias=False),
        lambda nn, t: nn.ReLU(inplace=True),
        lambda nn, t: nn.Flatten(0, 1),
        lambda nn, t: nn.Softmax(1),
        lambda nn, t: nn.LogSoftmax(-1),
        lambda nn, t: nn.NLLLoss(),
        lambda nn, t: nn.Identity(4, a=2),
        lambda nn, t: nn.Softmax(),
    ],
)
def test_texts(program):
    check(lambda nn, t: repr(program(nn, t)))


def test_extra_repr_of_several_lines():
    def program(nn, t):
        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Sequential(nn.ReLU())

            def extra_repr(self):
                return "a=1\nb=2"

        return [repr(Odd()), repr(nn.Sequential(Odd()))]

    check(program)


def test_parameters_print_as_torchs():
    check(
        lambda nn, t: [
            repr(nn.Parameter(t.zeros(2))),
            repr(nn.Parameter(t.ones(1), requires_grad=False)),
        ]
    )


def test_parameters():
    def program(nn, t):
        data = t.zeros(2)
        param = nn.Parameter(data)
        data += 1  # the same memory
        return [
            param,
            param.requires_grad,
            param.is_leaf,
            isinstance(param, t.Tensor),
            nn.Parameter(requires_grad=False).shape == (0,),
            type(param * 2) is t.Tensor,
            type(param.data) is t.Tensor,
            type(param.detach()) is t.Tensor,
            nn.Parameter(param).requires_grad,
        ]

    check(program)


# errors ---------------------------------------------------------------------------------


def before_init(nn, value):
    class Late(nn.Module):
        def __init__(self):
            self.a = value(nn)

    return Late()


@pytest.mark.parametrize(
    "call",
    [
        lambda nn, t: nn.Module()(1),
        lambda nn, t: nn.Module().other,
        lambda nn, t: nn.ModuleList([nn.ReLU()])(1),
        lambda nn, t: delattr(nn.Module(), "a"),
        lambda nn, t: before_init(nn, lambda nn: nn.Linear(1, 1)),
        lambda nn, t: before_init(nn, lambda nn: nn.Parameter(t.zeros(1))),
        lambda nn, t: nn.Module().add_module("a.b", nn.ReLU()),
        lambda nn, t: nn.Module().add_module("", nn.ReLU()),
        lambda nn, t: nn.Module().add_module(3, nn.ReLU()),
        lambda nn, t: nn.Module().add_module("a", 3),
        lambda nn, t: nn.Module().add_module("forward", nn.ReLU()),
        lambda nn, t: nn.Module().register_module("a.b", nn.ReLU()),
        lambda nn, t: nn.Module().register_parameter("a", t.zeros(1)),
        lambda nn, t: nn.Module().register_parameter("a.b", None),
        lambda nn, t: nn.Module().register_parameter("forward", None),
        lambda nn, t: nn.Module().register_buffer("a", 3),
        lambda nn, t: nn.Module().register_buffer("", None),
        lambda nn, t: nn.Module().register_buffer("training", None),
        lambda nn, t: setattr(nn.Linear(1, 1), "weight", t.zeros(1, 1)),
        lambda nn, t: setattr(nn.Linear(1, 1), "weight", nn.ReLU()),
        lambda nn, t: setattr(nn.Linear(1, 1, bias=False), "bias", t.zeros(1)),
        lambda nn, t: setattr(nn.Sequential(nn.ReLU()), "0", 3),
        lambda nn, t: setattr(lesson(nn), "mean", 3),
        lambda nn, t: nn.Parameter(t.zeros(1, dtype=t.int64)),
        lambda nn, t: nn.Linear(1, 1).train(1),
        lambda nn, t: nn.Linear(1, 1).to(t.int64),
        lambda nn, t: nn.Linear(1, 1).load_state_dict([1]),
        lambda nn, t: lesson(nn).get_submodule("first.other"),
        lambda nn, t: lesson(nn).get_submodule("scale"),
        lambda nn, t: lesson(nn).get_parameter("first.other"),
        lambda nn, t: lesson(nn).get_parameter("mean"),
        lambda nn, t: nn.Sequential(nn.ReLU())[1],
        lambda nn, t: nn.ModuleList()[0],
        lambda nn, t: nn.Sequential(nn.ReLU())["a"],
        lambda nn, t: nn.Sequential(3),
        lambda nn, t: nn.ModuleList([3]),
        lambda nn, t: nn.ModuleList(3),
        lambda nn, t: nn.Sequential() + 3,
        lambda nn, t: nn.Sequential(nn.ReLU()) * 0,
        lambda nn, t: nn.Sequential(nn.ReLU()) * 1.5,
        lambda nn, t: nn.Sequential().insert(5, nn.ReLU()),
        lambda nn, t: nn.Sequential().insert(0, 3),
        lambda nn, t: nn.Sequential().pop(0),
    ],
)
def test_errors_are_of_torchs_type(call):
    with pytest.raises(Exception) as expected:
        call(theirs, torch)
    with pytest.raises(expected.type) as error:
        call(ours, cnn_mnist)
    assert str(error.value)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (nn.ReLU, "ReLU is a class, not a Module: write ReLU()"),
        (int, "int is not a Module subclass"),
        (functional.relu, "relu is not a Module subclass"),
        (3, "int is not a Module subclass"),
    ],
)
def test_what_is_no_module_is_named(given, text):
    with pytest.raises(TypeError) as error:
        nn.Sequential(nn.Linear(3, 2), given)
    assert str(error.value) == text
    layer = nn.Sequential(nn.ReLU())
    layer.act = nn.ReLU()
    with pytest.raises(TypeError, match=f"cannot assign '{text.split()[0]}' as child module 'act'"):
        layer.act = given


@pytest.mark.parametrize("name", [5, 2**80, None, b"weight"])
def test_attributes_have_names(name):
    with pytest.raises(TypeError, match="attribute name must be string"):
        nn.Module.__getattribute__(nn.Linear(2, 2), name)


class Forwards(ours.Module):
    """Asks the module within for what it lacks."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)


def test_a_module_that_asks_another_one_for_attributes_is_copied():
    model = Forwards(ours.Linear(2, 3))
    for make in (copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        twin = make(model)
        assert twin.in_features == 2
        assert plain(twin.state_dict()) == plain(model.state_dict())


def test_attributes_of_subclasses_with_their_own_access():
    def program(nn, t):
        class Own(nn.Module):
            def __getattr__(self, name):
                return name * 2 if name.startswith("x") else super().__getattr__(name)

        class Inherits(Own):
            pass

        m = Inherits()
        m.w = m._w = nn.Parameter(t.ones(1))
        m.__w = nn.ReLU()
        seen = [m.w, m._w, repr(m.__w), m.x1, hasattr(m, "y"), hasattr(m, "_y"), hasattr(m, "")]
        Inherits._v = 3
        return [*seen, m._v, m._w is m.w]

    check(program)
