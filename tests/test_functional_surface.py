"""Arguments and errors of nn.functional are torch's."""

import inspect
import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch
from both import SETUP, agree, cases

import cnn_mnist.nn.functional as F

RELU_AND_SOFTMAX = cases("""
F.relu(x); F.relu(i); F.relu(b); F.relu(None); F.relu([1.]); F.relu(r); F.relu(q, inplace=True)
F.relu(r, inplace=True); F.relu(x, True)
F.softmax(x, 1); F.softmax(x); F.softmax(c); F.softmax(z); F.softmax(v); F.softmax(x, dim=-1)
F.softmax(x, 5); F.softmax(x, 'a'); F.softmax(x, 1.0); F.softmax(i, 1); F.softmax(i, 0)
F.softmax(i, 2); F.softmax(b, 'a'); F.log_softmax(i, 1.5)
F.softmax(i, 1, dtype=T.float32); F.softmax(x, 1, dtype=T.float64);
F.softmax(r, 1, dtype=T.float64)
F.log_softmax(x); F.log_softmax(r, 0); F.log_softmax(n, 1); F.softmax(n, 0); F.softmax(b, 1)
""")

LINEAR = cases("""
F.linear(r[None], v, z); F.linear(c, T.ones(c.shape[2]), z); F.linear(x, v, z); F.linear(r[None], v, T.ones(1))
F.linear(x, y); F.linear(x, y, T.ones(2)); F.linear(x, y, T.ones(3)); F.linear(x, T.ones(4, 5))
F.linear(x, d); F.linear(i, i); F.linear(i, i, T.ones(2).long()); F.linear(v, v);
F.linear(v, v, z)
F.linear(x, v); F.linear(x, v, z); F.linear(z, v); F.linear(v, z); F.linear(c, T.ones(2, 4))
F.linear(c, T.ones(4), None); F.linear(x, c); F.linear(x, None); F.linear(None, x)
F.linear(x, [1.]); F.linear(e, y); F.linear(x, T.ones(0, 3)); F.linear(x, y, [1., 2.])
""")

NLL_LOSS = cases("""
F.nll_loss(x, k[:2]); F.nll_loss(e, zi); F.nll_loss(x, zi); F.nll_loss(c, T.zeros(2, 4).byte())
F.nll_loss(c, T.zeros(2, 4).long()); F.nll_loss(x, k); F.nll_loss(x, k[:2]+5); F.nll_loss(x, -k[:2]-1)
F.nll_loss(x, T.tensor([-100, 0])); F.nll_loss(x, T.tensor([-100, -100]))
F.nll_loss(x, k[:2].int()); F.nll_loss(x, k[:2].float()); F.nll_loss(x, k[:2].byte())
F.nll_loss(x, k[:2], reduction='sum'); F.nll_loss(x, k[:2], reduction='none')
F.nll_loss(x, k[:2], reduction='bad'); F.nll_loss(x, k[:2], v); F.nll_loss(x, k[:2], T.ones(2))
F.nll_loss(x, k[:2], weight=d[0]); F.nll_loss(x, k[:2], weight=v.requires_grad_())
F.nll_loss(v, zi-1); F.nll_loss(v, zi); F.nll_loss(v, k[:1]); F.nll_loss(v, k); F.nll_loss(z, zi)
F.nll_loss(x, k[:2], ignore_index=0); F.nll_loss(x, k[:2], ignore_index=2, reduction='none')
F.nll_loss(e, k[:0]); F.nll_loss(e, k[:0], reduction='sum'); F.nll_loss(x, zi)
F.nll_loss(x, k[:2][None]); F.nll_loss(i, k[:2]); F.nll_loss(x, [0, 1]); F.nll_loss(None, k)
F.nll_loss(x, None); F.nll_loss(x, k[:2], size_average=False); F.nll_loss(x, k[:2], reduce=False)
F.nll_loss(x, k[:2], size_average=True, reduce=True); F.nll_loss(x, k[:2], None, None, 0)
F.nll_loss(c, T.zeros(2, 4).long()); F.nll_loss(c, T.zeros(2, 5).long())
F.nll_loss(c, T.zeros(3, 4).long()); F.nll_loss(c, T.zeros(2).long())
F.nll_loss(x, k[:2], ignore_index=1.5)
""")

