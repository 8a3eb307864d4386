"""Hundreds of calls of each kind, right and wrong: memory and reference counts stay flat."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cnn_mnist
from cnn_mnist import _core

F32 = np.float32
X = np.ones((8, 12), F32)
SWAPPED = X.astype(X.dtype.newbyteorder())
W = np.ones((5, 12), F32)
B = np.ones(5, F32)
OUT = np.ones((8, 5), F32)
TARGET = np.zeros(8, np.int64)
SCALAR = np.ones((), F32)
LABELS = cnn_mnist.from_numpy(TARGET)
MODEL = cnn_mnist.nn.Sequential(
    cnn_mnist.nn.Linear(12, 5), cnn_mnist.nn.ReLU(), cnn_mnist.nn.Linear(5, 3)
)
GENERATOR = _core.Generator(1)
STATE = GENERATOR.get_state()
CSR = (np.ones(8, F32), np.zeros(8, np.int32), np.arange(9), (8, 12))


def trainer(x=X, target=TARGET, weight=W):
    return _core.Trainer(
        [(weight.copy(), B.copy(), False)], False, x, target, 4, 0.9, 0.0, 0.0, False, False,
        B, -100, 0.0, False, 1,
    )  # fmt: skip


def leaf():
    return _core.wrap(X.copy())


def taped(gradients=lambda g: (g, g)):
    """backward through an operation on two leaves, one of which has a gradient already."""
    a, b = leaf(), leaf()
    a._requires_grad = b._requires_grad = True
    a._grad = leaf()
    result = _core.record(X.copy(), "A", (a, b), gradients, (a, None), True)
    _core.backward(result, X, False)
    return result


def poll(*_):
    raise KeyError


RIGHT = {
    "add": lambda: _core.add(X, X),
    "sub": lambda: _core.sub(X, SCALAR),
    "mul in place": lambda: _core.mul_(leaf(), leaf()),
    "sub of a number": lambda: (_core.sub_(leaf(), 0.5), _core.zero_(leaf())),
    "mul by a number": lambda: (
        _core.mul_number(cnn_mnist.ones(3), 2.0),
        _core.mul_number(leaf(), X),
    ),
    "mean": lambda: (_core.mean(cnn_mnist.ones(3)), _core.mean(leaf() * 2)),
    "argmax_along": lambda: (_core.argmax_along(leaf(), 1), _core.argmax_along(leaf(), 0)),
    "compare_integers": lambda: _core.compare_integers(
        np.equal, cnn_mnist.arange(3), cnn_mnist.arange(3)
    ),
    "missing": lambda: (hasattr(MODEL, "missing"), MODEL.__getattr__("0")),
    "div of others": lambda: (_core.div(X.T, SWAPPED), _core.div_(leaf(), X)),
    "number": lambda: (_core.number(0.5, X), _core.number(0.5, TARGET)),
    "wrap": lambda: _core.wrap(SCALAR),
    "edges_of": lambda: _core.edges_of([leaf(), None]),
    "make_node": lambda: _core.make_node("A", [], lambda g: ()),
    "backward": taped,
    "views": lambda: taped(lambda g: [g[:], np.broadcast_to(SCALAR, X.shape)]),
    "retained": lambda: (y := leaf().requires_grad_() * 2, y.retain_grad(), y.sum().backward()),
    "model": lambda: cnn_mnist.nn.functional.cross_entropy(MODEL(leaf()), LABELS).backward(),
    "relu": lambda: _core.relu(SWAPPED),
    "relu_backward": lambda: _core.relu_backward(X, X[::-1]),
    "exp": lambda: _core.exp(X.T),
    "log": lambda: _core.log(np.float32(1)),
    "sum": lambda: _core.sum(SWAPPED),
    "argmax": lambda: _core.argmax(X[:, ::2]),
    "softmax": lambda: _core.softmax(X, 0),
    "softmax_backward": lambda: _core.softmax_backward(X, X, 0),
    "log_softmax": lambda: _core.log_softmax(X, -1),
    "log_softmax_backward": lambda: _core.log_softmax_backward(X, SWAPPED, 1),
    "logsumexp": lambda: _core.logsumexp(X, 0, True),
    "logsumexp_backward": lambda: _core.logsumexp_backward(X[0], X, X[0], 0, False),
    "linear": lambda: _core.linear(SWAPPED, W, B),
    "linear_backward": lambda: _core.linear_backward(OUT, X, W, True, True, True),
    "nll_loss": lambda: _core.nll_loss(OUT, TARGET, B, -100, 0),
    "nll_loss_backward": lambda: _core.nll_loss_backward(SCALAR, OUT, TARGET, B, -100, 1),
    "cross_entropy": lambda: _core.cross_entropy(OUT, TARGET, B, -100, 1, 0.1, True, False),
    "probabilities": lambda: _core.cross_entropy(OUT, OUT, None, -100, 0, 0.0, True, True),
    "cross_entropy_backward": lambda: _core.cross_entropy_backward(X[:, 0], X, 0),
    "sgd_step": lambda: _core.sgd_step(
        W.copy("F"), W, np.zeros((12, 5), F32).T, 0.1, 0.9, 0.0, 0.0, False, False, False
    ),
    "Generator": lambda: _core.Generator(3).manual_seed(4),
    "get_state": GENERATOR.get_state,
    "set_state": lambda: GENERATOR.set_state(STATE[::-1].copy()[::-1]),
    "uniform": lambda: GENERATOR.uniform(X.T.copy("F")[::2], 0, 1),
    "randperm": lambda: GENERATOR.randperm(100),
    "randint": lambda: GENERATOR.randint(100, 0, 5),
    "random_int63": GENERATOR.random_int63,
    "Trainer": trainer,
    "Trainer of CSR": lambda: trainer(CSR),
    "epoch": lambda: trainer().epoch(np.arange(8), 0.1, None),
    "sync and reload": lambda: (t := trainer(weight=W.copy("F")), t.sync(), t.reload()),
    "forward": lambda: _core.forward([(W, B, True)], True, SWAPPED, 1),
    "forward of CSR": lambda: _core.forward([(W.T.copy().T, None, True)], False, CSR, 1),
    "machine": lambda: (_core._isas(), _core._isa(), _core._build(), _core.get_num_threads()),
}
WRONG = {
    "add": lambda: _core.add(X, SWAPPED, X),
    "number": lambda: _core.number("a", X),
    "wrap": lambda: _core.wrap(X, X),
    "compare_integers": lambda: _core.compare_integers(
        None, cnn_mnist.arange(3), cnn_mnist.arange(3)
    ),
    "missing": lambda: MODEL.missing,
    "edges_of": lambda: _core.edges_of([leaf().requires_grad_(), X]),
    "make_node": lambda: _core.make_node("A", X, None),
    "record": lambda: _core.record(X, "A", (leaf().requires_grad_(), X), None),
    "recorded": lambda: _core.recorded(X, "A", [], None, (leaf(), X)),
    "edge": lambda: _core.backward(_core.recorded(X, "A", [X], lambda g: (g,)), X, False),
    "gradients": lambda: taped(lambda g: g),
    "raising gradients": lambda: taped(lambda g: g.missing),
    "sum of gradients": lambda: taped(lambda g: (g, OUT)) + taped(lambda g: (OUT, g)),
    "freed": lambda: _core.backward(taped(), X, False),
    "relu": lambda: _core.relu(TARGET),
    "relu_backward": lambda: _core.relu_backward(SWAPPED, W),
    "sum": lambda: _core.sum(TARGET),
    "argmax": lambda: _core.argmax(SWAPPED[:, :0]),
    "softmax": lambda: _core.softmax(SWAPPED, 4),
    "softmax_backward": lambda: _core.softmax_backward(SWAPPED, W, 0),
    "logsumexp": lambda: _core.logsumexp(TARGET, 0, False),
    "logsumexp_backward": lambda: _core.logsumexp_backward(SWAPPED, X, X, 0, True),
    "linear": lambda: _core.linear(SWAPPED, W.T, B),
    "linear bias": lambda: _core.linear(SWAPPED, W, X),
    "linear_backward": lambda: _core.linear_backward(SWAPPED, X, W, True, True, True),
    "nll_loss": lambda: _core.nll_loss(OUT[:, ::2], TARGET + 9, B[:3], -100, 0),
    "nll_loss weight": lambda: _core.nll_loss(OUT, TARGET, X, -100, 0),
    "nll_loss_backward": lambda: _core.nll_loss_backward(X, OUT, TARGET, B, -100, 1),
    "cross_entropy": lambda: _core.cross_entropy(OUT, TARGET - 1, B, -100, 1, 0.1, True, False),
    "3-d": lambda: _core.cross_entropy(
        OUT[:, :, None], TARGET[:, None] + 9, None, -100, 1, 0.0, True, False
    ),
    "smoothing": lambda: _core.cross_entropy(OUT, OUT, B, -100, 1, 3.0, True, False),
    "cross_entropy_backward": lambda: _core.cross_entropy_backward(X, X, 1),
    "sgd_step": lambda: _core.sgd_step(
        W.copy("F"), W, np.zeros((12, 5)).T, 0.1, 0.9, 0.0, 0.0, False, False, False
    ),
    "Generator": lambda: _core.Generator(2**70),
    "set_state": lambda: GENERATOR.set_state(np.zeros(5056, np.uint8)),
    "uniform": lambda: GENERATOR.uniform(X.T.copy("F")[::2], 1, 0),
    "randint": lambda: GENERATOR.randint(100, 5, 0),
    "Trainer": lambda: trainer(target=TARGET + 9),
    "Trainer of CSR": lambda: trainer((*CSR[:3], (8, 11))),
    "Trainer's layers": lambda: trainer(weight=W[:, ::2]),
    "epoch": lambda: trainer().epoch(np.zeros(8, np.int64), 0.1, None),
    "epoch of nan": lambda: trainer(X * np.nan).epoch(None, 0.1, None),
    "forward": lambda: _core.forward([(W, B, True)], True, OUT, 1),
    "machine": lambda: _core._set_isa("none"),
}
CASES = [(name, call, None) for name, call in RIGHT.items()]
CASES += [(f"wrong {name}", call, Exception) for name, call in WRONG.items()]


def repeat(call, error, times):
    for _ in range(times):
        if error is None:
            call()
        else:
            try:
                call()
            except error:
                continue
            raise AssertionError("no error")


@pytest.mark.parametrize(("name", "call", "error"), CASES, ids=[name for name, *_ in CASES])
def test_references_stay_flat(name, call, error):
    shared = [X, SWAPPED, W, B, OUT, TARGET, SCALAR, STATE, *CSR[:3], None, _core.Trainer]
    repeat(call, error, 3)
    gc.collect()  # what earlier tests left behind has references to None as well
    gc.disable()
    try:
        before = [sys.getrefcount(each) for each in shared]
        repeat(call, error, 20)
        after = [sys.getrefcount(each) for each in shared]
    finally:
        gc.enable()
    assert np.abs(np.subtract(after, before)).max() < 10


def grow():
    """Megabytes that the process grows by in hundreds of calls of each kind."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

    sizes = []
    for _ in range(4):
        for _, call, error in CASES:
            repeat(call, error, 300)
        gc.collect()
        sizes.append(resident())
    return sizes[-1] - sizes[1]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.0


if __name__ == "__main__":
    print(grow())
