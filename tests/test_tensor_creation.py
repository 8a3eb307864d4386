"""Tensors from data, their types and conversions, and how they meet Python, as in torch."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from both import agree, cases

import cnn_mnist
from cnn_mnist import dtypes

FROM_DATA = cases("""
T.Tensor(2, 3).shape; T.Tensor(3).shape; T.Tensor(0); T.Tensor(); T.Tensor([2, 3]); T.Tensor(x)
T.Tensor(i); T.Tensor(d); T.Tensor(b); T.Tensor(zi); T.Tensor(T.tensor(True)); T.Tensor(q); T.Tensor(r); T.Tensor(r).sum().backward(); T.Tensor(v, v)
T.Tensor(x.shape).shape; T.Tensor(2.5); T.Tensor(True); T.Tensor(None); T.Tensor([1], [2])
T.Tensor(-1); T.tensor(['a']); T.tensor(['a', 1]); T.as_tensor([['a']])
T.tensor([1., 2.]); T.tensor([1, 2]); T.tensor([1, 2.]); T.tensor([True, False])
T.tensor([True, 2]); T.tensor(1.5); T.tensor(3); T.tensor(True); T.tensor([]); T.tensor([[]])
T.tensor([[1, 2], [3]]); T.tensor([[1, 2], 3]); T.tensor([1, [2]]); T.tensor('a'); T.tensor(None); T.tensor([None])
T.tensor({1:2}); T.tensor(np.ones(2)); T.tensor(np.ones(2, 'f4')); T.tensor(np.arange(3))
T.tensor(np.float64(1.5)); T.tensor([np.float64(1.5)]); T.tensor([np.float32(2), 1.5])
T.tensor([np.ones(2), np.zeros(2)]); T.tensor([T.tensor(1.), T.tensor(2)])
T.tensor([T.ones(2)]); T.tensor([k, k]); T.tensor([b, b]); T.tensor([z, v]); T.tensor(x); T.tensor([1, 2], dtype=T.float64)
T.tensor([1.7, 2], dtype=T.int64); T.tensor([0, 2], dtype=T.bool); T.tensor(300, dtype=T.uint8)
T.tensor(-1, dtype=T.uint8); T.tensor([1, 2], requires_grad=True)
T.tensor([1., 2], requires_grad=True); T.tensor(range(3)); T.tensor((1, 2))
T.tensor(np.array(['a'])); T.tensor(np.ones(2, '>f4')); T.tensor(2**70)
T.tensor(float('nan'), dtype=T.int64); T.tensor(b'ab'); T.tensor(np.array([True]))
T.tensor(.2, dtype=T.float64).item() == .2; T.tensor([.2, 1], dtype=T.float64)[0].item() == .2; T.tensor(1e39, dtype=T.double)
T.tensor([2**62 + 1, .5], dtype=T.int64).tolist(); T.tensor([2**24 + 1.], dtype=T.int64).tolist()
T.tensor(2**64, dtype=T.float64); T.tensor(2**64); T.tensor(-1.5, dtype=T.uint8)
T.tensor(1., requires_grad=1); T.tensor(1., requires_grad='a'); T.tensor(1., dtype=x)
T.ones(3, requires_grad='a'); T.nn.Parameter(v, 'a'); T.ones(2, requires_grad=None)
setattr(v, 'requires_grad', 1); setattr(v, 'requires_grad', True); v.requires_grad_(1)
v.requires_grad_(None); v.requires_grad_(False); T.Generator(None).initial_seed()
T.tensor([-1, 255], dtype=T.uint8); T.tensor(256, dtype=T.uint8); T.tensor(-256, dtype=T.uint8)
T.as_tensor([.2], dtype=T.float64).tolist() == [.2]; T.tensor([T.tensor(.2), .2], dtype=T.float64)[1].item() == .2
T.tensor(1e-50, dtype=T.bool); T.tensor(np.int64(300), dtype=T.uint8)
T.tensor(np.uint8(3)); T.tensor(np.ones(2), dtype=T.float32)
T.tensor([1], dtype=T.float32, requires_grad=True); T.tensor([[1, 2.], [3, 4]]).dtype
T.tensor([1e300]); T.tensor([3, 4.0, True]); T.tensor([[True], [1]])
T.as_tensor([1, 2]); T.as_tensor(np.ones(2)); T.as_tensor(x) is x
T.as_tensor(x, dtype=T.float64); T.as_tensor(1.5); T.as_tensor(np.ones(2), dtype=T.float32)
T.as_tensor(x, dtype=T.float32) is x; T.from_numpy(np.ones(2)); T.from_numpy([1])
T.from_numpy(np.ones(2, '>f4')); T.from_numpy(np.array(['a'])); T.from_numpy(np.ones((2, 3)).T)
""")

FROM_SCRATCH = cases("""
T.zeros(2, 3); T.zeros((2, 3)); T.zeros([2]); T.zeros(()); T.zeros(2, dtype=T.int64); T.zeros(-1)
T.zeros(2.5); T.zeros(); T.ones(2, 3); T.ones(3, dtype=T.bool); T.ones(x.shape)
T.ones(2, requires_grad=True); T.zeros(zi); T.arange(5); T.arange(1, 5); T.arange(1, 5, 2)
T.arange(5.); T.arange(1, 2, .25); T.arange(5, 0); T.arange(5, 0, -2); T.arange(0, 1, 0)
T.arange(3, dtype=T.float32); T.arange(0., 1, .1); T.arange(0); T.arange(zi)
T.arange(T.tensor([3])); T.arange(0, T.tensor([[3.]])); T.arange(k); T.arange(np.float64(3)); T.arange(0, 1, T.tensor(.25)); T.arange(r[0, 0])
T.arange(start=1, end=3); T.arange(True); T.arange(float('nan'))
T.zeros(10**18, 10); T.ones(2**62); T.arange(1e30); T.zeros(-1); T.zeros(True); T.zeros('a')
T.zeros(2, device='cpu'); T.ones(2, 3, device='cpu'); T.arange(3, device='cpu'); T.tensor([1.], device='cpu'); T.as_tensor([1], device='cpu')
T.zeros(2, device='gpu'); T.tensor(1, device='gpu'); T.zeros(size=(2, 3)); T.ones(size=[2]); T.zeros(2, size=(2,)); T.arange(end=3); T.arange()
T.arange(0, 5, 1.9, dtype=T.int64); T.arange(0, 5, 1.9, dtype=T.int32); T.arange(3, 0, -.5, dtype=T.int64); T.arange(1.2, 1.1, dtype=T.int64); T.arange(3, 0, -.5, dtype=T.uint8)
T.arange(3, dtype=T.bool); T.arange(0, 1, .3, dtype=T.float64); T.arange(1, 1); T.arange(float('inf')); T.arange('a')
T.arange(np.int64(3)); T.arange(np.int64(1), 4); T.arange(0, np.int32(5), np.uint8(2)); T.arange(np.float32(3)); T.arange(np.int64(3), dtype=T.float64); T.arange(4, np.int64(1)); T.arange(1, np.float64(2.5))
""")

CONVERSIONS = cases("""
x.float(); x.double(); x.long(); x.int(); x.bool(); x.short(); x.byte(); i.float()
b.float(); b.long(); x.to(T.float64); x.to(T.float32) is x; x.to(d); x.to('cpu')
x.to(dtype=T.int64); x.type(); x.type(T.float64); i.type(); b.type(); x.float() is x
x.to(T.float32, copy=True) is x; x.long().tolist(); u.float(); x.cpu() is x; x.to('meow')
T.tensor([1.9, -1.9]).long(); T.tensor([300.]).byte(); i.bool(); x.to(1)
""")

PYTHON = cases("""
x.item(); z.item(); zi.item(); T.ones(1, 1).item(); e.item(); b[0, 0].item(); x.tolist()
z.tolist(); i.tolist(); b.tolist(); e.tolist(); float(z); int(z); int(zi); float(x); bool(z)
bool(x); bool(e); bool(T.zeros(1)); bool(T.ones(1, 1)); zi.__index__(); z.__index__()
[10, 20, 30, 40][zi]; list(range(zi)); i.__index__(); f"{z:.2f}"; f"{z}"; f"{zi:3d}"; f"{x}"
f"{x:.2f}"; f"{r.sum():.3f}"; str(z); f"{T.nn.Parameter(z)}"; f"{T.nn.Parameter(z):.2f}"; f"{T.nn.Parameter(z) * 2:.2f}"; f"{T.nn.Parameter(v)}"; 2.5 in x; 1.5 in x; x in x; 'a' in x; list(v); list(z)
[float(a) for a in v]; sum(v); max(v); sorted(v.tolist()); round(float(z)); hash(x)==hash(x)
x is x; not z; divmod(5, 2); complex(z); v.__len__(); iter(v) is not None; tuple(k); z+z==5
dict(a=x)['a'] is x; np.float32(2.5) in x; np.float32(1.5) in x; np.int64(2) in i; np.bool_(True) in x; np.ones(1) in x; None in x; len({x, y, x}); list(reversed(v)); z.numpy(); x.numpy(); r.numpy()
np.asarray(x).dtype; x.data is x; x.detach() is x
""")


@pytest.mark.parametrize("code", FROM_DATA)
def test_from_data(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", FROM_SCRATCH)
def test_from_scratch(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", CONVERSIONS)
def test_conversions(code: str) -> None:
    agree(code)


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.half(),
        lambda x: x.to(np.float16),
        lambda x: x.to(torch.float16),
        lambda x: x.type(np.float16),
        lambda x: x.type("torch.HalfTensor"),
        lambda x: cnn_mnist.tensor([1.0], dtype=np.float16),
        lambda x: cnn_mnist.tensor(x.numpy().astype(np.float16)),
        lambda x: cnn_mnist.from_numpy(x.numpy().astype(np.float16)),
        lambda x: cnn_mnist.zeros(2, dtype="half"),
        lambda x: x + np.ones(2, np.float16),
        lambda x: cnn_mnist.nn.Linear(2, 3, dtype=np.float16),
        lambda x: cnn_mnist.nn.Linear(2, 3).to(np.float16),
    ],
)
def test_half_precision_is_refused(convert) -> None:
    with pytest.raises((TypeError, RuntimeError), match="float32.* float64"):
        convert(cnn_mnist.ones(2))


@pytest.mark.parametrize("code", PYTHON)
def test_python(code: str) -> None:
    agree(code)


def text_of(code: str, package: ModuleType) -> str:
    with pytest.raises((TypeError, ValueError, RuntimeError)) as error:
        eval(code, {"T": package, "np": np})
    return str(error.value)


@pytest.mark.parametrize(
    "code",
    ["T.tensor([[1, 2], [3]])", "T.tensor([[1], [2, 3]])", "T.tensor([[1, 2], []])",
     "T.tensor([[[1], [2]], [[3], []]])", "T.tensor(np.ones((2, 3)).tolist() + [[4]])",
     "T.tensor([np.ones(2), np.ones(3)])", "T.tensor([(1.5, 2), [T.tensor(3)]])",
     "T.tensor([True]) - T.tensor([True])", "T.tensor([True]).sub_(True)",
     "T.tensor([True]) - 1", "1 - T.tensor([True])"],
)  # fmt: skip
def test_errors_in_the_words_of_torch(code: str) -> None:
    assert text_of(code, cnn_mnist) == text_of(code, torch)


def test_a_number_among_sequences() -> None:
    for data in ([[1, 2], 3], [np.ones((3, 2)), np.ones(3)]):
        with pytest.raises(TypeError, match=r"not a sequence: .* length 2 at dim \d \(got"):
            cnn_mnist.tensor(data)
    with pytest.raises(TypeError, match="must be real number, not list"):
        cnn_mnist.tensor([1.5, [2]])


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=repr)
def test_every_element_type_has_its_name(dtype: cnn_mnist.dtype) -> None:
    named = getattr(cnn_mnist, dtype.name)
    assert named is dtype
    assert dtype.name in cnn_mnist.__all__
    assert repr(dtype) == repr(getattr(torch, dtype.name)).replace("torch", "cnn_mnist")
    assert cnn_mnist.zeros(2, dtype=named).dtype is dtype
    assert cnn_mnist.short is cnn_mnist.int16


@pytest.mark.parametrize(
    "kind", ["csr_matrix", "csc_array", "coo_array", "dok_matrix", "lil_array"]
)
@pytest.mark.parametrize("make", [cnn_mnist.tensor, cnn_mnist.as_tensor, cnn_mnist.Tensor])
def test_sparse_matrices_are_refused(kind: str, make: Any) -> None:
    matrix = getattr(scipy.sparse, kind)(np.eye(3))
    for data in (matrix, [matrix]):
        with pytest.raises(TypeError, match=rf"a {kind} is sparse.*write x.toarray\(\)"):
            make(data)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX2", reason="torch counts in other blocks"
)
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_arange_has_the_bits_of_torch(name: str) -> None:
    rng = np.random.default_rng(5)
    given = [(-8.0, 8.0, 0.1), (0, 1, 0.1), (1, 1.17, 0.01), (5, -5, -0.3), (2, 3, 7.5)]
    given += [(0.5, 0.5, 0.1), (-3, 2e300, 1e299), (0, 1, float("inf")), (0, 1e-320, 3e-322)]
    for count in (1, 7, 8, 15, 16, 17, 31, 33, 1000, 30000):
        start, step = (float(each) for each in rng.standard_normal(2) * 10)
        given.append((start, start + step * count, step))
    for arguments in given:
        ours = cnn_mnist.arange(*arguments, dtype=getattr(cnn_mnist, name)).numpy()
        theirs = torch.arange(*arguments, dtype=getattr(torch, name)).numpy()
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes(), arguments


def test_a_tensor_of_a_float32_array_shares_its_memory() -> None:
    for package in (torch, cnn_mnist):
        arrays = [np.ones(4, "f4"), np.ones((2, 3), "f4").T[::2], np.ones(2), np.ones(2, np.int64)]
        for array in arrays:
            package.Tensor(array)[0] = 5
        assert [array[0].max() for array in arrays] == [5, 5, 1, 1]
