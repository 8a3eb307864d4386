"""Wrong arguments of the compiled functions: torch's type of error, and a text that helps."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cnn_mnist import _core


def f32(*shape):
    return np.zeros(shape, np.float32)


def f64(*shape):
    return np.zeros(shape)


def ints(*values, dtype=np.int64):
    return np.array(values, dtype)


class Torch:
    """torch's functions, on arrays and with _core's arguments."""

    def __getattr__(self, name):
        def call(*args):
            tensors = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in args]
            return getattr(self, "_" + name)(*tensors)

        return call

    @staticmethod
    def _softmax(x, dim):
        return F.softmax(x, dim)

    @staticmethod
    def _log_softmax(x, dim):
        return F.log_softmax(x, dim)

    @staticmethod
    def _logsumexp(x, dim, keepdim):
        return torch.logsumexp(x, dim, keepdim)

    @staticmethod
    def _linear(x, weight, bias):
        return F.linear(x, weight, bias)

    @staticmethod
    def _nll_loss(x, target, weight, ignore_index, reduction):
        reduction = ["none", "mean", "sum"][reduction]
        return F.nll_loss(x, target, weight, ignore_index=ignore_index, reduction=reduction)

    @staticmethod
    def _cross_entropy(x, target, weight, ignore_index, reduction, smoothing, *_):
        return F.cross_entropy(
            x, target, weight, ignore_index=ignore_index,
            reduction=["none", "mean", "sum"][reduction], label_smoothing=smoothing,
        )  # fmt: skip


def ce(x, target, weight=None, ignore_index=-100, reduction=1, smoothing=0.0):
    return lambda m: m.cross_entropy(
        x, target, weight, ignore_index, reduction, smoothing, False, False
    )


def nll(x, target, weight=None, ignore_index=-100, reduction=1):
    return lambda m: m.nll_loss(x, target, weight, ignore_index, reduction)


# A call that both refuse with the same type of error, and what our text says.
LIKE_TORCH = [
    (lambda m: m.softmax(f32(2, 3), 5), "range of [-2, 1], but got 5"),
    (lambda m: m.softmax(f32(2, 3), -3), "range of [-2, 1], but got -3"),
    (lambda m: m.softmax(f32(), 1), "range of [-1, 0], but got 1"),
    (lambda m: m.log_softmax(f32(2, 3), 2), "range of [-2, 1], but got 2"),
    (lambda m: m.logsumexp(f32(2, 3), 5, False), "range of [-2, 1], but got 5"),
    (lambda m: m.softmax(ints(1, 2), 7), "range of [-1, 0], but got 7"),
    (lambda m: m.softmax(f32(2, 3), 1.5), "'dim' must be int, not float"),
    (lambda m: m.softmax(f32(2, 3), True), "'dim' must be int, not bool"),
    (lambda m: m.softmax(f32(2, 3), "a"), "'dim' must be int, not str"),
    (lambda m: m.softmax(f32(2, 3), 2**70), "does not fit in 64 bits"),
    (
        lambda m: m.softmax(np.zeros((2, 3), int), 1),
        "\"softmax_lastdim_kernel_impl\" not implemented for 'Long'",
    ),
    (
        lambda m: m.softmax(np.zeros((2, 3), int), 0),
        "\"softmax_kernel_impl\" not implemented for 'Long'",
    ),
    (
        lambda m: m.log_softmax(np.zeros((2, 3), np.int32), 1),
        "\"log_softmax_lastdim_kernel_impl\" not implemented for 'Int'",
    ),
    (lambda m: m.softmax(np.zeros((2, 3), bool), 1), "not implemented for 'Bool'"),
    (lambda m: m.softmax(np.zeros((2, 3), np.uint8), 1), "not implemented for 'Byte'"),
    (lambda m: m.softmax(np.zeros((2, 3), complex), 1), "not implemented for 'ComplexDouble'"),
    (lambda m: m.linear(f32(), f32(4, 3), None), "at least 1D, but they are 0D and 2D"),
    (lambda m: m.linear(f32(2, 3), f32(), None), "at least 1D, but they are 2D and 0D"),
    (lambda m: m.linear(f32(2, 3), f32(2, 4, 3), None), "weight': expected at most 2 dimensions"),
    (
        lambda m: m.linear(f32(2, 3), f32(4, 5), None),
        "cannot be multiplied (2x3 and 5x4): input: expected last dimension 5, as of weight [4, 5], got 3",
    ),
    (lambda m: m.linear(f32(3), f32(4, 5), None), "cannot be multiplied (1x3 and 5x4)"),
    (lambda m: m.linear(f32(2, 2, 3), f32(4, 5), None), "cannot be multiplied (4x3 and 5x4)"),
    (lambda m: m.linear(f32(2, 3), f32(5), None), "size mismatch, got input (2), mat (2x3), vec"),
    (
        lambda m: m.linear(f32(3), f32(5), None),
        "input: expected last dimension 5, as of weight [5], got 3",
    ),
    (lambda m: m.linear(f32(2, 3), f32(4, 3), f32(5)), "bias': expected shape [4], got [5]"),
    (lambda m: m.linear(f32(2, 3), f32(3), f32()), "takes no bias with a 2-D input"),
    (lambda m: m.linear(f32(3), f32(3), f32(1)), "bias': expected shape [], got [1]"),
    (
        lambda m: m.linear(f64(2, 3), f32(4, 3), None),
        "weight': expected dtype float64, got float32: input.float(), of a plain array input.astype('float32'), is of",
    ),
    (
        lambda m: m.linear(f32(2, 3), f64(4, 3), None),
        "got float64: input.double(), of a plain array",
    ),
    (lambda m: m.linear(f32(2, 3), f32(4, 3), f64(4)), "bias': expected dtype float32"),
    (lambda m: m.linear(np.zeros((2, 3), int), f32(4, 3), None), "weight': expected dtype int64"),
    (lambda m: m.linear([1.0], f32(4, 1), None), "'input' must be numpy.ndarray, not list"),
    (lambda m: m.linear(None, f32(4, 1), None), "'input' must be numpy.ndarray, not NoneType"),
    (nll(f32(2, 3), ints(0, 3)), "Target 3 at row 1 is out of bounds for 3 classes."),
    (nll(f32(2, 3), ints(-1, 0)), "Target -1 at row 0 is out of bounds for 3 classes."),
    (ce(f32(2, 3), ints(0, 3), reduction=0), "Target 3 at row 1 is out of bounds for 3 classes."),
    (ce(f32(2, 3), ints(0, 12), smoothing=0.1), "Target 12 at row 1 is out of bounds"),
    (ce(f32(3), np.array(3)), "Target 3 is out of bounds for 3 classes."),
    (ce(f32(2, 3, 4), np.full((2, 4), 7)), "Target 7 at position [0, 0] is out of bounds for 3"),
    (ce(f32(2, 3, 1, 2), np.array([[[0, 1]], [[2, 9]]])), "Target 9 at position [1, 0, 1] is"),
    (ce(f32(2, 0), ints(0, 1)), "Target 0 at row 0 is out of bounds for 0 classes."),
    (ce(f32(), ints(0, 1)), "expected input of shape (C), (N, C) or (N, C, d1, ...), got ()"),
    (ce(f32(0, 3), np.array(0)), "Dimension specified as 0 but tensor has no dimensions: target"),
    (nll(f32(), np.array(0)), "Expected 1 or more dimensions (got 0)"),
    (nll(f32(2, 3), ints(1, 2, 0)), "input batch_size (2) to match target batch_size (3)."),
    (ce(f32(2, 3), np.array(1)), "input batch_size (2) to match target batch_size (0)."),
    (ce(f32(2, 3, 4), np.zeros((3, 4), int)), "batch_size (2) to match target batch_size (3)."),
    (ce(f32(2, 3), np.zeros((2, 2), int)), "multi-target not supported"),
    (ce(f32(2, 3), f32(2, 4)), "multi-target not supported"),
    (ce(f32(3), ints(1, 2)), "For 1D input, 1D target must have size 1, but got target size: 2"),
    (ce(f32(2, 3, 4), np.zeros((2, 5), int)), "Expected target size [2, 4], got [2, 5]"),
    (ce(f32(2, 3, 4), np.zeros(2, int)), "Expected target size [2, 4], got [2]"),
    (ce(f32(2, 3, 4, 5, 6), np.zeros((2, 4, 5, 7), int)), "Expected target size [2, 4, 5, 6], got"),
    (
        nll(f32(2, 3), ints(0, 1, dtype=np.int32)),
        "dtype to be Long or Byte (int64 or uint8), but got Int (int32)",
    ),
    (
        ce(f32(2, 3), f32(2)),
        "expected target dtype to be Long or Byte (int64 or uint8), but got Float (float32)",
    ),
    (
        ce(f32(2, 3), ints(0, 1, dtype=bool)),
        "dtype to be Long or Byte (int64 or uint8), but got Bool (bool)",
    ),
    (
        ce(f32(2, 3, 4), np.zeros((2, 4), np.uint8)),
        "dtype to be Long (int64) for an input of more than two",
    ),
    (
        nll(f32(2, 3, 4), np.zeros((2, 4), np.uint8)),
        "two dimensions, but got Byte (uint8): write np.asarray(y, np.int64)",
    ),
    (ce(f32(2, 3), np.zeros((2, 3), int)), "Expected floating point type for target with class"),
    (
        ce(f32(2, 3), ints(0, 1), f32(2)),
        "all 3 classes or no classes but got weight tensor of shape: [2]",
    ),
    (nll(f32(2, 3), ints(0, 1), f32(1, 3)), "got weight tensor of shape: [1, 3]"),
    (ce(f32(2, 3), f32(2, 3), f32(2)), "got weight tensor of shape: [2]"),
    (nll(f32(2, 3), ints(0, 1), f64(3)), "weight': expected dtype float32, got float64"),
    (ce(f32(2, 3), f32(2, 3), ignore_index=1), "ignore_index is not supported for floating point"),
    (ce(f32(2, 3), f32(2, 3), smoothing=2.0), "must be between 0.0 and 1.0. Got: 2.0"),
    (ce(f32(2, 3), ints(0, 1), smoothing=1.5), "must be between 0.0 and 1.0. Got: 1.5"),
    (ce(f32(), f32()), "Dimension specified as 1 but tensor has no dimensions"),
    (ce(np.zeros((2, 3), int), ints(0, 1)), "not implemented for 'Long'"),
    (nll(np.zeros((2, 3), int), ints(0, 1)), "\"nll_loss_out_frame\" not implemented for 'Long'"),
    (nll(f32(2, 3), ints(0, 1), ignore_index=2**70), "does not fit in 64 bits"),
    (nll(f32(2, 3), ints(0, 1), ignore_index=1.5), "'ignore_index' must be int, not float"),
    # more than one thing is wrong: the same one is reported
    (ce(f32(2, 3), ints(0, 5), f32(2)), "weight tensor"),
    (ce(f32(2, 3), ints(0, 5, dtype=np.int32), f32(2)), "dtype to be Long"),
    (ce(f32(2, 3), ints(0, 1, 2, dtype=np.int32), f32(2)), "batch_size (2)"),
    (ce(f32(2, 3), ints(0, 1, 2), smoothing=2.0), "between 0.0 and 1.0"),
    (ce(np.zeros((2, 3), int), ints(0, 1, 2)), "not implemented for 'Long'"),
    (ce(np.zeros((2, 3), int), ints(0, 1), f64(2)), "not implemented for 'Long'"),
    (ce(f32(2, 3), ints(0, 5), f64(2)), "weight tensor"),
    (ce(f32(2, 3), f32(2, 3), f32(2), smoothing=2.0), "weight tensor"),
]


@pytest.mark.parametrize(("call", "text"), LIKE_TORCH, ids=[text for _, text in LIKE_TORCH])
def test_type_of_error_is_torchs(call, text):
    with pytest.raises(Exception) as theirs:
        call(Torch())
    with pytest.raises(theirs.type, match=re.escape(text)) as ours:
        call(_core)
    assert ours.type is theirs.type


# What torch accepts or has no word for.
OURS = [
    (lambda: _core.softmax(f32(2, 3)), TypeError, "softmax() takes exactly 2 positional arguments"),
    (lambda: _core.relu(ints(1)), NotImplementedError, "\"relu\" not implemented for 'Long'"),
    (lambda: _core.relu(np.array("a")), NotImplementedError, "not implemented for 'str_'"),
    (lambda: _core.relu(np.zeros(2, np.float16)), NotImplementedError, "for 'Half'"),
    (lambda: _core.relu(np.zeros(2, np.longdouble)), NotImplementedError, "for 'longdouble'"),
    (lambda: _core.relu(np.zeros(2, object)), NotImplementedError, "for 'object_'"),
    (
        lambda: _core.relu([1.0]),
        TypeError,
        "relu(): argument 'input' must be numpy.ndarray, not list",
    ),
    (lambda: _core.relu(None), TypeError, "not NoneType"),
    (lambda: _core.exp(1.0), TypeError, "exp(): argument 'input' must be numpy.ndarray, not float"),
    (lambda: _core.sum(ints(1)), NotImplementedError, "\"sum\" not implemented for 'Long'"),
    (lambda: _core.sum(1.0), TypeError, "sum(): argument 'input' must be numpy.ndarray, not float"),
    (lambda: _core.argmax(ints(1)), NotImplementedError, "\"argmax\" not implemented for 'Long'"),
    (lambda: _core.argmax([1.0]), TypeError, "argmax(): argument 'input' must be numpy.ndarray"),
    (lambda: _core.argmax(f32()), IndexError, "a last dimension of at least one element, got []"),
    (lambda: _core.argmax(f32(2, 0)), IndexError, "of at least one element, got [2, 0]"),
    (lambda: _core.relu_backward(f32(2), f32(3)), RuntimeError, "expected shape [3], got [2]"),
    (lambda: _core.relu_backward(f64(3), f32(3)), RuntimeError, "expected dtype float32"),
    (
        lambda: _core.softmax_backward(f32(2), f32(3), 0),
        RuntimeError,
        "'grad_output': expected shape [3]",
    ),
    (
        lambda: _core.softmax_backward(f64(3), f32(3), 0),
        RuntimeError,
        "'grad_output': expected dtype",
    ),
    (
        lambda: _core.logsumexp_backward(f32(2), f32(2, 3), f32(2, 1), 1, True),
        RuntimeError,
        "'grad_output': expected shape [2, 1], got [2]",
    ),
    (
        lambda: _core.logsumexp_backward(f32(2), f32(2, 3), f64(2), 1, False),
        RuntimeError,
        "'output': expected dtype float32, got float64",
    ),
    (
        lambda: _core.linear_backward(f32(2, 4), None, None, True, False, False),
        ValueError,
        "the gradient of input needs 'weight'",
    ),
    (
        lambda: _core.linear_backward(f32(2, 4), None, f32(4, 3), False, True, False),
        ValueError,
        "the gradient of weight needs 'input'",
    ),
    (
        lambda: _core.linear_backward(f32(2, 4), f32(3, 3), f32(4, 3), True, True, True),
        RuntimeError,
        "'input': expected shape [2, 3], got [3, 3]",
    ),
    (
        lambda: _core.linear_backward(f32(2, 4), f32(2, 3), f32(5, 3), True, True, True),
        RuntimeError,
        "'weight': expected shape [4, 3], got [5, 3]",
    ),
    (
        lambda: _core.linear_backward(f32(2, 4), f64(2, 3), f32(4, 3), True, True, True),
        RuntimeError,
        "'input': expected dtype float32, got float64",
    ),
    (
        lambda: _core.nll_loss_backward(f32(2), f32(2, 3), ints(0, 1), None, -100, 1),
        RuntimeError,
        "'grad_output': expected shape [], got [2]",
    ),
    (
        lambda: _core.nll_loss_backward(f32(3), f32(2, 3), ints(0, 1), None, -100, 0),
        RuntimeError,
        "'grad_output': expected shape [2], got [3]",
    ),
    (lambda: nll(f32(2, 3), ints(0, 1), reduction=3)(_core), ValueError, "3 is not a valid value"),
    (
        lambda: _core.cross_entropy(f32(2, 3), ints(0, 1), None, -100, 1, 0.0, True, True),
        RuntimeError,
        "class indices have no gradient",
    ),
    (
        lambda: _core.cross_entropy(f32(2, 3), ints(0, 1), None, -100, 1, "a", True, False),
        TypeError,
        "'label_smoothing' must be float, not str",
    ),
    (lambda: ce(f32(2, 3), f64(2, 3))(_core), RuntimeError, "'target': expected dtype float32"),
    (
        lambda: _core.linear_backward(f32(2, 4), f32(2, 3), f32(4, 5), True, True, True),
        RuntimeError,
        "'weight': expected shape [4, 3], got [4, 5]",
    ),
    (
        lambda: _core.linear_backward(f32(2), f32(2, 3), f32(5), True, True, True),
        RuntimeError,
        "'weight': expected shape [3], got [5]",
    ),
    (
        lambda: _core.cross_entropy_backward(f32(2), f32(2, 3), 1),
        RuntimeError,
        "'grad_output': expected shape [], got [2]",
    ),
    (
        lambda: _core.cross_entropy_backward(f32(), f32(2, 3), 0),
        RuntimeError,
        "'grad_output': expected shape [2], got []",
    ),
    (lambda: _core.cross_entropy_backward(f32(), f32(2, 3), 3), ValueError, "3 is not a valid"),
    (
        lambda: _core.cross_entropy_backward(f32(3), f32(2, 3), 0),
        RuntimeError,
        "expected shape [2]",
    ),
    (
        lambda: _core.cross_entropy_backward(f64(), f32(2, 3), 1),
        RuntimeError,
        "expected dtype float32",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), OURS, ids=[text for *_, text in OURS])
def test_error(call, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        call()


def step(param, grad, buffer=None, lr=0.1):
    _core.sgd_step(param, grad, buffer, lr, 0.9, 0.0, 0.0, False, False, True)


def read_only():
    a = f32(4)
    a.flags.writeable = False
    return a


BASE = np.zeros((4, 4), np.float32)

SGD = [
    (lambda: step(read_only(), f32(4)), ValueError, "'param' is read-only"),
    (lambda: step(f32(4), f32(4), read_only()), ValueError, "'buffer' is read-only"),
    (lambda: step(np.broadcast_to(f32(4), (3, 4)).copy()[:, :0], f32(3, 4)), RuntimeError, "shape"),
    (lambda: step(f32(4), f32(5)), RuntimeError, "'grad': expected shape [4], got [5]"),
    (lambda: step(f32(4), f64(4)), RuntimeError, "'grad': expected dtype float32, got float64"),
    (lambda: step(f32(4), f32(4), f32(5)), RuntimeError, "'buffer': expected shape [4], got [5]"),
    (lambda: step(f32(4), f32(4), f64(4)), RuntimeError, "'buffer': expected dtype float32"),
    (lambda: step(BASE[:2], BASE[1:3]), RuntimeError, "'param' shares memory with"),
    (lambda: step(BASE[0], f32(4), BASE[0]), RuntimeError, "'param' shares memory with"),
    (lambda: step(f32(4), BASE[0], BASE[:, 0]), RuntimeError, "'grad' shares memory with"),
    (lambda: step(np.float32(1), f32()), TypeError, "'param' must be numpy.ndarray, not numpy.flo"),
    (
        lambda: step(ints(1), ints(1)),
        NotImplementedError,
        "\"sgd_step\" not implemented for 'Long'",
    ),
    (lambda: step(f32(4), f32(4), lr="a"), TypeError, "'lr' must be float, not str"),
]


@pytest.mark.parametrize(("call", "kind", "text"), SGD, ids=[text for *_, text in SGD])
def test_error_of_sgd_step(call, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        call()


def test_a_failed_step_changes_nothing():
    param, buffer = np.ones((3, 4), np.float32)[:, ::2], np.ones((3, 2))
    with pytest.raises(RuntimeError, match="dtype"):
        step(param, np.ones((3, 2), np.float32), buffer)
    np.testing.assert_array_equal(param, np.ones((3, 2)))
    np.testing.assert_array_equal(buffer, np.ones((3, 2)))
    assert param.flags.writeable


def test_elements_that_share_memory_cannot_be_a_parameter():
    shared = np.lib.stride_tricks.as_strided(f32(4), (3, 4), (0, 4), writeable=True)
    with pytest.raises(RuntimeError, match="more than one element refers to a single memory"):
        step(shared, f32(3, 4))


class Resizing:
    """A number that gives an array another shape, and memory, while it is read."""

    def __init__(self, array):
        self.array = array

    def __index__(self):
        self.array.resize(2, refcheck=False)
        return 0

    def __float__(self):
        return float(self.__index__())

    def __bool__(self):
        return bool(self.__index__())


RESIZED = {
    "softmax": lambda x: _core.softmax(x, Resizing(x)),
    "softmax_backward": lambda x: _core.softmax_backward(f32(2), x, Resizing(x)),
    "log_softmax": lambda x: _core.log_softmax(x, Resizing(x)),
    "logsumexp": lambda x: _core.logsumexp(x, 0, Resizing(x)),
    "logsumexp_backward": lambda x: _core.logsumexp_backward(f32(), x, f32(), 0, Resizing(x)),
    "linear_backward": lambda x: _core.linear_backward(
        x, f32(3), f32(2, 3), Resizing(x), True, True
    )[2],
    "nll_loss": lambda x: _core.nll_loss(x, ints(1), None, Resizing(x), 0),
    "cross_entropy": lambda x: _core.cross_entropy(
        x, ints(1), None, -100, 0, Resizing(x), True, False
    )[1],
}


@pytest.mark.parametrize("name", RESIZED)
def test_numbers_are_read_before_arrays(name):
    # otherwise a kernel would run over the sizes that the array had before
    result = RESIZED[name](np.zeros((300, 400), np.float32))
    assert result.size <= 2


def test_types_of_other_packages_have_their_own_name():
    other = pytest.importorskip("ml_dtypes")
    for name in ("bfloat16", "float8_e5m2", "float8_e4m3fn", "int4"):
        x = np.zeros((2, 2), getattr(other, name))
        with pytest.raises(NotImplementedError, match=f"'ml_dtypes.{name}'"):
            _core.softmax(x, 1)
