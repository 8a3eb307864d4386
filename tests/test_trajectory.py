"""300 steps of training beside PyTorch's, and the reader's own loss beside F.cross_entropy.

Both start from the same seed. In float64 the two trajectories stay together for good, which proves
the algorithm. In float32 rounding feeds on itself, so that the first steps are compared more
tightly than the rest (on these digits PyTorch's float32 stays within 3e-7 of its float64).
"""

import numpy as np
import pytest
import torch

import cnn_mnist
import cnn_mnist.nn.functional as F
from cnn_mnist import datasets

STEPS, BATCH, LR = 300, 64, 0.1


@pytest.fixture(scope="module")
def digits():
    (x, y), _, _ = datasets.digits_sample()
    return np.asarray(x)[:2000], np.asarray(y)[:2000]  # 32 batches, the last of 16 rows


def batches(rows: int):
    """STEPS slices, epoch after epoch in the order of the rows."""
    starts = list(range(0, rows, BATCH))
    return [slice(starts[s % len(starts)], starts[s % len(starts)] + BATCH) for s in range(STEPS)]


def network(package, dtype: str):
    package.manual_seed(1)
    kind = getattr(package, dtype)
    return package.nn.Sequential(
        package.nn.Linear(784, 50, dtype=kind),
        package.nn.ReLU(),
        package.nn.Linear(50, 10, dtype=kind),
    )


def trained(package, functional, dtype: str, x, y):
    """The bare loop, in either package: losses of the steps and the final parameters."""
    model = network(package, dtype)
    x, y = package.tensor(x.astype(dtype)), package.tensor(y)
    losses = []
    for rows in batches(len(x)):
        loss = functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        losses.append(loss.item())
        with package.no_grad():
            for p in model.parameters():
                p -= LR * p.grad
                p.grad.zero_()
    return np.array(losses), [p.detach().numpy() for p in model.parameters()]


@pytest.fixture(scope="module", params=["float32", "float64"])
def expected(request, digits):
    return request.param, *trained(torch, torch.nn.functional, request.param, *digits)


def assert_same_trajectory(dtype, losses, parameters, expected_losses, expected_parameters):
    assert expected_losses[-1] < expected_losses[0] / 3, "it must have learned something"
    early, late, final = (1e-6, 1e-5, 1e-5) if dtype == "float32" else (1e-13, 1e-10, 1e-10)
    np.testing.assert_allclose(losses[:40], expected_losses[:40], rtol=0, atol=early)
    np.testing.assert_allclose(losses, expected_losses, rtol=0, atol=late)
    for ours, theirs in zip(parameters, expected_parameters, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=final)


def test_the_loop_takes_torch_s_steps(expected, digits, isa):
    dtype, *theirs = expected
    assert_same_trajectory(dtype, *trained(cnn_mnist, F, dtype, *digits), *theirs)


def test_fit_takes_torch_s_steps(expected, digits, isa):
    dtype, *theirs = expected
    model = network(cnn_mnist, dtype)
    x, y = digits[0].astype(dtype), digits[1]
    epochs, rest = divmod(STEPS, -(-len(x) // BATCH))
    options = {"batch_size": BATCH, "lr": LR, "shuffle": False}
    history = cnn_mnist.fit(model, x, y, epochs=epochs, **options)
    tail = cnn_mnist.fit(model, x[: rest * BATCH], y[: rest * BATCH], epochs=1, **options)
    losses = np.concatenate([history.loss, tail.loss])
    parameters = [p.detach().numpy() for p in model.parameters()]
    assert_same_trajectory(dtype, losses, parameters, *theirs)


def naive_log_softmax(package, z):
    return package.log(package.exp(z) / package.exp(z).sum(dim=1)[:, None])


def logarithm_of_sum(package, z):
    return z - package.log(package.exp(z).sum(dim=1)[:, None])


def stable_log_softmax(package, z):
    largest = z.max(dim=1)[0][:, None]
    return z - (largest + package.exp(z - largest).sum(dim=1).log()[:, None])


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("log_softmax", [naive_log_softmax, logarithm_of_sum, stable_log_softmax])
def test_the_reader_s_own_loss_has_cross_entropy_s_gradients(
    log_softmax, dtype, tolerance, digits, isa
):
    """From exp, sum, log, max and an index: the gradients that torch gives F.cross_entropy."""
    x, y = digits[0][:512].astype(dtype), digits[1][:512]
    ours, theirs = network(cnn_mnist, dtype), network(torch, dtype)

    log_p = log_softmax(cnn_mnist, ours(cnn_mnist.tensor(x)))
    loss = -log_p[range(len(log_p)), cnn_mnist.tensor(y)].mean()
    loss.backward()
    expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
    expected.backward()

    assert loss.item() == pytest.approx(expected.item(), abs=tolerance)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(np.asarray(p.grad), q.grad.numpy(), rtol=0, atol=tolerance)
