"""torch's own operator samples, run through cnn_mnist and through torch, forward and gradients.

The samples are those that torch's test suite uses (`op_db`): sample and reference inputs of
every operator that both packages have. Nothing here knows what the numbers should be.
"""

import operator
import warnings

import numpy as np
import pytest
import torch

import cnn_mnist
import cnn_mnist.nn.functional as F

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

FUNCTIONALS = {
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "logsumexp": F.logsumexp,
    "nn.functional.nll_loss": F.nll_loss,
    "nn.functional.cross_entropy": F.cross_entropy,
    "nn.functional.linear": F.linear,
    "nn.functional.relu": F.relu,
    "nn.functional.one_hot": F.one_hot,
}


def method(name):
    """The Tensor's method of that name as a function of the sample's input."""
    return lambda input, *args, **kwargs: getattr(input, name)(*args, **kwargs)


TENSOR_OPERATIONS = {
    "abs": cnn_mnist.abs,
    "exp": cnn_mnist.exp,
    "log": cnn_mnist.log,
    "sqrt": method("sqrt"),
    "neg": method("__neg__"),
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "__radd__": method("__radd__"),
    "__rsub__": method("__rsub__"),
    "__rmul__": method("__rmul__"),
    "__rdiv__": method("__rtruediv__"),
    "matmul": operator.matmul,
    "sum": cnn_mnist.sum,
    "mean": cnn_mnist.mean,
    "max": cnn_mnist.max,
    "argmax": cnn_mnist.argmax,
    "stack": cnn_mnist.stack,
    "cat": cnn_mnist.cat,
    "reshape": method("reshape"),
    "view": method("view"),
    "flatten": method("flatten"),
    "transpose": method("transpose"),
    "unsqueeze": method("unsqueeze"),
    "squeeze": method("squeeze"),
    "permute": method("permute"),
    "__getitem__": method("__getitem__"),
}

OPERATIONS = FUNCTIONALS | TENSOR_OPERATIONS

VARIANTS_OUT_OF_SCOPE = {
    "binary": "torch.max of two tensors is torch.maximum, which is not here",
    "trunc_rounding": "torch.div with rounding has no operator",
    "floor_rounding": "torch.div with rounding has no operator",
}


def out_of_scope(sample):
    """Why a sample asks for what this package leaves out; None when it does not."""
    if "alpha" in sample.kwargs:
        return "the third operand of torch.add and torch.sub has no operator"
    if isinstance(sample.input, float) and isinstance(sample.args[0], float):
        return "two numbers: no tensor at all"
    tensors = [t for t in (sample.input, *sample.args) if isinstance(t, (list, tuple))]
    if any(t.dtype == torch.float16 for each in tensors for t in each if torch.is_tensor(t)):
        return "float16 is not here"
    return None


def cases():
    for entry in op_db:
        if entry.name in OPERATIONS and entry.variant_test_name not in VARIANTS_OUT_OF_SCOPE:
            for dtype in (torch.float32, torch.float64):
                if dtype in entry.dtypes or entry.name == "nn.functional.one_hot":
                    label = "-".join(filter(None, (entry.name, entry.variant_test_name)))
                    yield pytest.param(entry, dtype, id=f"{label}-{str(dtype)[6:]}")


def convert(value):
    """torch's argument as ours: tensors share memory, strides and requires_grad."""
    if isinstance(value, torch.Tensor):
        return cnn_mnist.from_numpy(value.detach().numpy()).requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)):
        return type(value)(convert(item) for item in value)
    if isinstance(value, torch.dtype):
        return getattr(cnn_mnist, str(value).removeprefix("torch."))
    return value


