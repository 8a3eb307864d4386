"""fit against torch's step-by-step loop: the same numbers for every model, the same arrays."""

import copy
import functools

import numpy as np
import pytest
import torch
from fit_helpers import (
    CLASSES,
    FEATURES,
    ROWS,
    assert_same,
    data,
    network,
    network_of_seed,
    pair,
    reference,
)

import cnn_mnist
from cnn_mnist import nn
from cnn_mnist.random import default_generator

OPTIONS = {
    "plain": {},
    "in order": {"shuffle": False},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.8, "nesterov": True},
    "decay": {"weight_decay": 0.01},
    "weights": {"weight": [1.0, 0.2, 3.0, 0.5, 1.0]},
    "smooth": {"label_smoothing": 0.1},
    "ignore": {"ignore_index": 2},
    "all": {
        "momentum": 0.7,
        "weight_decay": 0.02,
        "label_smoothing": 0.2,
        "ignore_index": 1,
        "weight": [1.0, 0.2, 3.0, 0.5, 1.0],
    },
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_option_gives_the_loops_numbers(name, dtype):
    x, y = data(dtype=dtype)
    options = {"epochs": 3, "batch_size": 32, "lr": 0.1, **OPTIONS[name]}
    ours, theirs = pair(dtype)
    history = cnn_mnist.fit(ours, x, y, **options)
    assert_same(ours, theirs, history, reference(theirs, x, y, **options), dtype)


