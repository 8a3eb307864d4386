"""The chapter after the lesson, run with torch and with us: the same values all along.

Modules by hand, containers, optimisers, data sets, samplers, loaders, validation.
"""

from functools import partial, reduce

import numpy as np
import pytest
import torch
import torch.nn.functional
import torch.utils.data

import cnn_mnist
from cnn_mnist import datasets

PACKAGES = [cnn_mnist, torch]


@pytest.fixture(scope="module")
def digits():
    (x, y), (x_valid, y_valid), _ = datasets.digits_sample()
    return [np.asarray(each) for each in (x[:600], y[:600], x_valid[:200], y_valid[:200])]


def run(section, digits):
    """What a section returns with either package: texts must be equal, numbers close."""
    results = []
    for t in PACKAGES:
        t.manual_seed(42)
        results.append(list(section(t, *map(t.tensor, digits))))
    for ours, theirs in zip(*results, strict=True):
        if isinstance(theirs, (float, torch.Tensor)):
            np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-5)
        else:
            assert ours == theirs


def accuracy(t, out, yb):
    return (out.argmax(dim=1) == yb).float().mean()


def loop(t, model, x, y, step, zero, bs=100):
    for i in range(0, len(x), bs):
        loss = t.nn.functional.cross_entropy(model(x[i : i + bs]), y[i : i + bs])
        loss.backward()
        step()
        zero()
        yield loss.item()


def test_parameters_by_hand(digits):
    def section(t, x, y, *_):
        class Mine:
            def __init__(self, n_in, nh, n_out):
                self._modules = {}
                self.l1, self.l2 = t.nn.Linear(n_in, nh), t.nn.Linear(nh, n_out)

            def __setattr__(self, name, value):
                if not name.startswith("_"):
                    self._modules[name] = value
                super().__setattr__(name, value)

            def __repr__(self):
                return f"{self._modules}"

            def parameters(self):
                for layer in self._modules.values():
                    yield from layer.parameters()

            def __call__(self, x):
                return self.l2(t.nn.functional.relu(self.l1(x)))

        model = Mine(784, 20, 10)
        yield repr(model)
        for p in model.parameters():
            yield str(tuple(p.shape))

        def step():
            with t.no_grad():
                for p in model.parameters():
                    p -= p.grad * 0.5

        def zero():
            for p in model.parameters():
                p.grad.zero_()

        yield from loop(t, model, x, y, step, zero)

    run(section, digits)


def test_modules_registered_in_three_ways(digits):
    def section(t, x, y, *_):
        class Added(t.nn.Module):
            def __init__(self, layers):
                super().__init__()
                self.layers = layers
                for i, layer in enumerate(layers):
                    self.add_module(f"layer_{i}", layer)

            def forward(self, x):
                return reduce(lambda value, layer: layer(value), self.layers, x)

        class Listed(t.nn.Module):
            def __init__(self, layers):
                super().__init__()
                self.layers = t.nn.ModuleList(layers)

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

        def layers():
            return [t.nn.Linear(784, 20), t.nn.ReLU(), t.nn.Linear(20, 10)]

        for model in (Added(layers()), Listed(layers()), t.nn.Sequential(*layers())):
            yield repr(model)
            yield [name for name, _ in model.named_children()]
            yield [name for name, _ in model.named_parameters()]

            def step(model=model):
                with t.no_grad():
                    for p in model.parameters():
                        p -= p.grad * 0.5

            yield from loop(t, model, x, y, step, model.zero_grad)
            yield accuracy(t, model(x), y)

    run(section, digits)


def test_optimizers(digits):
    class Optimizer:
        def __init__(self, params, lr=0.5, t=None):
            self.params, self.lr, self.t = list(params), lr, t

        def step(self):
            with self.t.no_grad():
                for p in self.params:
                    p -= p.grad * self.lr

        def zero_grad(self):
            for p in self.params:
                p.grad.data.zero_()

    def section(t, x, y, *_):
        for make in (partial(Optimizer, t=t), t.optim.SGD, partial(t.optim.SGD, momentum=0.9)):
            model = t.nn.Sequential(t.nn.Linear(784, 20), t.nn.ReLU(), t.nn.Linear(20, 10))
            optimizer = make(model.parameters(), lr=0.1)
            for _ in range(2):
                yield from loop(t, model, x, y, optimizer.step, optimizer.zero_grad)

    run(section, digits)


def test_data_sets_and_loaders_by_hand(digits):
    def section(t, x, y, *_):
        class Pairs:
            def __init__(self, x, y):
                self.x, self.y = x, y

            def __len__(self):
                return len(self.x)

            def __getitem__(self, i):
                return self.x[i], self.y[i]

        def collate(batch):
            xs, ys = zip(*batch, strict=True)
            return t.stack(xs), t.stack(ys)

        pairs = Pairs(x, y)
        xb, yb = pairs[0:5]
        yield tuple(xb.shape)
        yield yb
        xb, yb = pairs[[3, 6, 8, 1]]
        yield yb
        data = t.utils.data
        batches = data.BatchSampler(data.RandomSampler(pairs), 50, drop_last=False)
        for loader in (
            data.DataLoader(pairs, batch_sampler=batches, collate_fn=collate),
            data.DataLoader(pairs, 50, sampler=data.SequentialSampler(pairs)),
            data.DataLoader(pairs, 64, shuffle=True, drop_last=True),
            data.DataLoader(pairs, sampler=batches),
        ):
            for xb, yb in loader:
                yield tuple(xb.shape)
                yield yb
                yield xb.mean()
            yield len(loader)

    run(section, digits)


def test_training_and_validation(digits):
    def section(t, x, y, x_valid, y_valid):
        data = t.utils.data

        def get_dls(train, valid, bs, **options):
            return (
                data.DataLoader(train, batch_size=bs, shuffle=True, **options),
                data.DataLoader(valid, batch_size=bs * 2, **options),
            )

        train_dl, valid_dl = get_dls(
            data.TensorDataset(x, y), data.TensorDataset(x_valid, y_valid), 50
        )
        model = t.nn.Sequential(t.nn.Linear(784, 20), t.nn.ReLU(), t.nn.Linear(20, 10))
        optimizer = t.optim.SGD(model.parameters(), lr=0.2)
        loss_func = t.nn.CrossEntropyLoss()
        for epoch in range(3):
            model.train()
            for xb, yb in train_dl:
                loss = loss_func(model(xb), yb)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            model.eval()
            with t.no_grad():
                tot_loss, tot_acc, count = 0.0, 0.0, 0
                for xb, yb in valid_dl:
                    pred = model(xb)
                    n = len(xb)
                    count += n
                    tot_loss += loss_func(pred, yb).item() * n
                    tot_acc += accuracy(t, pred, yb).item() * n
            yield epoch
            yield tot_loss / count
            yield tot_acc / count
        yield model.training
        yield list(model.state_dict())

    run(section, digits)
