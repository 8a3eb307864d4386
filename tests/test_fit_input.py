"""What fit takes and what it refuses: rows, labels, options."""

import numpy as np
import pytest
import scipy.sparse
import torch
from fit_helpers import FEATURES, ROWS, data, network, network_of_seed

import cnn_mnist
from cnn_mnist.random import default_generator


def test_everything_that_holds_rows(tmp_path):
    x, y = data()
    np.save(tmp_path / "x.npy", x)
    wide = np.zeros((2 * ROWS, FEATURES + 3), np.float32)
    wide[::2, :FEATURES] = x
    read = x.copy()
    read.flags.writeable = False
    csr = scipy.sparse.csr_matrix(x)
    unsorted = csr.copy()
    for row in range(ROWS):
        part = slice(*unsorted.indptr[row : row + 2])
        unsorted.indices[part] = unsorted.indices[part][::-1]
        unsorted.data[part] = unsorted.data[part][::-1]
    unsorted.has_sorted_indices = unsorted.has_canonical_format = False
    wide_index = csr.copy()
    wide_index.indices = csr.indices.astype(np.int64)
    wide_index.indptr = csr.indptr.astype(np.int64)
    halves = scipy.sparse.coo_matrix(
        (np.tile(csr.tocoo().data / 2, 2), [np.tile(each, 2) for each in csr.nonzero()]), x.shape
    )
    holders = {
        "array": x,
        "Tensor": cnn_mnist.from_numpy(x),
        "torch": torch.from_numpy(x),
        "memory map": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "fortran": np.asfortranarray(x),
        "strided": wide[::2, :FEATURES],
        "read-only": read,
        "list": x.tolist(),
        "csr": csr,
        "csr array": scipy.sparse.csr_array(x),
        "csc": csr.tocsc(),
        "coo": csr.tocoo(),
        "unsorted": unsorted,
        "wide index": wide_index,
        "duplicates": halves,
        "requires grad": cnn_mnist.tensor(x, requires_grad=True),
    }
    before = x.tobytes(), unsorted.indices.tobytes()
    expected = None
    for name, holder in holders.items():
        model = network_of_seed()
        history = cnn_mnist.fit(model, holder, y, epochs=2, batch_size=30, lr=0.2, shuffle=False)
        answer = cnn_mnist.predict(model, holder, probabilities=True)
        if expected is None:
            expected = history.loss, np.asarray(answer)
        np.testing.assert_allclose(history.loss, expected[0], atol=1e-6, err_msg=name)
        np.testing.assert_allclose(np.asarray(answer), expected[1], atol=1e-6, err_msg=name)
    assert before == (x.tobytes(), unsorted.indices.tobytes())


def test_everything_that_holds_labels():
    x, y = data()
    losses = [
        cnn_mnist.fit(
            network_of_seed(), x, labels, epochs=1, batch_size=30, lr=0.2, shuffle=False
        ).loss.tolist()
        for labels in (
            y,
            y.astype(np.uint8),
            y.tolist(),
            cnn_mnist.tensor(y),
            torch.from_numpy(y),
            np.repeat(y, 2)[::2],
        )
    ]
    assert all(each == losses[0] for each in losses)


def changed(y, row, value, dtype=np.int64):
    y = y.astype(dtype)
    y[row] = value
    return y


