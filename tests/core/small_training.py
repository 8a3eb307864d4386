"""A small training problem, and a Trainer of it."""

import itertools

import numpy as np
import scipy.sparse

from cnn_mnist import _core

ROWS, FEATURES, CLASSES = 103, 20, 4


def network(depth, dtype, seed=0):
    """[(weight, bias)] of a chain that ends in CLASSES outputs."""
    rng = np.random.default_rng(seed)
    sizes = [FEATURES, *[7, 6, 5][: depth - 1], CLASSES]
    return [
        (rng.normal(0, 0.3, (o, i)).astype(dtype), rng.normal(0, 0.1, o).astype(dtype))
        for i, o in itertools.pairwise(sizes)
    ]


def layers_of(parameters):
    last = len(parameters) - 1
    return [(weight, bias, i < last) for i, (weight, bias) in enumerate(parameters)]


def data(dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, FEATURES)).astype(dtype)
    x[rng.random(x.shape) < 0.6] = 0
    return x, rng.integers(0, CLASSES, ROWS)


def csr(x):
    matrix = scipy.sparse.csr_matrix(x)
    return matrix.data, matrix.indices, matrix.indptr, matrix.shape


def trainer(layers=None, x=None, target=None, **changed):
    """A Trainer of a small problem, with some of its arguments changed."""
    arguments = {
        "layers": layers_of(network(2, np.float32)) if layers is None else layers,
        "relu_input": False,
        "x": data(np.float32)[0] if x is None else x,
        "target": data(np.float32)[1] if target is None else target,
        "batch_size": 16, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0,
        "nesterov": False, "maximize": False, "class_weight": None, "ignore_index": -100,
        "label_smoothing": 0.0, "fixed_order": False, "num_threads": 0,
    }  # fmt: skip
    unknown = set(changed) - set(arguments)
    assert not unknown
    return _core.Trainer(*(arguments | changed).values())
