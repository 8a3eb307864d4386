"""The tape: what an operation leaves behind so that `backward` can find the gradients.

A recorded operation is a `Node`: a function from the gradient of the operation's result to
the gradients of its inputs, and where those go. Tensors know their node, nodes know the nodes
before them, and no node knows its Tensor: there are no cycles, so dropping the loss frees all.
Gradients are plain arrays. A node's function returns new arrays, views or its argument, never
an array that it keeps, and never the same new array twice.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grad_mode import thread

Array = NDArray[Any]
Gradients = Callable[[Array], "Sequence[Array | None]"]

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you "
    "call .backward(). Specify retain_graph=True if you need to backward through the graph a "
    "second time or if you need to access saved tensors after calling backward."
)

_ndarray = np.ndarray
_asarray = np.asarray
_new = object.__new__
_next_sequence = itertools.count().__next__


class Node:
    """One recorded operation.

    Attributes
    ----------
    name : str
        torch's name of the gradient, as it appears in `grad_fn=<ExpBackward0>`.
    inputs : list of Node, Tensor or None
        Where the gradients go: the node that made an input, the input itself when it is a
        leaf, None when it wants no gradient.
    gradients : callable or None
        gradient of the result -> gradients of the inputs; None once freed.
    saved : list of (version counter, version)
        For each Tensor whose value `gradients` uses: a value that changed since must not be.
    keeps : bool
        Whether `gradients` uses any value; then the first backward frees it.
    retained : weak reference to Tensor, or None
        The result, if `retain_grad()` was called on it.
    """

    __slots__ = ("gradients", "inputs", "keeps", "name", "retained", "saved", "sequence")

    name: str
    inputs: list[Any]
    gradients: Gradients | None
    keeps: bool
    saved: list[tuple[list[int], int]]
    sequence: int
    retained: weakref.ref[Any] | None

    def __repr__(self) -> str:
        return f"<{self.name} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes (or leaves) that this one passes gradients to, as torch lists them."""
        return tuple((target, 0) for target in self.inputs)


class Storage:
    """What a Tensor is made of; `Tensor` adds the names.

    _array : the elements. _grad : Tensor or None. _node : the node that made it, None for a
    leaf. _requires_grad : bool. _version : [number of in-place changes], one list for all
    Tensors over the same memory. _view : None, or (root, replay, spread, node): this
    is replay(root), `spread` takes its gradient to root's, recorded when root's node was `node`.
    """

    __slots__ = ("__weakref__", "_array", "_grad", "_node", "_requires_grad", "_version", "_view")

    _array: Array
    _grad: Any
    _node: Node | None
    _requires_grad: bool
    _version: list[int]
    _view: tuple[Storage, Callable[[Array], Array], Callable[[Array], Array], Node | None] | None


def wrap(array: Any, kind: type[Any] | None = None) -> Tensor:
    """A new leaf Tensor over `array`, sharing its memory."""
    tensor = _new(kind or Tensor)
    tensor._array = array if type(array) is _ndarray else _asarray(array)
    tensor._grad = tensor._node = tensor._view = None
    tensor._requires_grad = False
    tensor._version = [0]
    return tensor  # type: ignore[no-any-return]


def current(tensor: Storage) -> None:
    """Bring a view's history up to date after its root changed in place under recording."""
    root, replay, spread, node = tensor._view  # type: ignore[misc]
    if root._node is not node and root._node is not None:
        tensor._node = make_node("AsStridedBackward0", [root._node], lambda g: (spread(g),))
        tensor._requires_grad = True
        tensor._view = (root, replay, spread, root._node)


def make_node(
    name: str, inputs: list[Any], gradients: Gradients, saved: Sequence[Storage | None] = ()
) -> Node:
    node = _new(Node)
    node.name = name
    node.inputs = inputs
    node.gradients = gradients
    node.saved = [(each._version, each._version[0]) for each in saved if each is not None]
    node.keeps = bool(saved)
    node.sequence = _next_sequence()
    node.retained = None
    return node


def edges_of(inputs: Iterable[Storage | None]) -> list[Any] | None:
    """Where the gradients of these inputs go; None when the operation is not to be recorded."""
    if not thread.grad_enabled:
        return None
    edges: list[Any] = []
    wanted = False
    for tensor in inputs:
        if tensor is None:
            edges.append(None)
            continue
        view = tensor._view
        if view is not None and view[0]._node is not view[3]:
            current(tensor)
        if tensor._requires_grad:
            edges.append(tensor._node or tensor)
            wanted = True
        else:
            edges.append(None)
    return edges if wanted else None


def wants_grad(*inputs: Storage | None) -> bool:
    """Whether an operation on these inputs is going to be recorded."""
    return edges_of(inputs) is not None


