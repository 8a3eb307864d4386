"""The tape: what an operation leaves behind so that `backward` can find the gradients.

A recorded operation is a `Node`: a function from the gradient of the operation's result to
the gradients of its inputs, and where those go. Tensors know their node, nodes know the nodes
before them, and no node knows its Tensor: there are no cycles, so dropping the loss frees all.
Gradients are plain arrays. A node's function returns new arrays, views or its argument, never
an array that it keeps, and never the same new array twice.

The compiled module makes and walks the nodes; `_core.pyi` says what its functions take.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from . import _core
from ._core import Node, Storage, edges_of, grad_enabled, make_node
from .quiet import quiet

__all__ = [
    "ONE_OF_MANY", "Array", "Node", "Storage", "backward", "check_grad", "current", "edges_of",
    "kind_of", "make_node", "record", "recorded", "replay_all", "retain", "spread_all", "succeed",
    "view", "wants_grad", "wrap",
]  # fmt: skip

Array = NDArray[Any]
# How a view looks at its root: the steps before the last one, then what `view` takes for that.
Steps = tuple[Any, Callable[[Array], Array], Callable[[Array], Array]] | None

# Why a view, and its base while it is in use, must not change in place under recording.
_UNRECORDED = (
    "A view was created in no_grad mode and {} modified inplace with grad mode enabled: "
    "make and change it both inside no_grad, or both outside."
)
ONE_OF_MANY = (
    "This view is the output of a function that returns multiple views and {} modified inplace, "
    "which is not allowed: use an out-of-place operation."
)

wrap: Callable[..., Tensor] = _core.wrap
record: Callable[..., Tensor] = _core.record
recorded: Callable[..., Tensor] = _core.recorded


def current(tensor: Storage) -> None:
    """Bring a view's history up to date after its root changed in place under recording."""
    root, steps, node, fixed = tensor._view  # type: ignore[misc]
    if root._node is not node and root._node is not None:
        if fixed:
            raise RuntimeError(fixed.format("its base or another view of its base has been"))
        node = make_node("AsStridedBackward0", [root._node], lambda g: (spread_all(steps, g),))
        succeed(tensor, node)
        tensor._view = (root, steps, root._node, fixed)


def succeed(tensor: Storage, node: Node) -> None:
    """From now on `node` has made the value of `tensor`, and keeps its gradient if asked to."""
    before = tensor._node
    if before is not None and before.retained is not None and before.retained() is tensor:
        node.retained, before.retained = before.retained, None
    tensor._node = node
    tensor._requires_grad = True


def wants_grad(*inputs: Storage | None) -> bool:
    """Whether an operation on these inputs is going to be recorded."""
    return edges_of(inputs) is not None


def view(
    tensor: Tensor,
    replay: Callable[[Array], Array],
    name: str,
    spread: Callable[[Array], Array],
    fixed: str = "",
) -> Tensor:
    """The Tensor `replay(tensor)`, which shares memory and version with `tensor`.

    `spread` takes the gradient of the view to the gradient of what it looks at. `fixed` says why
    it must not change in place under recording; the same holds of its own views.
    """
    result = record(replay(tensor._array), name, (tensor,), lambda g: (spread(g),))
    result._changes = tensor._changes
    result._requires_grad = tensor.requires_grad  # under no_grad, too, where it is a leaf
    if not grad_enabled():
        fixed = _UNRECORDED
    elif not fixed and tensor._view is not None:
        fixed = tensor._view[3]
    # a leaf is the root of its own views, if these may change
    own = tensor._requires_grad and tensor._node is None and not fixed
    root, steps = (tensor, None) if tensor._view is None or own else tensor._view[:2]
    result._view = (root, (steps, replay, spread), root._node, fixed)
    return result


def replay_all(steps: Steps, array: Array) -> Array:
    """The view of `array`, which has the root's form, that these steps lead to."""
    functions = []
    while steps is not None:
        steps, function, _ = steps
        functions.append(function)
    for function in reversed(functions):
        array = function(array)
    return array


def spread_all(steps: Steps, g: Array) -> Array:
    """The gradient of the root for the gradient of the view that these steps lead to."""
    while steps is not None:
        steps, _, function = steps
        g = function(g)
    return g


def backward(root: Storage, gradient: Array, retain_graph: bool) -> None:
    """Add d root / d leaf, times `gradient`, to `.grad` of every leaf that root depends on."""
    quiet(_core.backward, root, gradient, retain_graph)


def retain(tensor: Storage) -> None:
    """Let `backward` keep the gradient of this intermediate result."""
    if tensor._node is not None:
        tensor._node.retained = weakref.ref(tensor)


def kind_of(value: Any) -> str:
    """The type of what is no Tensor, for an error; of an array also what to write instead."""
    name = type(value).__name__
    if isinstance(value, Storage) or not hasattr(value, "__array__"):
        return name
    package = type(value).__module__.split(".")[0]
    return f"{package}.{name}: write cnn_mnist.as_tensor(x)"


def check_grad(tensor: Storage, grad: Any) -> None:
    """Whether `tensor.grad = grad` can be right."""
    if not isinstance(grad, Storage):
        raise TypeError(
            f"assigned grad expected to be a Tensor or None but got grad of type {kind_of(grad)}"
        )
    if grad is tensor:
        raise RuntimeError("can't assign Variable as its own grad")
    if grad._array.dtype != tensor._array.dtype:
        raise RuntimeError(
            f"assigned grad has data type {grad._array.dtype}, but expected "
            f"{tensor._array.dtype}: they must match"
        )
    if grad._array.shape != tensor._array.shape:
        raise RuntimeError(
            f"assigned grad has data of a different size: {list(grad._array.shape)}, "
            f"expected {list(tensor._array.shape)}"
        )


from .tensor import Tensor  # at the end: operations, and so Tensor, are made of the above

_core.set_tensor_type(Tensor, current)
