"""Tensors among NumPy, torch, JAX, pandas, Matplotlib: without copies, never losing a gradient."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from both import agree, programs

import cnn_mnist
import cnn_mnist.nn.functional as F


@pytest.fixture
def x() -> cnn_mnist.Tensor:
    return cnn_mnist.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


ARRAY = np.array([[2.0, 0.5], [1.0, -1.0]], np.float32)


# into NumPy --------------------------------------------------------------------------------
def test_asarray_shares_memory(x: cnn_mnist.Tensor) -> None:
    array = np.asarray(x)
    array[0, 0] = 9
    assert x[0, 0].item() == 9
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), array)


def test_array_without_copy_of_another_type(x: cnn_mnist.Tensor) -> None:
    with pytest.raises(ValueError, match="a float32 Tensor as float64 takes a copy"):
        x.__array__(np.float64, copy=False)


def test_numpy_refuses_a_tensor_that_requires_grad(x: cnn_mnist.Tensor) -> None:
    with pytest.raises(RuntimeError, match=r"Use tensor.detach\(\).numpy\(\) instead"):
        x.numpy()
    assert np.shares_memory(x.detach().numpy(), x.numpy(force=True))


FORMS = programs("""
a = x.numpy(); a.shape = (3, 2); out = x

a = np.asarray(x); a.shape = 6; out = x

a = x.numpy(force=True); a.dtype = np.int32; out = x

a = x.numpy(); a.strides = (4, 8); out = x

a = x.numpy(); a.flags.writeable = False; x += 1; out = x

a = np.arange(6.); t = T.from_numpy(a); a.shape = (2, 3); a[0, 0] = 7; out = t

a = np.arange(6.); t = T.as_tensor(a); a.dtype = np.int64; out = t