@pytest.mark.parametrize("batch_size", [1, 7, 29, 203, 1000])
@pytest.mark.parametrize("sizes", [(17, 5), (17, 3, 5), (17, 33, 8, 5), (17, 6, 6, 6, 6, 5)])
def test_batches_and_depths(batch_size, sizes):
    x, y = data(dtype="float64")
    options = {"epochs": 2, "batch_size": batch_size, "lr": 0.05, "momentum": 0.5}
    ours, theirs = pair("float64", sizes=sizes, bias=batch_size != 7)
    history = cnn_mnist.fit(ours, x, y, **options)
    assert_same(ours, theirs, history, reference(theirs, x, y, **options), "float64")
    steps = -(-ROWS // batch_size)
    assert history.steps_per_epoch == steps and len(history.loss) == 2 * steps


def test_a_generator_of_ones_own():
    x, y = data()
    ours, theirs = pair()
    generators = [t.Generator().manual_seed(8) for t in (cnn_mnist, torch)]
    options = {"epochs": 3, "batch_size": 50, "lr": 0.1}
    history = cnn_mnist.fit(ours, x, y, generator=generators[0], **options)
    assert_same(ours, theirs, history, reference(theirs, x, y, generator=generators[1], **options))
    assert generators[0].get_state().tolist() == generators[1].get_state().tolist()


def test_our_own_loop_gives_the_same():
    x, y = data()
    ours, twin = pair()[0], pair()[0]
    cnn_mnist.manual_seed(1)
    history = cnn_mnist.fit(ours, x, y, epochs=2, batch_size=20, lr=0.1, momentum=0.9)
    cnn_mnist.manual_seed(1)
    pairs = cnn_mnist.utils.data.TensorDataset(cnn_mnist.from_numpy(x), cnn_mnist.from_numpy(y))
    optimizer = cnn_mnist.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(2):
        for xb, yb in cnn_mnist.utils.data.DataLoader(pairs, 20, shuffle=True):
            loss = nn.functional.cross_entropy(twin(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_allclose(history.loss, losses, atol=1e-5)
    np.testing.assert_allclose(
        ours[2].weight.detach().numpy(), twin[2].weight.detach().numpy(), atol=1e-5
    )


# models ---------------------------------------------------------------------------------


class Listed(nn.Module):
    """The lesson's: layers in a plain list."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Called(Listed):
    """The lesson's first one, which overrides the call itself."""

    __call__ = Listed.forward


class Held(nn.Module):
    """Layers without a forward."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers


def test_chains_of_every_form_train_alike():
    x, y = data()
    forms = {
        "Sequential": lambda m: m,
        "list": lambda m: Listed(list(m)),
        "tuple": lambda m: Listed(tuple(m)),
        "ModuleList": lambda m: Listed(nn.ModuleList(m)),
        "layers in Sequential": lambda m: Listed(m),
        "called": lambda m: Called(list(m)),
        "no forward": lambda m: Held(list(m)),
        "nested": lambda m: nn.Sequential(nn.Sequential(m[0]), nn.Sequential(*m[1:])),
        "nested lists": lambda m: Listed([Listed([m[0]]), m[1:]]),
        "Identity": lambda m: nn.Sequential(nn.Identity(), *m, nn.Identity()),
        "Flatten": lambda m: nn.Sequential(nn.Flatten(), *m),
        "copy": copy.deepcopy,
        "one ReLU twice": lambda m: nn.Sequential(m[0], m[1], m[1], m[2]),
    }
    results = {}
    for name, form in forms.items():
        model = form(network_of_seed())
        history = cnn_mnist.fit(model, x, y, epochs=2, batch_size=30, lr=0.2, shuffle=False)
        results[name] = history.loss.tolist()
    for name, losses in results.items():
        assert losses == results["Sequential"], name


def test_relus_at_both_ends_and_a_single_linear():
    x, y = data()
    for build in (
        lambda t: [t.nn.ReLU(), t.nn.Linear(17, 9), t.nn.ReLU(), t.nn.Linear(9, 5)],
        lambda t: [t.nn.Linear(17, 5), t.nn.ReLU()],
        lambda t: [t.nn.Linear(17, 5)],
    ):
        models = []
        for t in (cnn_mnist, torch):
            t.manual_seed(4)
            models.append(t.nn.Sequential(*build(t)))
        ours, theirs = models
        options = {"epochs": 2, "batch_size": 32, "lr": 0.1}
        history = cnn_mnist.fit(ours if len(ours) > 1 else ours[0], x, y, **options)
        assert_same(ours, theirs, history, reference(theirs, x, y, **options))


def test_images_go_through_flatten():
    x, y = data()
    flat, deep = network_of_seed(), nn.Sequential(nn.Flatten(), network_of_seed())
    images = np.zeros((ROWS, 1, FEATURES), np.float32) + x[:, None]
    losses = [
        cnn_mnist.fit(model, each, y, epochs=1, batch_size=30, lr=0.2, shuffle=False).loss
        for model, each in ((flat, x), (deep, images))
    ]
    assert losses[0].tolist() == losses[1].tolist()
    assert cnn_mnist.predict(deep, images).tolist() == cnn_mnist.predict(flat, x).tolist()


def wrong_models():
    layer, inner = nn.Linear(FEATURES, CLASSES), nn.Linear(FEATURES, FEATURES)

    class Softened(Listed):
        def forward(self, x):
            return super().forward(x).softmax(1)

    class Backwards(nn.Sequential):
        def forward(self, x):
            return super().forward(-x)

    class Doubled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    patched = nn.Sequential(layer)
    patched.forward = lambda x: layer(-x)
    return {
        r"the model is Sequential": patched,
        r"layer 1 is Softmax": nn.Sequential(layer, nn.Softmax(1)),
        r"layer 0.1 is LogSoftmax": nn.Sequential(nn.Sequential(layer, nn.LogSoftmax(1))),
        r"layer layers.0 is Softmax": Listed([nn.Softmax(1), layer]),
        r"layer 0 is Flatten": nn.Sequential(nn.Flatten(0), layer),
        r"layer 1 is Doubled": nn.Sequential(inner, Doubled(FEATURES, CLASSES)),
        r"the model is Backwards": Backwards(layer),
        "the model is Module": nn.Module(),
        r"the model is ModuleList": nn.ModuleList([layer]),
        "with a Linear": nn.Sequential(),
        r"got function": lambda x: x,
        "got list": [layer],
        "layer layers.0 is 3": Listed([3]),
        r"with a Linear layer": nn.Sequential(nn.ReLU()),
        "got Tensor": cnn_mnist.ones(2),
        r"forward of Softened": Softened([layer]),
        "got Linear": torch.nn.Linear(FEATURES, CLASSES),
    }


@pytest.mark.parametrize("text", wrong_models())
def test_models_that_are_no_chains(text):
    x, y = data()
    model = wrong_models()[text]
    before = default_generator.get_state().tolist()
    with pytest.raises(TypeError, match=text):
        cnn_mnist.fit(model, x, y, epochs=1, batch_size=10, lr=0.1)
    with pytest.raises(TypeError, match=text):
        cnn_mnist.predict(model, x)
    assert default_generator.get_state().tolist() == before


def other_forwards():
    """Models with `layers` whose forward is nearly, but not, the loop over them."""

    class Others(Listed):
        def forward(self, x):
            for layer in self.others:
                x = layer(x)
            return x

    class Negative(Listed):
        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return -x

    class Several(Listed):
        def forward(self, *x):
            for layer in self.layers:
                x = layer(*x) if isinstance(x, tuple) else layer(x)
            return x * 2

    class Swapped(Listed):
        def forward(x, self):
            for layer in x.layers:
                self = layer(-self)
            return self

    class Called(Listed):
        forward = functools.partialmethod(lambda self, x: self.layers[0](x) * 3)

    class Patched(Listed):
        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    models = [kind([nn.Linear(FEATURES, CLASSES)]) for kind in (Others, Negative, Several, Swapped)]
    models += [Called([nn.Linear(FEATURES, CLASSES)]), Patched([nn.Linear(FEATURES, CLASSES)])]
    models[0].others = [nn.Linear(FEATURES, CLASSES)]
    models[-1].forward = lambda x: models[-1].layers[0](x) + 1
    return models


@pytest.mark.parametrize("index", range(6))
def test_a_forward_that_is_nearly_the_loop_is_refused(index):
    with pytest.raises(TypeError, match="is not its `layers` one after another"):
        cnn_mnist.predict(other_forwards()[index], data()[0])


def test_a_forward_whose_code_is_the_loop_is_not_called(monkeypatch):
    class Lesson(Listed):
        def forward(self, batch):
            """Applies the layers."""
            for l in self.layers:
                batch = l(batch)
            return batch

    class Longer(Listed):
        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x + 0

    calls = []
    forward = nn.Linear.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda *args: calls.append(1) or forward(*args))
    layers = [nn.Linear(FEATURES, CLASSES), nn.ReLU()]
    expected = cnn_mnist.predict(nn.Sequential(*layers), data()[0])
    np.testing.assert_array_equal(cnn_mnist.predict(Lesson(layers), data()[0]), expected)
    assert calls == []
    np.testing.assert_array_equal(cnn_mnist.predict(Longer(layers), data()[0]), expected)
    assert calls == [1]


def test_a_forward_that_raises_raises():
    class Broken(Listed):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cnn_mnist.fit(Broken(list(network_of_seed())), *data(), epochs=1, batch_size=9, lr=0.1)


def frozen():
    model = network_of_seed()
    model[0].bias.requires_grad = False
    return model


def tied():
    layer = nn.Linear(FEATURES, FEATURES)
    return nn.Sequential(layer, nn.ReLU(), layer)


def sharing():
    model = nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, FEATURES))
    model[1].weight = nn.Parameter(model[0].weight.detach())
    return model


def read_only():
    model = network_of_seed()
    array = model[2].weight.detach().numpy().copy()
    array.flags.writeable = False
    model[2].weight.data = cnn_mnist.from_numpy(array)
    return model


def reshaped(name, shape):
    model = network_of_seed()
    setattr(model[2], name, nn.Parameter(cnn_mnist.zeros(*shape)))
    return model


@pytest.mark.parametrize(
    "make, kind, text",
    [
        (frozen, ValueError, "0.bias does not require grad"),
        (tied, ValueError, "2.weight shares memory with 0.weight"),
        (sharing, ValueError, "1.weight shares memory with 0.weight"),
        (read_only, ValueError, "2.weight is read-only"),
        (lambda: network(cnn_mnist, sizes=(16, 5)), RuntimeError, "x: .* expected 16 columns"),
        (
            lambda: network(cnn_mnist, "float64"),
            RuntimeError,
            "x: .* expected float64.* got float32",
        ),
        (
            lambda: nn.Sequential(nn.Linear(17, 4), nn.Linear(3, 5)),
            RuntimeError,
            "layer 1: expected 4 in_features.* got 3",
        ),
        (
            lambda: nn.Sequential(nn.Linear(17, 4), nn.Linear(4, 5).double()),
            RuntimeError,
            "layer 1: .*float64",
        ),
        (lambda: reshaped("bias", (4,)), RuntimeError, "layer 2: .* bias .O., got"),
        (lambda: reshaped("weight", (5,)), RuntimeError, "layer 2: .* weight .O, I."),
    ],
)
def test_models_that_cannot_be_trained(make, kind, text):
    with pytest.raises(kind, match=text):
        cnn_mnist.fit(make(), *data(), epochs=1, batch_size=10, lr=0.1)


def test_parameters_of_any_layout_are_trained_in_place():
    x, y = data()
    plain, odd = network_of_seed(), network_of_seed()
    holder = np.zeros((FEATURES, 24), np.float32)
    holder[:, ::2] = plain[0].weight.detach().numpy().T
    odd[0].weight = nn.Parameter(holder[:, ::2].T)
    for model in (plain, odd):
        cnn_mnist.fit(model, x, y, epochs=2, batch_size=30, lr=0.2, shuffle=False)
    assert holder[:, ::2].T.tolist() == plain[0].weight.tolist()
    assert not holder[:, 1::2].any()