CROSS_ENTROPY = cases("""
F.cross_entropy(z, zi[None]); F.cross_entropy(e, zi); F.cross_entropy(c, T.zeros(2, 4).byte())
F.cross_entropy(x, k[:2]); F.cross_entropy(r, k[:2]); F.cross_entropy(x, k)
F.cross_entropy(x, k[:2]+5); F.cross_entropy(x, -k[:2]-1);
F.cross_entropy(x, T.tensor([-100, 0]))
F.cross_entropy(x, T.tensor([-100, -100])); F.cross_entropy(x, k[:2].int())
F.cross_entropy(x, k[:2].float()); F.cross_entropy(x, k[:2].byte())
F.cross_entropy(x, k[:2], reduction='sum'); F.cross_entropy(x, k[:2], reduction='none')
F.cross_entropy(x, k[:2], reduction='bad'); F.cross_entropy(x, k[:2], v)
F.cross_entropy(x, k[:2], T.ones(2)); F.cross_entropy(x, k[:2], weight=d[0])
F.cross_entropy(x, k[:2], weight=v.requires_grad_()); F.cross_entropy(v, zi-1)
F.cross_entropy(v, zi); F.cross_entropy(z, zi); F.cross_entropy(z, z); F.cross_entropy(e, k[:0])
F.cross_entropy(e, k[:0], reduction='sum'); F.cross_entropy(e, k[:0], reduction='none')
F.cross_entropy(x, y); F.cross_entropy(x, d); F.cross_entropy(d, x); F.cross_entropy(x, i)
F.cross_entropy(x, y, label_smoothing=.1); F.cross_entropy(x, k[:2], label_smoothing=.1)
F.cross_entropy(x, k[:2], label_smoothing=2); F.cross_entropy(x, k[:2], label_smoothing=-.5)
F.cross_entropy(x, y, label_smoothing=2.); F.cross_entropy(x, k[:2], label_smoothing='a')
F.cross_entropy(x, y, ignore_index=1); F.cross_entropy(i, k[:2]); F.cross_entropy(x, y, v)
F.cross_entropy(x, y, v, reduction='none'); F.cross_entropy(x, None); F.cross_entropy(x, [0, 1])
F.cross_entropy(x, b); F.cross_entropy(n, k[:2]); F.cross_entropy(n*k[0], k[:2])
F.cross_entropy(x, k[:2], None, False)
F.cross_entropy(x, k[:2], v, ignore_index=0, label_smoothing=.2)
F.cross_entropy(i, y); F.cross_entropy(u, x); F.cross_entropy(b, y); F.cross_entropy(x, y.double())
F.cross_entropy(c, T.zeros(2, 4).long()); F.cross_entropy(c, T.zeros(2, 5).long())
F.cross_entropy(c, c, reduction='none')
F.cross_entropy(c, T.zeros(2, 4).long(), label_smoothing=.1, reduction='none')
F.cross_entropy(x, y.requires_grad_()); F.cross_entropy(x, k[:2], reduce=False)
F.cross_entropy(x, k[:2], weight=[1, 2, 3])
""")

