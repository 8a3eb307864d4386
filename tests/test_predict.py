"""predict: classes and probabilities, of any chain, and what it refuses."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse
import torch
from fit_helpers import CLASSES, data, network_of_seed

import cnn_mnist
from cnn_mnist import nn


def test_predict_gives_classes_or_probabilities():
    x, _ = data()
    model = network_of_seed()
    logits = torch.from_numpy(model(x).detach().numpy())
    classes = cnn_mnist.predict(model, x)
    assert isinstance(classes, np.ndarray) and classes.dtype == np.int64
    assert classes.tolist() == logits.argmax(1).tolist()
    probabilities = cnn_mnist.predict(model, x, probabilities=True)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, logits.softmax(1).numpy(), atol=1e-6)
    tensor = cnn_mnist.predict(model, cnn_mnist.from_numpy(x))
    assert isinstance(tensor, cnn_mnist.Tensor) and tensor.tolist() == classes.tolist()
    assert cnn_mnist.predict(model, x[:0]).shape == (0,)
    assert cnn_mnist.predict(model, x[:0], probabilities=True).shape == (0, CLASSES)
    assert cnn_mnist.predict(model, x[:1], num_threads=1).tolist() == classes[:1].tolist()
    assert cnn_mnist.predict(model.double(), x.astype(np.float64)).tolist() == classes.tolist()


COUNTED = """
    import os
    import numpy as np
    import cnn_mnist

    cnn_mnist.set_num_threads(8)
    model = cnn_mnist.nn.Linear(20, 10)
    x = np.ones((4096, 20), np.float32)
    before = len(os.listdir("/proc/self/task"))
    for threads in (1, 3, None):
        cnn_mnist.predict(model, x, num_threads=threads)
        print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts the threads in /proc")
def test_predict_keeps_to_the_number_of_threads():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COUNTED)], text=True, check=True, capture_output=True
    )
    assert done.stdout.split() == ["0", "2", "7"]


def test_predict_takes_what_cannot_be_trained():
    layer = nn.Linear(5, 5)
    layer.weight.requires_grad = False
    x = np.eye(5, dtype=np.float32)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert cnn_mnist.predict(model, x).tolist() == model(x).argmax(1).tolist()


@pytest.mark.parametrize(
    "x, kind, text",
    [
        (np.ones((2, 3), np.float32), RuntimeError, "x: .*17 columns"),
        (np.ones((2, 17)), RuntimeError, "x: .*got float64"),
        (None, RuntimeError, "x: "),
        (np.ones(17, np.float32), RuntimeError, r"x: expected shape \(N, 17\)"),
    ],
)
def test_what_predict_refuses(x, kind, text):
    with pytest.raises(kind, match=text):
        cnn_mnist.predict(network_of_seed(), x)


def test_predict_of_no_classes():
    model = nn.Linear(17, 1)
    model.weight.data, model.bias.data = cnn_mnist.zeros(0, 17), cnn_mnist.zeros(0)
    for probabilities in (False, True):
        with pytest.raises(ValueError, match="expected at least one class"):
            cnn_mnist.predict(model, data()[0], probabilities=probabilities)


class OwnForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(784, 10)]

    def forward(self, x):
        return self.layers[0](x) + 0


@pytest.mark.parametrize("model", [nn.Linear(784, 10), OwnForward()])
def test_columns_beyond_32_bits_are_refused(model):
    x = scipy.sparse.csr_matrix(np.eye(2, 784, dtype=np.float32))
    x.indices = x.indices.astype(np.int64) + 2**32
    with pytest.raises(ValueError, match=r"x: index\[0\] is 4294967296 in row 0, expected .* 784"):
        cnn_mnist.predict(model, x)
    with pytest.raises(ValueError, match=r"x: index\[0\] is 4294967296 in row 0, expected .* 784"):
        cnn_mnist.fit(model, x, np.zeros(2, np.int64), epochs=1, batch_size=1, lr=0.1)
