"""cnn_mnist: `fit` and `predict`, the functions on plain arrays, the lesson's loop on the tape."""

from itertools import pairwise

import numpy as np

import cnn_mnist
import cnn_mnist.nn.functional as F
from cnn_mnist import nn

from ..data import SEED, Case
from ..lesson import lesson_loop
from . import Call


def start(threads: int) -> dict[str, str]:
    return {"cnn_mnist": cnn_mnist.__version__}  # the worker's environment has set the threads


def model_of(case: Case) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(case.work.sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    reset(model, case)
    return model


def reset(model: nn.Sequential, case: Case) -> None:
    arrays = [array for layer in case.weights for array in layer]
    for parameter, array in zip(model.parameters(), arrays, strict=True):
        np.asarray(parameter)[...] = array


def fit(case: Case) -> Call:
    work, model = case.work, model_of(case)

    def call():
        reset(model, case)
        generator = cnn_mnist.Generator().manual_seed(SEED) if work.shuffle else None
        history = cnn_mnist.fit(
            model,
            case.x,
            case.y,
            epochs=work.epochs,
            batch_size=work.batch,
            lr=work.lr,
            shuffle=work.shuffle,
            generator=generator,
        )
        return history.epoch_loss

    return call


def loop(case: Case) -> Call:
    return lambda: lesson_loop(cnn_mnist, nn, F, case)


def predict(case: Case) -> Call:
    model = model_of(case)
    return lambda: cnn_mnist.predict(model, case.x)


def functional(case: Case) -> Call:
    x, y = case.x, case.y
    if case.work.operation == "cross_entropy":
        return lambda: F.cross_entropy(x, y)
    if case.work.operation == "cross_entropy_gradient":
        leaf = cnn_mnist.tensor(x).requires_grad_()
        target = cnn_mnist.from_numpy(y)

        def call():
            leaf.grad = None
            F.cross_entropy(leaf, target).backward()
            return leaf.grad

        return call
    operation = getattr(F, case.work.operation)
    return lambda: operation(x, dim=1)
