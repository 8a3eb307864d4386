"""The ONNX standard's node tests for the operators that this package has."""

import warnings

import numpy as np
import pytest

import cnn_mnist.nn.functional as F

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    onnx = pytest.importorskip("onnx", reason="the onnx package carries the cases")
    from onnx.backend.test.case.node import collect_testcases


def softmax(inputs, axis=-1):
    return [F.softmax(inputs[0], axis)]


def log_softmax(inputs, axis=-1):
    return [F.log_softmax(inputs[0], axis)]


def relu(inputs):
    return [F.relu(inputs[0])]


def reduce_log_sum_exp(inputs, keepdims=1, noop_with_empty_axes=0):
    x, axes = inputs[0], inputs[1] if len(inputs) > 1 else ()
    return [F.logsumexp(x, tuple(int(a) for a in axes) or tuple(range(x.ndim)), bool(keepdims))]


def gemm(inputs, alpha=1.0, beta=1.0, transA=0, transB=0):
    a = inputs[0].T if transA else inputs[0]
    weight = inputs[1] if transB else inputs[1].T
    product = F.linear(a, weight) * np.float32(alpha)
    return [product + np.float32(beta) * inputs[2] if len(inputs) > 2 else product]


def loss_arguments(inputs, reduction, ignore_index):
    weight = inputs[2] if len(inputs) > 2 else None
    return {
        "weight": weight,
        "reduction": reduction.decode() if isinstance(reduction, bytes) else reduction,
        "ignore_index": -100 if ignore_index is None else ignore_index,
    }


def nll_loss(inputs, reduction="mean", ignore_index=None):
    arguments = loss_arguments(inputs, reduction, ignore_index)
    return [F.nll_loss(inputs[0], inputs[1].astype(np.int64), **arguments)]


def cross_entropy(inputs, reduction="mean", ignore_index=None):
    arguments = loss_arguments(inputs, reduction, ignore_index)
    loss = F.cross_entropy(inputs[0], inputs[1].astype(np.int64), **arguments)
    return [loss, F.log_softmax(inputs[0], 1)]


OPERATORS = {
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "Relu": relu,
    "ReduceLogSumExp": reduce_log_sum_exp,
    "Gemm": gemm,
    "NegativeLogLikelihoodLoss": nll_loss,
    "SoftmaxCrossEntropyLoss": cross_entropy,
}


def cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    for case in found:
        nodes = case.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in OPERATORS:
            yield pytest.param(case, id=case.name.removeprefix("test_"))


@pytest.mark.parametrize("case", list(cases()))
def test_node(case):
    node = case.model.graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    for inputs, expected in case.data_sets:
        results = OPERATORS[node.op_type](inputs, **attributes)
        for result, wanted in zip(results, expected, strict=False):
            assert result.dtype == wanted.dtype
            np.testing.assert_allclose(result, wanted, rtol=case.rtol, atol=case.atol)
