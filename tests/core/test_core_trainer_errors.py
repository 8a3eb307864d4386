"""What Trainer refuses, and that a refusal says why."""

import re

import numpy as np
import pytest
from small_training import CLASSES, FEATURES, ROWS, csr, trainer

from cnn_mnist import _core


def weights(o, i, dtype=np.float32):
    return np.zeros((o, i), dtype)


def read_only():
    a = weights(CLASSES, FEATURES)
    a.flags.writeable = False
    return a


SHARED = weights(20, 20)
SPARSE = csr(np.eye(ROWS, FEATURES, dtype=np.float32))


def sparse(values=None, index=None, begin=None, shape=None):
    given = (values, index, begin, shape)
    return tuple(b if a is None else a for a, b in zip(given, SPARSE, strict=True))


REFUSED = [
    ({"layers": []}, ValueError, "at least one layer, got 0"),
    ({"layers": 3}, TypeError, "layers must be a list of tuples, not int"),
    ({"layers": [3]}, TypeError, "layers[0] must be a tuple (weight, bias, relu), not 3"),
    (
        {"layers": [(weights(5, 20), None, True), (weights(4, 6), None, False)]},
        RuntimeError,
        "layers[1]: weight: expected shape [4, 5], got [4, 6]",
    ),
    (
        {"layers": [(weights(5, 20), None, True), (weights(4, 5, float), None, False)]},
        RuntimeError,
        "layers[1]: weight: expected dtype float32, got float64",
    ),
    (
        {"layers": [(weights(4, 21), None, True)]},
        RuntimeError,
        "cannot be multiplied (103x20 and 21x4): x has 20 columns, layers[0] takes 21",
    ),
    (
        {"layers": [(weights(4, 20), np.zeros(5, np.float32), True)]},
        RuntimeError,
        "layers[0]: bias: expected shape [4], got [5]",
    ),
    (
        {"layers": [(weights(4, 20), np.zeros(4), True)]},
        RuntimeError,
        "layers[0]: bias: expected dtype float32, got float64",
    ),
    (
        {"layers": [(np.zeros(20, np.float32), None, True)]},
        RuntimeError,
        "layers[0]: weight: expected 2 dimensions, got 1",
    ),
    ({"layers": [(weights(4, 20, int), None, 1)]}, NotImplementedError, "for 'Long'"),
    ({"layers": [(read_only(), None, True)]}, ValueError, "layers[0]: weight is read-only"),
    ({"layers": [(None, None, True)]}, TypeError, "layers[0]: weight must be numpy.ndarray"),
    (
        {"layers": [(SHARED, None, True), (SHARED, None, True)]},
        RuntimeError,
        "layers[1]: weight shares memory with layers[0]: weight",
    ),
    (
        {"layers": [(SHARED, SHARED[3], True)]},
        RuntimeError,
        "layers[0]: bias shares memory with layers[0]: weight",
    ),
    ({"layers": [(weights(0, 20), None, True)]}, ValueError, "at least one class, got 0"),
    ({"x": np.ones((ROWS, 20))}, RuntimeError, "x: expected dtype float32, got float64"),
    ({"x": np.ones(20, np.float32)}, RuntimeError, "x: expected 2 dimensions (rows, columns)"),
    ({"x": np.ones((ROWS, 20), int)}, NotImplementedError, "not implemented for 'Long'"),
    ({"x": 3}, TypeError, "x must be numpy.ndarray, not int"),
    ({"target": np.zeros(9, int)}, ValueError, "batch_size (103) to match target batch_size (9)."),
    ({"target": np.zeros((ROWS, 1), int)}, RuntimeError, "multi-target not supported"),
    (
        {"target": np.zeros(ROWS, "i4")},
        RuntimeError,
        "Long or Byte (int64 or uint8), but got Int (int32)",
    ),
    ({"target": np.full(ROWS, 4)}, IndexError, "Target 4 at row 0 is out of bounds for 4 classes."),
    ({"target": np.full(ROWS, -1)}, IndexError, "Target -1 at row 0 is out of bounds"),
    ({"batch_size": 0}, ValueError, "batch_size: expected a positive number, got 0"),
    ({"batch_size": -1}, ValueError, "batch_size: expected a positive number, got -1"),
    ({"batch_size": 1.5}, TypeError, "batch_size must be int, not float"),
    ({"momentum": "a"}, TypeError, "momentum must be float, not str"),
    ({"class_weight": np.ones(3, "f")}, RuntimeError, "class_weight: expected shape [4], got [3]"),
    ({"class_weight": np.ones(4)}, RuntimeError, "class_weight: expected dtype float32"),
    ({"label_smoothing": 2.0}, RuntimeError, "between 0.0 and 1.0. Got: 2.0"),
    ({"num_threads": -1}, ValueError, "num_threads: expected 1 to 2147483647, got -1"),
    ({"x": (1, 2)}, TypeError, "CSR must be a tuple (values, index, begin, (rows, columns))"),
    ({"x": sparse(shape=3)}, TypeError, "CSR must be a tuple"),
    ({"x": sparse(shape=(-1, 20))}, RuntimeError, "x: rows must be non-negative, got -1"),
    ({"x": sparse(shape=(ROWS, 19))}, ValueError, "index[19] is 19 in row 19, expected rising"),
    ({"x": sparse(shape=(ROWS, 2**31))}, ValueError, "columns are more than int32 can name"),
    ({"x": sparse(shape=(ROWS, 21))}, RuntimeError, "x has 21 columns, layers[0] takes 20"),
    ({"x": sparse(index=SPARSE[1] + 20)}, ValueError, "index[0] is 20 in row 0, expected rising"),
    ({"x": sparse(index=-1 - SPARSE[1])}, ValueError, "index[0] is -1 in row 0"),
    (
        {"x": sparse(index=SPARSE[1].astype(np.int64) + 2**32)},
        ValueError,
        "index[0] is 4294967296 in row 0",
    ),
    ({"x": sparse(index=SPARSE[1].astype(float))}, TypeError, "a vector of int32 or int64"),
    ({"x": sparse(index=SPARSE[1][:-1])}, RuntimeError, "x: index: expected shape [20], got [19]"),
    ({"x": sparse(begin=SPARSE[2][::-1])}, ValueError, "begin[0] is 20, expected a number in [0"),
    ({"x": sparse(begin=SPARSE[2] + 1)}, ValueError, "begin[0] is 1, expected a number in [0, 0]"),
    ({"x": sparse(begin=SPARSE[2] * 2)}, ValueError, "is 22, expected a number in [20, 20]"),
    ({"x": sparse(begin=SPARSE[2][:-1])}, RuntimeError, "begin: expected shape [104], got [103]"),
    ({"x": sparse(values=SPARSE[0].astype(float))}, RuntimeError, "values: expected dtype float32"),
    (
        {"x": sparse(index=np.zeros(20, "i4"), begin=np.array([0] + [20] * ROWS))},
        ValueError,
        "index[1] is 0 in row 0, expected rising columns below 20",
    ),
]