ONE_HOT_AND_LOGSUMEXP = cases("""
F.one_hot(k); F.one_hot(k, 5); F.one_hot(k, 2); F.one_hot(-k); F.one_hot(k.int())
F.one_hot(k.float()); F.one_hot(k[:0]); F.one_hot(k[:0], 3); F.one_hot(zi, 5); F.one_hot(zi)
F.one_hot(k[None], 3); F.one_hot([1]); F.one_hot(k, 0); F.one_hot(k, -5); F.one_hot(None)
F.one_hot(u); F.one_hot(k, 'a'); F.one_hot(k, True); F.one_hot(k, 2.5); F.one_hot(i.int(), None)
F.one_hot(k, 2**62)
T.logsumexp(x, 1); T.logsumexp(x, (0, 1)); T.logsumexp(x, [0], True); T.logsumexp(x, (0, 0))
T.logsumexp(x, None); T.logsumexp(x); T.logsumexp(i, 1); T.logsumexp(x, 5); T.logsumexp(b, 1)
T.logsumexp(n, 1); T.logsumexp(r, 1); T.logsumexp(r, (0, -1), keepdim=True);
T.logsumexp(c, (0, 2))
T.logsumexp(e, 0); T.logsumexp(e, 1); T.logsumexp(z, 0)
T.logsumexp(T.tensor([float('-inf')]*2), 0); T.logsumexp(T.tensor([float('inf'), 1.]), 0)
""")


@pytest.mark.parametrize("code", RELU_AND_SOFTMAX)
def test_relu_and_softmax(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", LINEAR)
def test_linear(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", NLL_LOSS)
def test_nll_loss(code: str) -> None:
    agree(code)


@pytest.mark.parametrize("code", CROSS_ENTROPY)
def test_cross_entropy(code: str) -> None:
    agree(code)


KINDS = ("float32", "float64", "int64", "uint8", "bool")


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(
    "kinds", list(itertools.product(KINDS[:2], KINDS[:2], KINDS)), ids="-".join
)
def test_probabilities_and_weights_of_mixed_types(
    kinds: tuple[str, str, str], reduction: str, label_smoothing: float
) -> None:
    x_kind, q_kind, w_kind = kinds
    loss = f"""
x = c.clone().to(T.{x_kind}).requires_grad_(); q = (c / 24).to(T.{q_kind}).requires_grad_()
w = T.tensor([1, 0, 3]).to(T.{w_kind})
l = F.cross_entropy(x, q, w, reduction="{reduction}", label_smoothing={label_smoothing})
"""
    agree(loss + "l.sum().backward(); out = l, x.grad, q.grad")
    names: dict[str, Any] = {"T": torch, "F": torch.nn.functional}
    exec(SETUP + loss, names)  # noqa: S102
    expected = torch.autograd.grad(names["l"].sum(), (names["x"], names["q"]))
    x, q, w = (names[name].detach().numpy() for name in "xqw")
    g = np.ones(names["l"].shape, names["l"].detach().numpy().dtype)
    ours = F.cross_entropy_backward(
        g, x, q, w, reduction=reduction, label_smoothing=label_smoothing
    )
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), 1e-5, 1e-6, strict=True)


@pytest.mark.parametrize("kinds", list(itertools.product(KINDS, KINDS)), ids="-".join)
def test_labels_take_weights_of_the_type_of_the_input_only(kinds: tuple[str, str]) -> None:
    x_kind, w_kind = kinds
    for loss in ("nll_loss", "cross_entropy"):
        agree(f"F.{loss}(x.to(T.{x_kind}), k[:2], T.tensor([1, 0, 3]).to(T.{w_kind}))")


@pytest.mark.parametrize("code", ONE_HOT_AND_LOGSUMEXP)
def test_one_hot_and_logsumexp(code: str) -> None:
    agree(code)


# errors and documents of the functions that torch does not have ------------------------------
X = np.zeros((4, 3), np.float32)
LABELS = np.zeros(4, np.int64)
BACKWARD: dict[str, tuple[Any, ...]] = {
    "linear_backward": (np.zeros((4, 2), np.float32), X, np.zeros((2, 3), np.float32)),
    "relu_backward": (X, X),
    "softmax_backward": (X, X, 1),
    "log_softmax_backward": (X, X, 1),
    "logsumexp_backward": (X[:, 0], X, X[:, 0], 1),
    "nll_loss_backward": (X[0, 0], X, LABELS),
    "cross_entropy_backward": (X[0, 0], X, LABELS),
}


