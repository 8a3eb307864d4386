"""The libraries that are compared, one file each.

A peer is a module with `start(threads)`, which sets its threads and returns its versions,
and whichever of these it can do, each taking a `Case` and returning a call without
arguments that does the whole work once, from NumPy arrays to the result:

fit          losses: the mean over the rows of each epoch
loop         the same, by the lesson's own loop
predict      the class of each row
functional   the values (and gradients) of the operation

What happens before the call is returned is not counted: imports, compilation, and, for
`functional`, wrapping the arrays in the library's own type.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data import Case, Integers
from ..works import Work

Call = Callable[[], ArrayLike]

MODULES = {
    "ours": "ours",
    "torch eager": "torch_eager",
    "torch.compile": "torch_compile",
    "JAX": "jax_scan",
    "scikit-learn": "sklearn_mlp",
    "NumPy": "numpy_openblas",
    "SciPy": "scipy_special",
}
KINDS = {
    "fit": ("ours", "torch eager", "torch.compile", "JAX", "scikit-learn", "NumPy"),
    "loop": ("ours", "torch eager"),
    "predict": ("ours", "torch eager", "torch.compile", "JAX", "scikit-learn", "NumPy"),
    "functional": ("ours", "torch eager", "SciPy"),
}


def module(name: str) -> ModuleType:
    return import_module(f"{__name__}.{MODULES[name]}")


def able(work: Work) -> tuple[str, ...]:
    """The peers that can do a work."""
    return work.peers or KINDS[work.kind]


def batches(case: Case, epoch: int) -> Iterator[slice | Integers]:
    """What selects the rows of each batch: a slice, or indices where the work is shuffled."""
    for start in range(0, len(case.x), case.work.batch):
        rows = slice(start, min(start + case.work.batch, len(case.x)))
        yield rows if case.orders is None else case.orders[epoch, rows]


def epoch_means(step_losses: ArrayLike, case: Case) -> NDArray[np.float64]:
    """The mean loss over the rows of each epoch, from the mean loss of each batch."""
    rows, batch = len(case.x), case.work.batch
    steps = -(-rows // batch)
    share = np.full(steps, batch / rows)
    share[-1] = (rows - (steps - 1) * batch) / rows
    return np.asarray(step_losses, np.float64).reshape(-1, steps) @ share
