"""Layers, losses and starting values against torch's: the same bits, the same gradients."""

import random
import warnings

import numpy as np
import pytest
import torch

import cnn_mnist
from cnn_mnist import nn


def same(ours, theirs):
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    assert a.dtype == b.dtype and a.shape == b.shape
    assert a.tobytes() == b.tobytes()


def test_linear_starts_with_torchs_bits_for_many_seeds_and_sizes():
    choice = random.Random(5)
    for seed in range(1000):
        size = choice.randrange(1, 40), choice.randrange(1, 12)
        bias, name = choice.random() < 0.8, choice.choice(["float32", "float64"])
        cnn_mnist.manual_seed(seed)
        torch.manual_seed(seed)
        for _ in range(2):
            ours = nn.Linear(*size, bias=bias, dtype=getattr(cnn_mnist, name))
            theirs = torch.nn.Linear(*size, bias=bias, dtype=getattr(torch, name))
            same(ours.weight, theirs.weight)
            assert (ours.bias is None) == (theirs.bias is None)
            if bias:
                same(ours.bias, theirs.bias)


def test_the_lessons_layers():
    import hashlib

    cnn_mnist.manual_seed(1)
    layers = nn.Linear(784, 50), nn.Linear(50, 10)
    begin = [
        hashlib.sha256(each.detach().numpy().tobytes()).hexdigest()[:16]
        for layer in layers
        for each in (layer.weight, layer.bias)
    ]
    torch.manual_seed(1)
    layers = torch.nn.Linear(784, 50), torch.nn.Linear(50, 10)
    assert begin == [
        hashlib.sha256(each.detach().numpy().tobytes()).hexdigest()[:16]
        for layer in layers
        for each in (layer.weight, layer.bias)
    ]


@pytest.mark.parametrize("size", [(0, 3), (3, 0), (0, 0)])
def test_linear_without_elements(size):
    for package in (cnn_mnist, torch):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layer = package.nn.Linear(*size)
        assert [str(each.message) for each in caught] == [
            "Initializing zero-element tensors is a no-op"
        ]
        assert layer.bias.tolist() == [0.0] * size[1]
        assert layer(package.ones(2, size[0])).tolist() == [[0.0] * size[1]] * 2


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.nn.Linear(-1, 2),
        lambda t: t.nn.Linear(2, -1),
        lambda t: t.nn.Linear(2.5, 1),
        lambda t: t.nn.Linear(2, 2, dtype=t.int64),
        lambda t: t.nn.Linear(2, "a"),
        lambda t: t.nn.Linear("a", 2),
        lambda t: t.nn.Linear(None, 2),
        lambda t: t.nn.Linear(2, -1.5),
        lambda t: t.nn.Linear(10**18, 10),
        lambda t: t.nn.Linear(2, 3)(t.ones(4, 3)),
        lambda t: t.nn.Linear(2, 3)(t.ones(4, 2).double()),
        lambda t: t.nn.init.calculate_gain("other"),
        lambda t: t.nn.init.kaiming_uniform_(t.zeros(3)),
        lambda t: t.nn.init.calculate_gain("leaky_relu", True),
        lambda t: t.nn.init.kaiming_uniform_(t.zeros(3, 3), mode="other"),
        lambda t: t.nn.init.kaiming_uniform_(t.zeros(3, 3), nonlinearity="other"),
        lambda t: t.nn.init.uniform_(t.zeros(3), 2, 1),
        lambda t: t.nn.init.xavier_uniform_(t.zeros(3)),
        lambda t: t.nn.CrossEntropyLoss(reduction="other")(t.ones(2, 3), t.tensor([1, 2])),
        lambda t: t.nn.CrossEntropyLoss()(t.ones(2, 3), t.tensor([1, 3])),
    ],
)
def test_errors_are_of_torchs_type(call):
    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(cnn_mnist)


@pytest.mark.parametrize(
    "fill",
    [
        lambda t, x: t.nn.init.uniform_(x),
        lambda t, x: t.nn.init.uniform_(x, -2, 3),
        lambda t, x: t.nn.init.kaiming_uniform_(x),
        lambda t, x: t.nn.init.zeros_(x),
        lambda t, x: t.nn.init.kaiming_uniform_(x, a=5**0.5, mode="fan_out"),
        lambda t, x: t.nn.init.kaiming_uniform_(x, nonlinearity="relu"),
        lambda t, x: t.nn.init.kaiming_uniform_(x, generator=t.Generator().manual_seed(4)),
        lambda t, x: t.nn.init.ones_(x),
        lambda t, x: t.nn.init.constant_(x, 0.3),
        lambda t, x: t.nn.init.xavier_uniform_(x),
        lambda t, x: t.nn.init.xavier_uniform_(x, gain=2),
    ],
)
@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 2), (1, 1)])
def test_starting_values(fill, shape):
    results = []
    for package in (cnn_mnist, torch):
        package.manual_seed(3)
        x = package.zeros(*shape, requires_grad=True)
        assert fill(package, x) is x
        assert x.requires_grad and x.is_leaf
        results.append(x)
    same(*results)


