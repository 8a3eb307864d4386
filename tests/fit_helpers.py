"""What the tests of fit share: made-up data, networks, and torch's loop as the oracle."""

import itertools

import numpy as np
import torch

import cnn_mnist

ROWS, FEATURES, CLASSES = 203, 17, 5


def data(rows=ROWS, dtype="float32", seed=0, density=0.4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, FEATURES)) * (rng.random((rows, FEATURES)) < density)
    y = (np.abs(x) @ rng.random((FEATURES, CLASSES))).argmax(1)
    return x.astype(dtype), y


def network(t, dtype="float32", sizes=(FEATURES, 12, CLASSES), bias=True):
    layers = []
    for i, o in itertools.pairwise(sizes):
        layers += [t.nn.Linear(i, o, bias=bias, dtype=getattr(t, dtype)), t.nn.ReLU()]
    return t.nn.Sequential(*layers[:-1])


def reference(
    model,
    x,
    y,
    *,
    epochs,
    batch_size,
    lr,
    shuffle=True,
    generator=None,
    weight=None,
    ignore_index=-100,
    label_smoothing=0.0,
    **sgd,
):
    """The loop that everybody writes, with torch: step losses and accuracies."""
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    loader = list(zip(*(each.split(batch_size) for each in tensors), strict=True))
    if shuffle:
        loader = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(*tensors), batch_size, shuffle=True, generator=generator
        )
    loss_of = torch.nn.CrossEntropyLoss(
        None if weight is None else torch.tensor(weight, dtype=tensors[0].dtype),
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, **sgd)
    losses, accuracies = [], []
    for _ in range(epochs):
        for xb, yb in loader:
            logits = model(xb)
            loss = loss_of(logits, yb.long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right = (logits.argmax(1) == yb)[yb != ignore_index]
            accuracies.append(right.double().mean().item())
    return losses, accuracies


def pair(dtype="float32", seed=4, **options):
    """Our network and torch's, with the same parameters and the same state of randomness."""
    cnn_mnist.manual_seed(seed)
    torch.manual_seed(seed)
    return network(cnn_mnist, dtype, **options), network(torch, dtype, **options)


def assert_same(ours, theirs, history, expected, dtype="float32"):
    tight = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(history.loss, expected[0], rtol=0, atol=tight)
    np.testing.assert_allclose(history.accuracy, expected[1], rtol=0, atol=1e-9)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=0, atol=tight)
    assert cnn_mnist.rand(1).item() == torch.rand(1).item()


def network_of_seed(seed=4):
    cnn_mnist.manual_seed(seed)
    return network(cnn_mnist)


def run(model, epochs=3, **options):
    x, y = data()
    return cnn_mnist.fit(
        model, x, y, **{"epochs": epochs, "batch_size": 50, "lr": 0.2, "shuffle": False, **options}
    )


def weights(model):
    return [param.detach().numpy().copy() for param in model.parameters()]


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