@pytest.mark.parametrize(("changed", "kind", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_refused(changed, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        trainer(**changed)


def test_arguments_are_counted():
    with pytest.raises(TypeError, match="takes exactly 15 positional arguments"):
        _core.Trainer()
    with pytest.raises(TypeError, match="no keyword arguments"):
        _core.Trainer(layers=[])


ORDERS = [
    (np.arange(9), RuntimeError, "order: expected shape [103], got [9]"),
    (np.zeros(ROWS, int), ValueError, "a permutation of 103 rows, got 0 a second time at 1"),
    (np.arange(ROWS) + 1, ValueError, "a permutation of 103 rows, got 103 at 102"),
    (np.arange(ROWS) - 1, ValueError, "a permutation of 103 rows, got -1 at 0"),
    (np.arange(float(ROWS)), TypeError, "order: expected int64, got float64"),
    (3, TypeError, "order must be numpy.ndarray, not int"),
]


@pytest.mark.parametrize(("order", "kind", "text"), ORDERS, ids=[text for *_, text in ORDERS])
def test_order(order, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        trainer().epoch(order, 0.1, None)


def test_arguments_of_epoch():
    run = trainer(fixed_order=True)
    with pytest.raises(ValueError, match="was made for a fixed order"):
        run.epoch(np.arange(ROWS), 0.1, None)
    with pytest.raises(TypeError, match="'poll' must be callable or None, not int"):
        run.epoch(None, 0.1, 3)
    with pytest.raises(TypeError, match="'lr' must be float, not str"):
        run.epoch(None, "a", None)