def test_gains_and_fans():
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 2) == torch.nn.init.calculate_gain("leaky_relu", 2)
    for shape in ((2, 3), (2, 3, 4), (2, 3, 4, 5), (0, 2)):
        assert nn.init._calculate_fan_in_and_fan_out(
            cnn_mnist.zeros(*shape)
        ) == torch.nn.init._calculate_fan_in_and_fan_out(torch.zeros(*shape))


LAYERS = {
    "Linear": lambda t: t.nn.Linear(5, 3),
    "no bias": lambda t: t.nn.Linear(5, 3, bias=False),
    "ReLU": lambda t: t.nn.ReLU(),
    "Flatten": lambda t: t.nn.Flatten(),
    "Identity": lambda t: t.nn.Identity(),
    "Flatten all": lambda t: t.nn.Flatten(0),
    "Softmax": lambda t: t.nn.Softmax(dim=1),
    "LogSoftmax": lambda t: t.nn.LogSoftmax(dim=-1),
    "network": lambda t: t.nn.Sequential(t.nn.Linear(5, 4), t.nn.ReLU(), t.nn.Linear(4, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_forward_and_backward(name, dtype):
    data = np.random.default_rng(0).normal(size=(4, 2, 5)).astype(dtype)
    results = []
    for package in (cnn_mnist, torch):
        package.manual_seed(3)
        layer = LAYERS[name](package).to(getattr(package, dtype))
        x = package.from_numpy(data.copy()).requires_grad_()
        out = layer(x)
        (out * out).sum().backward()
        results.append([out, x.grad, *(p.grad for p in layer.parameters())])
    tight = 1e-6 if dtype == "float32" else 1e-14
    for ours, theirs in zip(*results, strict=True):
        a, b = ours.detach().numpy(), theirs.detach().numpy()
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tight * 10, atol=tight * max(1, np.abs(b).max()))


def test_relu_in_place():
    for package in (cnn_mnist, torch):
        x = package.tensor([-1.0, 2.0])
        assert package.nn.ReLU(inplace=True)(x) is x
        assert x.tolist() == [0, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.nn.CrossEntropyLoss(),
        lambda t: t.nn.CrossEntropyLoss(t.tensor([1.0, 2.0, 0.5])),
        lambda t: t.nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.2),
        lambda t: t.nn.CrossEntropyLoss(ignore_index=1, reduction="none"),
        lambda t: t.nn.NLLLoss(),
        lambda t: t.nn.NLLLoss(t.tensor([1.0, 2.0, 0.5]), ignore_index=2),
        lambda t: t.nn.NLLLoss(reduction="none"),
    ],
)
def test_losses_forward_and_backward(make):
    logits = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    results = []
    for package in (cnn_mnist, torch):
        loss = make(package)
        x = package.from_numpy(logits.copy()).requires_grad_()
        value = loss(x, package.tensor([0, 1, 2, 1, 0, 2]))
        value.sum().backward()
        results.append((value, x.grad, list(loss.state_dict())))
    for ours, theirs in zip(results[0][:2], results[1][:2], strict=True):
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), rtol=2e-6, atol=1e-7
        )
    assert results[0][2] == results[1][2]


def test_arrays_go_in():
    layer = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    x = np.ones((3, 2, 2), np.float32)
    assert layer(x).tolist() == layer(cnn_mnist.from_numpy(x)).tolist()


def test_deprecated_names_of_the_reduction():
    x, target = [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], [1, 2]
    for loss in ("CrossEntropyLoss", "NLLLoss"):
        for options in ({"size_average": False}, {"reduce": False}, {"size_average": True}):
            results = []
            for package in (cnn_mnist, torch):
                with pytest.warns(UserWarning, match="size_average and reduce args"):
                    module = getattr(package.nn, loss)(**options)
                results.append(module(package.tensor(x), package.tensor(target)))
            same(*results)
        results = []
        for package in (cnn_mnist, torch):
            module = getattr(package.nn, loss)(package.ones(3), None, 2, None, "sum")
            results.append(module(package.tensor(x), package.tensor(target)))
        same(*results)