@pytest.mark.parametrize(
    "change, kind, text",
    [
        (lambda x, y: (x[:-1], y), ValueError, r"y: .*batch_size \(202\).*batch_size \(203\)"),
        (lambda x, y: (x[:0], y[:0]), ValueError, "x: expected at least one row"),
        (
            lambda x, y: (x, changed(y, 7, 5)),
            IndexError,
            "y: Target 5 at row 7 is out of .* 5 classes",
        ),
        (lambda x, y: (x, changed(y, 9, -1)), IndexError, "y: Target -1 at row 9"),
        (lambda x, y: (x, changed(y, 9, 255, np.uint8)), IndexError, "y: Target 255 at row 9"),
        (
            lambda x, y: (x, y.astype(np.int32)),
            RuntimeError,
            "y: .*int64 or uint8.*got Int .int32.: write np.asarray",
        ),
        (lambda x, y: (x, y.astype(str)), RuntimeError, "y: .*got str_: write np.asarray"),
        (
            lambda x, y: (x, y.astype(np.float32)),
            RuntimeError,
            "y: .*int64 or uint8.*got Float .float32.: write np.asarray",
        ),
        (
            lambda x, y: (x, y[:, None]),
            RuntimeError,
            r"y: .*multi-target not supported",
        ),
        (lambda x, y: (x, None), RuntimeError, "y: "),
        (
            lambda x, y: (x, scipy.sparse.csr_matrix(y)),
            TypeError,
            r"y: a csr_matrix is sparse, Tensors are not: write x.toarray\(\)",
        ),
        (lambda x, y: (None, y), RuntimeError, "x: "),
        (lambda x, y: (x[0], y), RuntimeError, r"x: expected shape \(N, 17\), got \(17,\)"),
        (
            lambda x, y: (x[:, None], y),
            RuntimeError,
            r"x: expected shape .* got \(203, 1, 17\); nn.Fl",
        ),
        (
            lambda x, y: (x[:, :3], y),
            RuntimeError,
            "x: mat1 and mat2 .* expected 17 columns.* got 3",
        ),
        (
            lambda x, y: (x.astype(np.float64), y),
            RuntimeError,
            "x: .*expected float32.* got float64",
        ),
        (lambda x, y: (x.astype(np.uint8), y), RuntimeError, "x: .*expected float32.* got uint8"),
        (
            lambda x, y: (scipy.sparse.csr_matrix(x.astype(np.float64)), y),
            RuntimeError,
            "x: .*float64",
        ),
        (
            lambda x, y: (scipy.sparse.csr_matrix(x[:, 1:]), y),
            RuntimeError,
            "x: .*columns.* got 16",
        ),
        (lambda x, y: (np.array(["a"]), y), RuntimeError, "x: "),
    ],
)
def test_data_that_does_not_fit(change, kind, text):
    x, y = data()
    model = network_of_seed()
    before = model.state_dict()["0.weight"].tolist()
    with pytest.raises(kind, match=text):
        cnn_mnist.fit(model, *change(x, y), epochs=1, batch_size=10, lr=0.1)
    with pytest.raises(kind, match=text):
        cnn_mnist.fit(model, x, y, epochs=1, batch_size=10, lr=0.1, validation=change(x, y))
    assert model[0].weight.tolist() == before


@pytest.mark.parametrize(
    "place, value, text",
    [
        (5, 10**8, r"x: begin\[5\] is 100000000"),
        (7, 0, r"x: begin\[7\] is 0"),
        (-1, 10**6, "x: .*1000000"),
    ],
)
def test_a_sparse_matrix_whose_row_pointers_are_wrong(place, value, text):
    x, y = data()
    csr = scipy.sparse.csr_matrix(x)
    csr.indptr[place] = value
    with pytest.raises((ValueError, IndexError, RuntimeError), match=text):
        cnn_mnist.fit(network_of_seed(), csr, y, epochs=1, batch_size=10, lr=0.1)


def test_ignored_labels_may_be_out_of_range():
    x, y = data()
    for value in (-100, 99):
        labels = changed(y, slice(0, 40, 3), value)
        history = cnn_mnist.fit(
            network_of_seed(), x, labels, epochs=1, batch_size=30, lr=0.2, ignore_index=value
        )
        assert np.isfinite(history.loss).all()