a = np.arange(6.); t = T.from_numpy(a).numpy(); t.shape = (2, 3); out = a
""")


@pytest.mark.parametrize("code", FORMS)
def test_the_form_of_an_array_is_its_own(code: str) -> None:
    agree(code)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda a, x: a + x, lambda a, t: a + t),
        (lambda a, x: a - x, lambda a, t: a - t),
        (lambda a, x: x - a, lambda a, t: t - a),
        (lambda a, x: a * x, lambda a, t: a * t),
        (lambda a, x: a / x, lambda a, t: a / t),
        (lambda a, x: a @ x, lambda a, t: a @ t),
        (lambda a, x: abs(a) ** x, lambda a, t: abs(a) ** t),
        (lambda a, x: np.float64(2) * x, lambda a, t: 2 * t),
        (lambda a, x: np.exp(x) + np.log(x), lambda a, t: t.exp() + t.log()),
        (lambda a, x: np.sqrt(x) - np.abs(x), lambda a, t: t.sqrt() - t.abs()),
        (lambda a, x: np.negative(x) + np.power(x, 2), lambda a, t: -t + t**2),
    ],
)
def test_arrays_and_ufuncs_are_recorded(ours: Any, theirs: Any, x: cnn_mnist.Tensor) -> None:
    t = torch.tensor(x.tolist(), requires_grad=True)
    result, expected = ours(ARRAY, x), theirs(torch.tensor(ARRAY), t)
    assert isinstance(result, cnn_mnist.Tensor)
    np.testing.assert_allclose(result.detach(), expected.detach(), rtol=1e-6)
    result.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(x.grad, t.grad, rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [np.sin, np.mean, np.sum, np.maximum.reduce, np.linalg.norm, np.ravel, np.copy, np.sort,
     lambda x: np.where(x > 0, x, 0), lambda x: np.stack([x, x]), lambda x: np.clip(x, 0, 1),
     lambda x: np.einsum("ij->i", x)],
)  # fmt: skip
def test_other_functions_never_lose_a_gradient(function: Any, x: cnn_mnist.Tensor) -> None:
    with pytest.raises(RuntimeError, match=r"numpy\.[\w.]+ is not on the tape.*detach\(\)"):
        function(x)
    detached = function(x.detach())
    with cnn_mnist.no_grad():
        np.testing.assert_array_equal(function(x), detached)


@pytest.mark.parametrize(
    ("function", "name"),
    [(lambda x: np.add(x, x, out=np.zeros((2, 2))), r"add with out="),
     (lambda x: np.exp(x, where=x > 2, out=np.zeros((2, 2))), r"exp with where=, out="),
     (lambda x: np.exp(x, dtype=np.float64), r"exp with dtype="),
     (np.linalg.norm, r"linalg\.norm"), (np.fft.fft, r"fft\.fft"),
     (lambda x: np.add.reduce(x, axis=1), r"add\.reduce"), (lambda x: np.sin(x, where=True), "sin")],
)  # fmt: skip
def test_the_error_names_what_is_not_on_the_tape(
    function: Any, name: str, x: cnn_mnist.Tensor
) -> None:
    with pytest.raises(RuntimeError, match=rf"^numpy\.{name} is not on the tape"):
        function(x)
    detached = function(x.detach())
    with cnn_mnist.no_grad():
        np.testing.assert_array_equal(function(x), detached)


MASKED = {
    "exp": lambda x, out, where: np.exp(x, out=out, where=where),
    "add": lambda x, out, where: np.add(x, 1, out=out, where=where),
    "sin": lambda x, out, where: np.sin(x, out=out, where=where),
    "sum": lambda x, out, where: np.sum(x, axis=0, out=out[0], where=where),
    "add.reduce": lambda x, out, where: np.add.reduce(x, out=out[0], where=where),
    "max": lambda x, out, where: np.max(x, initial=2, where=where),
    "mean": lambda x, out, where: np.mean(x, where=where),
}


@pytest.mark.parametrize("tensors", range(1, 8))
@pytest.mark.parametrize("name", MASKED)
def test_where_may_be_a_tensor(name: str, tensors: int) -> None:
    """Each of x, out and where is a Tensor or an array."""
    given = [ARRAY.copy(), np.zeros_like(ARRAY), ARRAY > 0.6]
    expected = MASKED[name](*(each.copy() for each in given))
    mixed = [
        cnn_mnist.from_numpy(each) if tensors >> at & 1 else each for at, each in enumerate(given)
    ]
    np.testing.assert_array_equal(np.asarray(MASKED[name](*mixed)), expected)


@pytest.mark.filterwarnings("ignore:'where' used without 'out'")
def test_where_may_be_a_tensor_without_out() -> None:
    mask = cnn_mnist.tensor([True, False])
    assert np.sum(np.ones(2), where=mask) == 1
    assert np.exp(np.zeros(2), where=mask)[0] == 1
    assert np.exp(cnn_mnist.zeros(2), where=mask)[0] == 1


def test_functions_without_gradient(x: cnn_mnist.Tensor) -> None:
    assert np.shape(x) == (2, 2)
    assert np.allclose(x, x.detach())
    np.testing.assert_array_equal(np.argmax(x, 1), [1, 1])
    np.testing.assert_array_equal(np.isnan(x), np.zeros((2, 2), bool))


def test_array_in_place(x: cnn_mnist.Tensor) -> None:
    array = ARRAY.copy()
    same = array
    array += x.detach()
    assert array is same
    np.testing.assert_array_equal(array, ARRAY + np.asarray(x))


WRITES = {
    "ufunc": lambda y: np.add(1, 1, out=y),
    "ufunc at": lambda y: np.add.at(y, 0, 1),
    "copyto": lambda y: np.copyto(y, 2),
    "copyto by name": lambda y: np.copyto(dst=y, src=2),
    "put": lambda y: np.put(y, 0, 2),
    "putmask": lambda y: np.putmask(y, [True, False, True], 2),
    "place": lambda y: np.place(y, np.ones(3, bool), [2]),
    "put_along_axis": lambda y: np.put_along_axis(y, np.array([0]), 2, 0),
    "fill_diagonal": lambda y: np.fill_diagonal(y.view(3, 1), 2),
    "out": lambda y: np.clip(y.detach(), 2, 3, out=y),
    "out by position": lambda y: np.clip(y.detach(), 2, 3, y),
    "nan_to_num": lambda y: np.nan_to_num(y, copy=False, posinf=2),
}


@pytest.mark.parametrize("name", WRITES)
def test_numpy_writes_into_a_tensor_are_counted(name: str) -> None:
    w = cnn_mnist.ones(3, requires_grad=True)
    y = cnn_mnist.tensor([1.0, np.inf, 1.0])
    loss = (w * y).sum()
    WRITES[name](y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    with pytest.raises(RuntimeError, match="requires grad"):
        WRITES[name](w)
    np.testing.assert_array_equal(w.detach(), np.ones(3))


def test_what_numpy_only_reads_is_not_counted() -> None:
    w, y = cnn_mnist.ones(3, requires_grad=True), cnn_mnist.ones(3)
    loss = (w * y).sum()
    target = np.zeros(3)
    np.copyto(target, y)
    np.where(y > 0, y, 0)
    np.sum(y, out=np.zeros(()))
    np.concatenate([y, y])
    loss.backward()
    np.testing.assert_array_equal(w.grad, np.ones(3))


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_indices_and_numbers() -> None:
    three = cnn_mnist.tensor(3)
    assert np.zeros(three).shape == (3,)
    assert list(range(10))[three] == 3
    np.testing.assert_array_equal(np.eye(3)[cnn_mnist.tensor([1, 2])], np.eye(3)[[1, 2]])
    losses = [cnn_mnist.ones(2, requires_grad=True).sum() for _ in range(3)]
    np.testing.assert_array_equal(np.array(losses), [2, 2, 2])


def test_dtypes_are_numpy_dtypes() -> None:
    assert np.zeros(2, cnn_mnist.float32).dtype == np.float32
    assert cnn_mnist.float32 == np.float32
    assert np.dtype("float32") == cnn_mnist.float32
    assert cnn_mnist.float32 != cnn_mnist.float64
    assert cnn_mnist.float32 != None
    assert {cnn_mnist.int64: 1}[np.dtype("int64")] == 1
    for each in (cnn_mnist.float64, cnn_mnist.bool, cnn_mnist.uint8):
        assert pickle.loads(pickle.dumps(each)) is each
        assert copy.deepcopy(each) is each


# without a copy ----------------------------------------------------------------------------
def exporters() -> dict[str, Any]:
    class DLPackOnly:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __dlpack__(self, **options: Any) -> Any:
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

    array = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    return {
        "array": array,
        "transposed": array.T,
        "strided": array[:, ::2],
        "torch": torch.tensor(array),
        "DLPack": DLPackOnly(array),
        "Tensor": cnn_mnist.from_numpy(array),
    }


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
@pytest.mark.parametrize("name", exporters())
def test_as_tensor_shares_memory(name: str) -> None:
    source = exporters()[name]
    made = cnn_mnist.as_tensor(source)
    made[0, 0] = 42
    origin = source.array if name == "DLPack" else source
    assert float(origin[0, 0]) == 42
    copied = cnn_mnist.tensor(source)
    copied[0, 0] = 7
    assert float(origin[0, 0]) == 42


@pytest.mark.parametrize("name", exporters())
def test_functional_takes_every_exporter(name: str) -> None:
    source = exporters()[name]
    expected = np.asarray(source.array if name == "DLPack" else source)
    result = F.relu(source)
    assert type(result) is (cnn_mnist.Tensor if name == "Tensor" else np.ndarray)
    np.testing.assert_array_equal(result, expected)


def test_memory_maps(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", ARRAY)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    made = cnn_mnist.as_tensor(mapped)
    assert np.shares_memory(made.numpy(), mapped)
    assert type(F.softmax(mapped, 1)) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        made.add_(1)


def test_buffers() -> None:
    result = F.softmax(memoryview(ARRAY), 1)
    np.testing.assert_array_equal(result, F.softmax(ARRAY, 1), strict=True)


def test_pandas_columns() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [0, 1]})
    made = cnn_mnist.as_tensor(frame["a"])
    assert made.dtype == cnn_mnist.float64
    assert F.softmax(frame["a"], 0).shape == (2,)
    logits = np.eye(2, dtype=np.float32)
    np.testing.assert_array_equal(
        F.cross_entropy(logits, frame["b"]), F.cross_entropy(logits, np.array([0, 1]))
    )
    assert list(pandas.Series(made.requires_grad_())) == [1.0, 2.0]


def test_jax_arrays() -> None:
    jax = pytest.importorskip("jax.numpy")
    ones = jax.ones((2, 3))
    assert cnn_mnist.as_tensor(ones).shape == (2, 3)
    np.testing.assert_allclose(F.log_softmax(ones, 1), -np.log(3) * np.ones((2, 3)), rtol=1e-6)


# out to torch, and mixed -------------------------------------------------------------------
def test_results_go_to_torch_without_a_copy(x: cnn_mnist.Tensor) -> None:
    result = F.softmax(ARRAY, 1)
    assert torch.from_numpy(result).data_ptr() == result.ctypes.data
    detached = x.detach()
    assert torch.from_dlpack(detached).data_ptr() == detached.data_ptr()
    assert torch.from_numpy(detached.numpy()).data_ptr() == detached.data_ptr()
    with pytest.raises(BufferError, match="detach"):
        torch.from_dlpack(x)


@pytest.mark.parametrize(
    "operation",
    [lambda x, t: x + t, lambda x, t: t + x, lambda x, t: t * x, lambda x, t: x @ t,
     lambda x, t: t @ x, lambda x, t: t - x, lambda x, t: x / t, lambda x, t: t == x],
)  # fmt: skip
def test_mixed_arithmetic_gives_our_tensor(operation: Any, x: cnn_mnist.Tensor) -> None:
    t = torch.tensor(ARRAY)
    result = operation(x, t)
    assert isinstance(result, cnn_mnist.Tensor)
    expected = operation(torch.tensor(x.tolist()), t)
    np.testing.assert_allclose(result.detach(), expected, rtol=1e-6)


def test_torch_tensor_that_requires_grad_says_detach(x: cnn_mnist.Tensor) -> None:
    t = torch.tensor(ARRAY, requires_grad=True)
    for mixed in (lambda: x + t, lambda: t * x, lambda: F.relu(t), lambda: cnn_mnist.tensor(t),
                  lambda: cnn_mnist.as_tensor(t)):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"detach\(\)"):
            mixed()


@pytest.mark.parametrize(
    "use",
    [
        lambda ours, theirs: ours.copy_(theirs),
        lambda ours, theirs: ours.equal(theirs),
        lambda ours, theirs: cnn_mnist.cat([ours, theirs]),
        lambda ours, theirs: setattr(ours, "grad", theirs),
        lambda ours, theirs: setattr(ours, "data", theirs),
    ],
)
def test_where_only_a_tensor_will_do_as_tensor_is_named(use: Any) -> None:
    with pytest.raises(TypeError, match=r"torch\.Tensor: write cnn_mnist\.as_tensor\(x\)"):
        use(cnn_mnist.ones(3), torch.ones(3))


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
def test_matplotlib_draws_what_requires_grad(x: cnn_mnist.Tensor) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    _, axes = pyplot.subplots()
    loss = x.mean()
    axes.imshow(x)
    axes.plot(x[0], x[1])
    axes.plot([loss, loss * 2])
    axes.plot(loss, loss, "o")
    axes.scatter(x[0], x[1], c=x[0])
    axes.hist(x.flatten())
    axes.bar(cnn_mnist.arange(2), x[0])
    axes.set_title(f"{loss:.2f}")
    axes.figure.canvas.draw()
    pyplot.close(axes.figure)


# top-level functions on arrays -------------------------------------------------------------
def test_functions_take_arrays_and_give_arrays() -> None:
    a = ARRAY
    assert type(cnn_mnist.exp(a)) is np.ndarray
    np.testing.assert_allclose(cnn_mnist.exp(a), np.exp(a), rtol=1e-6)
    np.testing.assert_array_equal(cnn_mnist.sum(a, dim=1), a.sum(1))
    np.testing.assert_array_equal(cnn_mnist.argmax(a, 1), a.argmax(1))
    values, indices = cnn_mnist.max(a, 1)
    np.testing.assert_array_equal(values, a.max(1))
    np.testing.assert_array_equal(indices, a.argmax(1))
    np.testing.assert_array_equal(cnn_mnist.stack([a, a]), np.stack([a, a]))
    np.testing.assert_array_equal(cnn_mnist.cat([a, a], 1), np.concatenate([a, a], 1))
    np.testing.assert_allclose(cnn_mnist.softmax(a, 1).sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(cnn_mnist.maximum(a, -a), abs(a), strict=True)
    np.testing.assert_array_equal(cnn_mnist.add(a, a, alpha=2), 3 * a, strict=True)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("name", ["add", "sub", "max", "maximum", "minimum"])
def test_a_tensor_beside_an_array_keeps_its_gradient(
    name: str, named: bool, x: cnn_mnist.Tensor
) -> None:
    array, function = ARRAY.copy(), getattr(cnn_mnist, name)
    result = function(array, other=x) if named else function(array, x)
    array[:] = 9  # too late to matter
    result.sum().backward()
    theirs = torch.tensor(np.asarray(x), requires_grad=True)
    getattr(torch, name)(torch.from_numpy(ARRAY), theirs).sum().backward()
    np.testing.assert_array_equal(x.grad, theirs.grad)


@pytest.mark.parametrize("value", [[1.0, 2.0], 3.0, None, "a"])
def test_functions_take_no_lists(value: Any) -> None:
    with pytest.raises(TypeError, match=r"exp\(\): argument 'input' \(position 1\) must be Tensor"):
        cnn_mnist.exp(value)


@pytest.mark.filterwarnings("error")
def test_no_warnings_from_numpy() -> None:
    x = cnn_mnist.tensor([0.0, -1.0, 1e38, float("nan"), float("inf")], requires_grad=True)
    results = [x / 0, x * 1e38, x.log(), x.sqrt(), x**-1, x - x * 1e5, x.exp(),
               x.detach() // 0, x.detach() % 0, x.mean(), x.std(), 1 / x, x @ x, x.double().float(),
               x.long(), x.softmax(0), x.max(), x.sum()]  # fmt: skip
    for each in results:
        if each.requires_grad:
            each.sum().backward()
    with cnn_mnist.no_grad():
        x *= 1e30
        x -= 1e38 * x
