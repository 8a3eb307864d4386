"""NumPy with its OpenBLAS: every buffer allocated once, products straight into them."""

import numpy as np

from ..data import Case, Floats
from . import Call, batches, epoch_means


def start(threads: int) -> dict[str, str]:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {"NumPy": np.__version__, "NumPy's BLAS": f"{blas['name']} {blas['version']}"}


def forward(x: Floats, weights: list[tuple[Floats, Floats]], outs: list[Floats]) -> None:
    """out = x @ weight^T + bias, relu between the layers."""
    for i, ((weight, bias), out) in enumerate(zip(weights, outs)):
        np.dot(x, weight.T, out=out)
        out += bias
        if i + 1 < len(weights):
            np.maximum(out, 0, out=out)
        x = out


def fit(case: Case) -> Call:
    work = case.work

    def call():
        weights = [(weight.copy(), bias.copy()) for weight, bias in case.weights]
        gradients = [np.empty_like(weight) for weight, _ in weights]
        buffers = [np.empty((work.batch, size), np.float32) for size in work.sizes[1:]]
        deltas = [np.empty_like(buffer) for buffer in buffers[:-1]]
        gathered = np.empty((work.batch, work.sizes[0]), np.float32)
        every = np.arange(work.batch)
        losses = []
        for epoch in range(work.epochs):
            for rows in batches(case, epoch):
                if isinstance(rows, slice):
                    x = case.x[rows]
                else:
                    x = np.take(case.x, rows, axis=0, out=gathered[: len(rows)], mode="clip")
                n, target = len(x), case.y[rows]
                outs = [buffer[:n] for buffer in buffers]
                forward(x, weights, outs)

                z = outs[-1]  # loss = logsumexp(z) - z[target]
                z -= z.max(axis=1, keepdims=True)
                chosen = z[every[:n], target].sum()
                np.exp(z, out=z)
                total = z.sum(axis=1, keepdims=True)
                losses.append((np.log(total).sum() - chosen) / n)
                z /= total  # dz = (softmax - onehot) / n
                z[every[:n], target] -= 1
                z *= work.lr / n  # the step's length goes in here

                delta = z
                for i in range(len(weights) - 1, -1, -1):
                    weight, bias = weights[i]
                    np.dot(delta.T, outs[i - 1] if i else x, out=gradients[i])
                    if i:
                        below = deltas[i - 1][:n]
                        np.dot(delta, weight, out=below)
                        below *= outs[i - 1] > 0
                    bias -= delta.sum(axis=0)
                    weight -= gradients[i]
                    if i:
                        delta = below
        return epoch_means(losses, case)

    return call


def predict(case: Case) -> Call:
    outs = [np.empty((len(case.x), size), np.float32) for size in case.work.sizes[1:]]

    def call():
        forward(case.x, case.weights, outs)
        return outs[-1].argmax(axis=1)

    return call