@pytest.mark.parametrize(
    "options, kind, text",
    [
        ({"epochs": 0}, ValueError, "epochs: expected at least 1, got 0"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"epochs": 1.5}, TypeError, "epochs: expected an int"),
        ({"epochs": True}, TypeError, "epochs"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -3}, ValueError, "batch_size"),
        ({"batch_size": "a"}, TypeError, "batch_size"),
        ({"lr": -1}, ValueError, "lr: .* got -1"),
        ({"lr": float("nan")}, ValueError, "lr: .* got nan"),
        ({"lr": float("inf")}, ValueError, "lr"),
        ({"lr": "a"}, TypeError, "lr: "),
        ({"lr": np.ones(2)}, TypeError, "lr: expected a number, got array"),
        ({"lr": 1e39}, ValueError, "lr: expected a finite float32"),
        ({"momentum": 1e39}, ValueError, "momentum: expected a finite float32"),
        ({"weight_decay": 1e39}, ValueError, "weight_decay: expected a finite float32"),
        ({"momentum": -0.1}, ValueError, "momentum"),
        ({"momentum": float("nan")}, ValueError, "mom"),
        ({"weight_decay": -1}, ValueError, "weight_decay"),
        ({"nesterov": True}, ValueError, "Nesterov"),
        ({"nesterov": "no"}, TypeError, "nesterov: expected a bool, got 'no'"),
        ({"shuffle": "no"}, TypeError, "shuffle: expected a bool, got 'no'"),
        ({"shuffle": None}, TypeError, "shuffle: expected a bool, got None"),
        ({"progress": 1}, TypeError, "progress: expected a bool, got 1"),
        ({"label_smoothing": 1.5}, RuntimeError, "label_smoothing"),
        ({"label_smoothing": -0.5}, RuntimeError, "label_smoothing"),
        ({"label_smoothing": "a"}, TypeError, "label_smoothing: expected a number, got 'a'"),
        ({"label_smoothing": None}, TypeError, "label_smoothing: expected a number, got None"),
        ({"weight": "a"}, TypeError, "weight: "),
        ({"label_smoothing": float("nan")}, RuntimeError, "label_smoothing"),
        ({"weight": np.ones(4)}, RuntimeError, r"all 5 classes .* shape: \[4\]"),
        ({"weight": 3.0}, RuntimeError, "weight"),
        ({"weight": np.ones(5)}, RuntimeError, "expected scalar type Float but found Double"),
        ({"weight": np.ones(5, int)}, RuntimeError, "expected scalar type Float but found Long"),
        ({"ignore_index": 1.5}, TypeError, "ignore_index"),
        ({"num_threads": 0}, ValueError, "num_threads"),
        ({"num_threads": 2**31}, ValueError, "num_threads: expected 1 to 2147483647"),
        ({"num_threads": 1.5}, TypeError, "num_thr"),
        ({"generator": 3}, TypeError, "generator"),
        ({"validation": 3}, TypeError, "validation"),
        ({"validation": (1, 2, 3)}, ValueError, "validation"),
        ({"callback": 3}, TypeError, "callback"),
    ],
)
def test_options_out_of_range(options, kind, text):
    model = network_of_seed()
    before = model[0].weight.tolist(), default_generator.get_state().tolist()
    with pytest.raises(kind, match=text):
        cnn_mnist.fit(model, *data(), **{"epochs": 1, "batch_size": 10, "lr": 0.1, **options})
    assert before == (model[0].weight.tolist(), default_generator.get_state().tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_classes_are_of_the_models_dtype_or_python_numbers(dtype):
    x, y = data(dtype=dtype)
    losses = []
    for weight in ([1, 2, 0.5, 1, 3], np.array([1, 2, 0.5, 1, 3], dtype)):
        cnn_mnist.manual_seed(4)
        model = network(cnn_mnist, dtype)
        losses.append(cnn_mnist.fit(model, x, y, epochs=1, batch_size=9, lr=0.1, weight=weight))
    assert losses[0].loss.tolist() == losses[1].loss.tolist()


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "options, reason",
    [
        ({"ignore_index": 3}, "all its rows have the label 3, which is ignored"),
        ({"weight": [1, 1, 1, 0, 1]}, "all its rows are of classes of weight 0"),
        ({"lr": 1e30}, None),
    ],
)
def test_a_mean_loss_of_nothing_says_so(options, reason, shuffle):
    x, y = data()
    if reason:
        y = np.full_like(y, 3)
    model = network_of_seed()
    before = model[0].weight.tolist()
    options = {"epochs": 2, "batch_size": 50, "lr": 0.1, "shuffle": shuffle, **options}
    with pytest.raises(FloatingPointError, match="^epoch 1: the loss of step . is ") as error:
        cnn_mnist.fit(model, x, y, **options)
    assert str(error.value).endswith(reason or "before that step")
    assert not reason or before == model[0].weight.tolist()


def test_another_byte_order():
    x, y = data()
    weight = np.float32([1, 2, 0.5, 1, 3])
    models = network_of_seed(), network_of_seed()
    options = {"epochs": 1, "batch_size": 50, "lr": 0.2, "shuffle": False}
    cnn_mnist.fit(models[0], x, y, weight=weight, **options)
    swapped = [each.astype(each.dtype.newbyteorder()) for each in (x, y, weight)]
    cnn_mnist.fit(models[1], *swapped[:2], weight=swapped[2], **options)
    assert models[0][0].weight.tolist() == models[1][0].weight.tolist()
    assert (cnn_mnist.predict(models[0], x) == cnn_mnist.predict(models[1], swapped[0])).all()
    F = cnn_mnist.nn.functional
    assert (F.one_hot(y) == F.one_hot(swapped[1])).all()
