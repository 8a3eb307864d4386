"""The compiled module: positional arguments only, plain arrays in and out.

Arrays are float32 or float64, of any layout (made contiguous where needed). `dim` may be
negative. Reductions: 0 none, 1 mean, 2 sum. Every function checks all that its kernel
assumes and raises torch's error types.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self, disjoint_base

from .tensor import Tensor

_Array: TypeAlias = NDArray[Any]

# linear ---------------------------------------------------------------------------------
def linear(input: _Array, weight: _Array, bias: _Array | None, /) -> _Array: ...
def linear_backward(
    grad_output: _Array,
    input: _Array | None,
    weight: _Array | None,
    need_input: bool,
    need_weight: bool,
    need_bias: bool,
    /,
) -> tuple[_Array | None, _Array | None, _Array | None]: ...

# elementwise ----------------------------------------------------------------------------
def relu(input: _Array, /) -> _Array: ...
def relu_backward(grad_output: _Array, input: _Array, /) -> _Array: ...
def exp(input: _Array, /) -> _Array: ...
def log(input: _Array, /) -> _Array: ...
def sum(input: _Array, /) -> _Array: ...  # of all elements, 0-d; added up in float64

# x op y of plain operands: float arrays in C order, of one type and shape, or y 0-d; None for
# others.
def add(x: _Array, y: _Array, /) -> _Array | None: ...
def sub(x: _Array, y: _Array, /) -> _Array | None: ...
def mul(x: _Array, y: _Array, /) -> _Array | None: ...
def div(x: _Array, y: _Array, /) -> _Array | None: ...

# tensor op= other, counted as a change, of Tensors over such arrays or one and a float, unless
# the tape is to know or they share part of their memory. Whether it was done.
def add_(tensor: Storage, other: Any, /) -> bool: ...
def sub_(tensor: Storage, other: Any, /) -> bool: ...
def mul_(tensor: Storage, other: Any, /) -> bool: ...
def div_(tensor: Storage, other: Any, /) -> bool: ...
def zero_(tensor: Storage, /) -> bool: ...

# tensor * factor, a number; None where the tape must know of it, or NumPy does what it means.
def mul_number(tensor: Any, factor: Any, /) -> Tensor | None: ...

# The mean of all elements of plain floats; None where the tape must know of it.
def mean(tensor: Any, /) -> Tensor | None: ...

# function(x, y) of Tensors of one shape and one type that is not floating; None for others.
def compare_integers(function: Callable[..., Any], x: Any, y: Any, /) -> Tensor | None: ...

# A 0-d array of like's type; None unless that is float32 or float64.
def number(value: float, like: _Array, /) -> _Array | None: ...

# The axes of the result of an operation on these, the one of the largest step first, as torch
# lays it out; None where it lies row after row because they do.
def memory_order(x: _Array, y: _Array = ..., /) -> tuple[int, ...] | None: ...

# rows along dim ---------------------------------------------------------------------------
def softmax(input: _Array, dim: int, /) -> _Array: ...
def softmax_backward(grad_output: _Array, output: _Array, dim: int, /) -> _Array: ...
def log_softmax(input: _Array, dim: int, /) -> _Array: ...
def log_softmax_backward(grad_output: _Array, output: _Array, dim: int, /) -> _Array: ...
def logsumexp(input: _Array, dim: int, keepdim: bool, /) -> _Array: ...
def logsumexp_backward(
    grad_output: _Array, input: _Array, output: _Array, dim: int, keepdim: bool, /
) -> _Array: ...
def argmax(input: _Array, /) -> NDArray[np.int64]: ...  # along the last dimension, nan is largest

# The same of a Tensor; None unless dim is the last dimension of plain floats.
def argmax_along(tensor: Any, dim: int | None, /) -> Tensor | None: ...

# losses: input (C), (N, C) or (N, C, d1..dK); target (), (N) or (N, d1..dK) ------------------
def nll_loss(
    input: _Array, target: _Array, weight: _Array | None, ignore_index: int, reduction: int, /
) -> _Array: ...
def nll_loss_backward(
    grad_output: _Array,
    input: _Array,
    target: _Array,
    weight: _Array | None,
    ignore_index: int,
    reduction: int,
    /,
) -> _Array: ...

# target: class indices, or probabilities of the input's shape and type. With need_input
# (need_target) the second (third) item is the gradient for grad_output == 1; it is scaled by
# cross_entropy_backward.
def cross_entropy(
    input: _Array,
    target: _Array,
    weight: _Array | None,
    ignore_index: int,
    reduction: int,
    label_smoothing: float,
    need_input: bool,
    need_target: bool,
    /,
) -> tuple[_Array, _Array | None, _Array | None]: ...

# gradient * grad_output, which is 0-d, or of the losses' shape for reduction none
def cross_entropy_backward(grad_output: _Array, gradient: _Array, reduction: int, /) -> _Array: ...

# the targets (rows) as int64, each in [0, classes) or ignore_index
def labels(target: _Array, rows: int, classes: int, ignore_index: int, /) -> NDArray[np.int64]: ...

class Attributes:
    """Base of Module: finds what is registered among the attributes."""

    def __getattr__(self, name: str, /) -> Any: ...

# the tape ---------------------------------------------------------------------------------------
@disjoint_base
class Storage:
    """What a Tensor is made of; `Tensor` adds the names.

    _array : the elements. _grad : Tensor or None. _node : the node that made it, None for a
    leaf. _requires_grad : bool. _changes : [number of in-place changes], one list for all
    Tensors over the same memory. _view : None, or (root, steps, node, fixed): how
    this looks at root (see tape.py), recorded when root's node was `node`; why it must not change
    in place under recording, or "".
    """

    _array: _Array
    _grad: Any
    _node: Node | None
    _requires_grad: bool
    _changes: list[int]
    _view: tuple[Storage, Any, Node | None, str] | None
    grad: Tensor | None
    def __new__(cls, *args: Any, **keywords: Any) -> Self: ...

@final
class Node:
    """One recorded operation.

    name() : torch's name of the gradient. gradients : gradient of the result -> gradients of the
    inputs; None once freed. saved : (version list, version) of each Tensor whose value
    `gradients` uses: a value that changed since must not be. retained : weak reference to the
    result, if `retain_grad()` was called on it. next_functions : (where its gradient goes, 0) of
    each input.
    """

    def name(self) -> str: ...
    @property
    def gradients(self) -> _Gradients | None: ...
    saved: list[tuple[list[int], int]]
    retained: Any
    @property
    def next_functions(self) -> tuple[tuple[Node | AccumulateGrad | None, int], ...]: ...

@final
class AccumulateGrad:
    """What `next_functions` shows for a leaf, the `variable` whose `.grad` grows."""

    def name(self) -> str: ...
    @property
    def variable(self) -> Any: ...
    @property
    def next_functions(self) -> tuple[()]: ...

_Gradients: TypeAlias = Callable[[_Array], Sequence[_Array | None]]
_Inputs: TypeAlias = Sequence[Storage | None]

# A new leaf Tensor over `array`, sharing its memory.
def wrap(array: Any, kind: type[Any] = ..., /) -> Any: ...

# Where the gradients of these inputs go: node, leaf or None; None for an operation that is
# not to be recorded.
def edges_of(inputs: _Inputs, /) -> list[Any] | None: ...
def make_node(name: str, inputs: list[Any], gradients: _Gradients, /) -> Node: ...

# The Tensor of an operation's result, with the node that passes gradients along `edges`.
# `saved` and `saves_result` say which values `gradients` will use; a None in `saved` stands
# for a value that cannot change, a number.
def recorded(
    array: Any,
    name: str,
    edges: list[Any],
    gradients: _Gradients,
    saved: tuple[Storage | None, ...] = (),
    saves_result: bool = False,
    /,
) -> Any: ...

# `recorded` if an input wants a gradient, else a Tensor without history.
def record(
    array: Any,
    name: str,
    inputs: _Inputs,
    gradients: _Gradients,
    saved: tuple[Storage | None, ...] = (),
    saves_result: bool = False,
    /,
) -> Any: ...

# Adds d root / d leaf, times `gradient`, to `.grad` of every leaf: of all, or of none if it
# raises. NumPy's warnings must be off.
def backward(root: Storage, gradient: _Array, retain_graph: bool, /) -> None: ...

# The switch of this thread; set_grad_enabled returns what it was.
def grad_enabled() -> bool: ...
def set_grad_enabled(enabled: bool, /) -> bool: ...
def set_tensor_type(kind: type[Any], current: Callable[[Any], None], /) -> None: ...

# the optimiser: param (and buffer) change in place ------------------------------------------
def sgd_step(
    param: _Array,
    grad: _Array,
    buffer: _Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
    /,
) -> None: ...

# torch's generator --------------------------------------------------------------------------
@final
class Generator:
    def __new__(cls, seed: int = ..., /) -> Generator: ...
    def manual_seed(self, seed: int, /) -> None: ...  # any int64 or uint64
    def initial_seed(self, /) -> int: ...
    def get_state(self, /) -> NDArray[np.uint8]: ...  # torch's layout
    def set_state(self, state: NDArray[np.uint8], /) -> None: ...
    def uniform(self, out: _Array, low: float, high: float, /) -> None: ...  # fills in place
    def randperm(self, n: int, /) -> NDArray[np.int64]: ...
    def randint(self, n: int, low: int, last: int, /) -> NDArray[np.int64]: ...  # of [low, last]
    def random_int63(self, /) -> int: ...

# a chain of layers: (weight (O, I), bias (O) or None, relu follows) ---------------------------
_Layers: TypeAlias = list[tuple[_Array, _Array | None, bool]]

@final
class Trainer:
    """A training run over fixed rows. x: a dense array, or CSR (values, index, begin, shape)."""

    def __new__(
        cls,
        layers: _Layers,
        relu_input: bool,
        x: Any,
        target: _Array,
        batch_size: int,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        class_weight: _Array | None,
        ignore_index: int,
        label_smoothing: float,
        fixed_order: bool,
        num_threads: int,
        /,
    ) -> Trainer: ...
    # -> (losses (steps) float64, correct (steps) int64); FloatingPointError carries
    # .step; the poll function gets (done, total) about every 50 ms and may raise.
    def epoch(
        self,
        order: NDArray[np.int64] | None,
        lr: float,
        poll: Callable[[int, int], object] | None,
        /,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...
    def sync(self, /) -> None: ...
    def reload(self, /) -> None: ...

# logits (rows, C) ------------------------------------------------------------------------------
def forward(layers: _Layers, relu_input: bool, x: Any, num_threads: int, /) -> _Array: ...

# machine ----------------------------------------------------------------------------------------
def _isas() -> tuple[str, ...]: ...
def _isa() -> str: ...
def _set_isa(name: str, /) -> None: ...  # ValueError unknown, RuntimeError unsupported
def set_num_threads(n: int, /) -> None: ...
def get_num_threads() -> int: ...
def _build() -> dict[str, str]: ...  # compiler, flags, version