@pytest.mark.parametrize("wrong", [np.zeros((5, 7), np.float32), np.float64, [1.0], "a"], ids=str)
@pytest.mark.parametrize("name", BACKWARD)
def test_backward_functions_name_their_arguments(name: str, wrong: Any) -> None:
    function, arguments = getattr(F, name), BACKWARD[name]
    parameters = list(inspect.signature(function).parameters)
    function(*arguments)
    blamed = []
    for at, given in enumerate(arguments):
        if np.ndim(given) == 0 and parameters[at] == "dim" or parameters[at] == "target":
            continue
        changed = np.asarray(given).astype(wrong) if wrong is np.float64 else wrong
        with pytest.raises((RuntimeError, TypeError, ValueError)) as error:
            function(*arguments[:at], changed, *arguments[at + 1 :])
        blamed += re.findall(r"(?:argument |needs )'(\w+)'", str(error.value))
    assert blamed
    assert set(blamed) <= set(parameters)


@pytest.mark.parametrize("name", BACKWARD)
def test_backward_documents_speak_of_their_arguments(name: str) -> None:
    text = inspect.getdoc(getattr(F, name)) or ""
    assert "grad_output" in text
    assert not re.search(r"\b(x|y|g|dx|dW|db|dq|dout|logp)\b", text)


def test_logsumexp_backward_takes_the_shape_of_its_result() -> None:
    kept, gone = X[:, :1], X[:, 0]
    for keepdim, right, wrong in ((False, gone, kept), (True, kept, gone)):
        assert F.logsumexp_backward(right, X, right, 1, keepdim).shape == (4, 3)
        text = re.escape(f"expected shape {list(right.shape)}, got {list(wrong.shape)}")
        with pytest.raises(RuntimeError, match=f"'grad_output': {text}"):
            F.logsumexp_backward(wrong, X, right, 1, keepdim)
        with pytest.raises(RuntimeError, match=f"'output': {text}"):
            F.logsumexp_backward(right, X, wrong, 1, keepdim)


def test_linear_backward_blames_the_weight() -> None:
    grad_output, x, weight = BACKWARD["linear_backward"]
    for wrong in (weight.T, weight[:, :2], np.zeros((2, 9), np.float32)):
        with pytest.raises(RuntimeError, match=r"'weight': expected shape \[2, 3\], got"):
            F.linear_backward(grad_output, x, wrong)


@pytest.mark.parametrize("target", [LABELS, np.full((4, 3), 1 / 3, np.float32)], ids=["i", "q"])
@pytest.mark.parametrize(
    ("shape", "reduction"),
    [((4,), "mean"), ((3,), "mean"), ((1,), "sum"), ((4, 3), "mean"), ((), "none"), ((3,), "none")],
)
def test_gradient_of_a_loss_has_its_shape(
    target: Any, shape: tuple[int, ...], reduction: str
) -> None:
    expected = [4] if reduction == "none" else []
    text = f"'grad_output': expected shape {expected}, got {list(shape)}"
    functions = [F.cross_entropy_backward]
    if target is LABELS:
        functions.append(F.nll_loss_backward)
    for function in functions:
        with pytest.raises(RuntimeError, match=re.escape(text)):
            function(np.ones(shape, np.float32), X, target, reduction=reduction)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize(
    ("dtype", "got"),
    [("int32", r"Int \(int32\)"), ("float32", r"Float \(float32\)"), ("bool", r"Bool \(bool\)"),
     ("uint16", r"UInt16 \(uint16\)"), ("U1", "str_"), ("O", "object_")],
)  # fmt: skip
def test_labels_of_another_type(loss: Any, dtype: str, got: str) -> None:
    text = rf"Long or Byte \(int64 or uint8\), but got {got}: write np.asarray\(y, np.int64\)"
    with pytest.raises(RuntimeError, match=text):
        loss(X, LABELS.astype(dtype))