def plain(value):
    """Our argument as a plain array, for the functionals' other door."""
    if isinstance(value, cnn_mnist.Tensor):
        return value.detach().numpy()
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def fresh(value):
    """torch's argument with every tensor a leaf of its own over the same memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)):
        return type(value)(fresh(item) for item in value)
    return value


def leaves(value):
    """The tensors in an argument that ask for a gradient, in order."""
    if isinstance(value, (torch.Tensor, cnn_mnist.Tensor)):
        return [value] if value.requires_grad else []
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return []


def outputs(value):
    return [value] if isinstance(value, (torch.Tensor, cnn_mnist.Tensor)) else list(value)


def assert_same(ours, theirs, what):
    ours = np.asarray(ours)
    assert ours.dtype == theirs.detach().numpy().dtype, what
    assert ours.shape == tuple(theirs.shape), what
    torch.testing.assert_close(
        torch.from_numpy(np.array(ours)),
        theirs.detach(),
        equal_nan=True,
        msg=lambda m: f"{what}: {m}",
    )


def run(function, input, args, kwargs):
    """(outputs, None), or (None, the exception's type)."""
    try:
        return outputs(function(input, *args, **kwargs)), None
    except Exception as error:  # noqa: BLE001 (failures are part of the comparison)
        return None, error


def samples_of(entry, dtype):
    torch.manual_seed(0)
    if entry.name == "nn.functional.one_hot":
        return list(entry.sample_inputs("cpu", torch.int64))
    gradient = entry.supports_autograd
    found = list(entry.sample_inputs("cpu", dtype, requires_grad=gradient))
    return found + list(entry.reference_inputs("cpu", dtype, requires_grad=gradient))


def check(entry, sample):
    function = OPERATIONS[entry.name]
    sample = sample.transform(fresh)
    theirs, their_error = run(entry.op, sample.input, sample.args, sample.kwargs)
    input, args = convert(sample.input), convert(tuple(sample.args))
    kwargs = {name: convert(value) for name, value in sample.kwargs.items()}
    ours, our_error = run(function, input, args, kwargs)
    if their_error is not None:
        assert isinstance(our_error, type(their_error)), (their_error, our_error)
        return
    if our_error is not None:
        raise our_error
    assert len(ours) == len(theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        assert_same(mine.detach(), reference, "value")
        assert mine.requires_grad == reference.requires_grad
    if entry.name in FUNCTIONALS:
        arrays, error = run(
            lambda *a, **k: [function(*a, **k)],
            plain(input),
            plain(args),
            {name: plain(value) for name, value in kwargs.items()},
        )
        assert error is None, error
        assert type(arrays[0]) is np.ndarray
        assert_same(arrays[0], theirs[0], "value from plain arrays")
    if theirs[0].requires_grad:
        check_gradients(
            ours[0],
            theirs[0],
            (input, *args, *kwargs.values()),
            (sample.input, *sample.args, *sample.kwargs.values()),
        )


def check_gradients(mine, reference, our_arguments, their_arguments):
    generator = torch.Generator().manual_seed(7)
    gradient = torch.randn(reference.shape, generator=generator, dtype=reference.dtype)
    their_leaves, our_leaves = leaves(list(their_arguments)), leaves(list(our_arguments))
    expected = torch.autograd.grad(reference, their_leaves, gradient, allow_unused=True)
    mine.backward(cnn_mnist.from_numpy(gradient.numpy()))
    for leaf, wanted in zip(our_leaves, expected, strict=True):
        if wanted is None:
            assert leaf.grad is None
        else:
            assert_same(leaf.grad, wanted, "gradient")


@pytest.mark.parametrize(("entry", "dtype"), list(cases()))
@pytest.mark.filterwarnings("ignore")
def test_operator_samples(entry, dtype):
    tried = failures = 0
    messages = []
    for number, sample in enumerate(samples_of(entry, dtype)):
        if out_of_scope(sample):
            continue
        tried += 1
        try:
            check(entry, sample)
        except Exception as error:  # noqa: BLE001 (one run shows every failing sample)
            failures += 1
            messages.append(f"sample {number} {sample.summary()}: {type(error).__name__}: {error}")
    assert tried, "no sample was in scope"
    assert not failures, f"{failures} of {tried} samples\n" + "\n".join(messages[:8])
