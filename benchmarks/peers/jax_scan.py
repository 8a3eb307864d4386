"""JAX: an epoch is one jitted lax.scan over the batches."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..data import Case
from . import Call, epoch_means


def start(threads: int) -> dict[str, str]:
    return {"jax": jax.__version__}  # the worker's environment has set the threads


def parameters(case: Case):
    """(in, out) weights: XLA's products on a CPU like them better than (out, in)."""
    return [(jnp.asarray(weight.T), jnp.asarray(bias)) for weight, bias in case.weights]


def forward(layers, x):
    for i, (weight, bias) in enumerate(layers):
        x = (jax.nn.relu(x) if i else x) @ weight + bias
    return x


def loss_of(layers, x, y):
    logp = jax.nn.log_softmax(forward(layers, x))
    return -jnp.mean(jnp.take_along_axis(logp, y[:, None], axis=1))


def fit(case: Case) -> Call:
    work = case.work
    batch = min(work.batch, len(case.x))
    steps, whole = len(case.x) // batch, len(case.x) // batch * batch

    def update(layers, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(layers, x, y)
        return jax.tree.map(lambda p, g: p - work.lr * g, layers, gradients), loss

    def with_last(layers, losses, x, y):
        """The short batch at the end."""
        if not len(y):
            return layers, losses
        layers, loss = update(layers, x, y)
        return layers, jnp.append(losses, loss)

    @jax.jit
    def fixed_epoch(layers, x, y, last_x, last_y):
        layers, losses = lax.scan(lambda p, xy: update(p, *xy), layers, (x, y))
        return with_last(layers, losses, last_x, last_y)

    @jax.jit
    def shuffled_epoch(layers, x, y, order, last):
        layers, losses = lax.scan(lambda p, rows: update(p, x[rows], y[rows]), layers, order)
        return with_last(layers, losses, x[last], y[last])

    def call():
        layers, losses = parameters(case), []
        y = case.y.astype(np.int32)
        if case.orders is None:
            arrays = [
                jnp.asarray(part)
                for part in (
                    case.x[:whole].reshape(steps, batch, -1),
                    y[:whole].reshape(steps, batch),
                    case.x[whole:],
                    y[whole:],
                )
            ]
        else:
            x, y = jnp.asarray(case.x), jnp.asarray(y)
        for epoch in range(work.epochs):
            if case.orders is None:
                layers, loss = fixed_epoch(layers, *arrays)
            else:
                order = case.orders[epoch].astype(np.int32)
                layers, loss = shuffled_epoch(
                    layers, x, y, order[:whole].reshape(steps, batch), order[whole:]
                )
            losses.append(loss)
        return epoch_means(np.concatenate([np.asarray(loss) for loss in losses]), case)

    return call


def predict(case: Case) -> Call:
    layers = parameters(case)
    classes = jax.jit(lambda layers, x: jnp.argmax(forward(layers, x), axis=1))
    return lambda: np.asarray(classes(layers, jnp.asarray(case.x)))