def recorded(
    array: Any,
    name: str,
    edges: list[Any],
    gradients: Gradients,
    saved: Sequence[Storage | None] = (),
    saves_result: bool = False,
) -> Tensor:
    """The Tensor of an operation's result, with the node that passes gradients along `edges`.

    `saved` and `saves_result` say which values `gradients` will use; a None in `saved` stands
    for a value that cannot change, a number.
    """
    tensor = wrap(array)
    node = make_node(name, edges, gradients, saved)
    if saves_result:
        node.saved.append((tensor._version, 0))
        node.keeps = True
    tensor._node = node
    tensor._requires_grad = True
    return tensor


def record(
    array: Any,
    name: str,
    inputs: Sequence[Storage | None],
    gradients: Gradients,
    saved: Sequence[Storage | None] = (),
    saves_result: bool = False,
) -> Tensor:
    """`recorded` if an input wants a gradient, else a Tensor without history."""
    edges = edges_of(inputs)
    if edges is None:
        return wrap(array)
    return recorded(array, name, edges, gradients, saved, saves_result)


def view(
    tensor: Storage,
    replay: Callable[[Array], Array],
    name: str,
    spread: Callable[[Array], Array],
) -> Tensor:
    """The Tensor `replay(tensor)`, which shares memory and version with `tensor`.

    `spread` takes the gradient of the view to the gradient of what it looks at.
    """
    result = record(replay(tensor._array), name, (tensor,), lambda g: (spread(g),))
    result._version = tensor._version
    outer = tensor._view
    if outer is None:
        result._view = (tensor, replay, spread, tensor._node)
    else:
        root, inner, widen, _ = outer
        result._view = (
            root,
            lambda array: replay(inner(array)),
            lambda g: widen(spread(g)),
            root._node,
        )
    return result


# backward ----------------------------------------------------------------------------------
def backward(root: Storage, gradient: Array, retain_graph: bool) -> None:
    """Add d root / d leaf, times `gradient`, to `.grad` of every leaf that root depends on.

    Later operations have higher sequence numbers, so taking the highest first meets every node
    after all nodes that feed it a gradient. Leaves change only when all went well.
    """
    leaves: dict[Any, Array] = {}
    if root._node is None:
        leaves[root] = gradient.copy()
    else:
        pending = {root._node: gradient}  # node -> gradient of its result
        heap = [(-root._node.sequence, root._node)]
        with np.errstate(all="ignore"):
            while heap:
                node = heappop(heap)[1]
                g = pending.pop(node)
                for target, part in zip(node.inputs, _gradients(node, g, retain_graph)):
                    if target is None:
                        continue
                    if type(target) is not Node:
                        _collect(leaves, target, part, g)
                    elif target in pending:
                        pending[target] = pending[target] + part
                    else:
                        pending[target] = part
                        heappush(heap, (-target.sequence, target))
    for leaf, total in leaves.items():
        if leaf._requires_grad:  # no longer after detach_() or requires_grad_(False)
            accumulate(leaf, total)


def _gradients(node: Node, g: Array, retain_graph: bool) -> Sequence[Any]:
    """The gradients of a node's inputs; what it saved is given back unless retained."""
    gradients = node.gradients
    if gradients is None:
        raise RuntimeError(FREED)
    for counter, version in node.saved:
        if counter[0] != version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: a value saved for {node.name} is at version {counter[0]}; "
                f"expected version {version} instead."
            )
    if type(g) is not _ndarray:  # NumPy makes scalars of 0-d arrays
        g = _asarray(g)
    if node.retained is not None:
        _retain(node, g)
    if node.keeps and not retain_graph:
        node.gradients = None
    return gradients(g)


def _collect(leaves: dict[Any, Array], leaf: Any, part: Array, g: Array) -> None:
    """Add to what a leaf gets, which must be an array of its own if it becomes `.grad`."""
    if leaf in leaves:
        leaves[leaf] = leaves[leaf] + part
    elif leaf._grad is None and (type(part) is not _ndarray or part.base is not None or part is g):
        leaves[leaf] = np.array(part)
    else:
        leaves[leaf] = part


def retain(tensor: Storage) -> None:
    """Let `backward` keep the gradient of this intermediate result."""
    if tensor._node is not None:
        tensor._node.retained = weakref.ref(tensor)


def check_grad(tensor: Storage, grad: Any) -> None:
    """Whether `tensor.grad = grad` can be right."""
    if not isinstance(grad, Storage):
        raise TypeError(
            f"assigned grad expected to be a Tensor or None but got grad of type {type(grad).__name__}"
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


def _retain(node: Node, g: Array) -> None:
    tensor = node.retained()  # type: ignore[misc]
    if tensor is not None:
        accumulate(tensor, g.copy())


def accumulate(tensor: Any, gradient: Array) -> None:
    """tensor.grad += gradient, which becomes the tensor's own when it had none."""
    grad = tensor._grad
    if grad is None:
        tensor._grad = wrap(gradient)
    else:
        with np.errstate(all="ignore"):
            np.add(grad._array, gradient, out=grad._array)
        grad._version[0] += 1


from .tensor import Tensor  # at the end: operations, and so Tensor, are made of the above
