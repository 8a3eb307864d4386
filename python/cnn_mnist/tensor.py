"""The class Tensor: torch's names for what it holds and for what operations/ can do with it."""

from __future__ import annotations

import warnings
from typing import Any

from . import dtypes, protocols, tape
from .operations import (
    arithmetic,
    bounds,
    comparisons,
    conversion,
    creation,
    indexing,
    inplace,
    pointwise,
    reductions,
    rows,
    shaping,
)
from .operations.common import check_dim, is_whole
from .operations.operators import Operators
from .tape import Node, Storage, wrap


class Size(tuple[int, ...]):
    """A shape: a tuple of sizes that prints as `cnn_mnist.Size([512, 10])`."""

    __module__ = "cnn_mnist"
    __slots__ = ()

    def __repr__(self) -> str:
        return f"cnn_mnist.Size([{', '.join(map(str, self))}])"

    def numel(self) -> int:
        """Number of elements of this shape."""
        count = 1
        for size in self:
            count *= size
        return count

    def __getitem__(self, index: Any) -> Any:
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(index, slice) else item

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple.__add__(other, self))

    def __mul__(self, count: Any) -> Size:
        if not hasattr(count, "__index__"):
            return NotImplemented
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__


class Tensor(Operators, Storage):
    """An array with torch's names, which remembers how it was made so that it can be differentiated.

    It holds one `numpy.ndarray` and is none. `Tensor(data)` shares the memory of a Tensor or of a
    float32 array and copies anything else to float32, `Tensor(2, 3)` is a matrix of zeros; usually
    a Tensor is made by `cnn_mnist.tensor`, `as_tensor` or `from_numpy`. Any attribute can be set, so
    that one can keep beside it what one has computed by hand: `w.g = x.t() @ out.g`.

    Attributes
    ----------
    shape : Size
    dtype : dtype
    requires_grad : bool
        Whether operations on it are recorded. Only floating types can.
    grad : Tensor or None
        Sum of the gradients of all `backward()` so far; a leaf's only.
    grad_fn : Node or None
        The operation that made it; None for a leaf.
    """

    __module__ = "cnn_mnist"  # type(x) prints where users find the class

    def __init__(self, *data: Any) -> None:
        if len(data) == 1 and isinstance(data[0], Tensor):
            source = data[0][...]
        elif data and all(is_whole(each) or type(each) is Size for each in data):
            source = creation.zeros(*data)
        elif len(data) > 1 or (data and (data[0] is None or isinstance(data[0], (bool, float)))):
            kinds = ", ".join(type(each).__name__ for each in data)
            raise TypeError(f"Tensor(): expected sizes, or one sequence or array, got ({kinds})")
        else:
            source = creation.as_tensor(data[0] if data else [], dtypes.float32)
        self._array, self._changes, self._view = source._array, source._changes, source._view
        self._node, self._requires_grad = source._node, source._requires_grad

    # what it holds -------------------------------------------------------------------------
    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        if dim is None:
            return Size(self._array.shape)
        if not self._array.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return self._array.shape[check_dim(dim, self._array.ndim)]

    @property
    def ndim(self) -> int:
        return self._array.ndim

    def dim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """Number of elements."""
        return self._array.size

    nelement = numel

    @property
    def itemsize(self) -> int:
        return self._array.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """Steps in elements from one index to the next, of all dimensions or one."""
        x = self._array
        steps: list[int] = []
        row = 1  # elements of all later dimensions: NumPy leaves steps that nobody takes 0
        for size, step in zip(reversed(x.shape), reversed(x.strides)):
            steps.insert(0, step // x.itemsize if step or (x.size and size > 1) else row)
            row = steps[0] * max(size, 1)
        return tuple(steps) if dim is None else steps[check_dim(dim, len(steps))]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in order."""
        return self._array.flags.c_contiguous

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._array.ctypes.data

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.of_numpy(self._array.dtype)

    def is_floating_point(self) -> bool:
        """Whether the elements are of a floating type."""
        return self._array.dtype.kind == "f"

    @property
    def data(self) -> Tensor:
        """The same memory as a Tensor without history; changes of it are not counted."""
        return wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Storage):
            raise TypeError(f"Variable data has to be a tensor, but got {tape.kind_of(value)}")
        if self._requires_grad and value._array.dtype.kind != "f":
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point"
            )
        self._array = value._array

    # the tape ------------------------------------------------------------------------------
    @property
    def requires_grad(self) -> bool:
        view = self._view  # whose root may have got a history in place
        return self._requires_grad or (view is not None and view[0]._node is not None)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError(f"requires_grad must be a bool, not {type(value).__name__}")
        if self._node is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if value and self._array.dtype.kind != "f":
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self._requires_grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad`; returns the Tensor itself."""
        if not isinstance(requires_grad, bool):
            kind = type(requires_grad).__name__
            raise TypeError(f"requires_grad_(): argument 'requires_grad' must be bool, not {kind}")
        if not (requires_grad and self._node is not None):
            self.requires_grad = requires_grad
        return self

    def _absent_grad(self) -> None:
        if not self.is_leaf and not self.retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during backward(). If you want it to be, use "
                ".retain_grad() on the non-leaf Tensor; if you access it by mistake, use the leaf.",
                stacklevel=2,
            )

    def _set_grad(self, value: Tensor | None) -> None:
        if value is not None:
            tape.check_grad(self, value)
        self._grad = value

    @property
    def grad_fn(self) -> Node | None:
        if self._view is not None:
            tape.current(self)
        return self._node

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @property
    def _version(self) -> int:
        return self._changes[0]

    def retain_grad(self) -> None:
        """Lets `backward` keep the gradient of this Tensor, which no leaf is, in `.grad`."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        tape.retain(self)

    @property
    def retains_grad(self) -> bool:
        """Whether it is no leaf and `backward` keeps its gradient, as `retain_grad` asked."""
        return self._node is not None and self._node.retained is not None

    def detach(self) -> Tensor:
        """The same memory as a Tensor without history."""
        result = wrap(self._array)
        result._changes = self._changes
        return result

    def detach_(self) -> Tensor:
        """Forgets the history; RuntimeError for a view, whose history is its root's."""
        if self._view is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._node = None
        self._requires_grad = False
        return self

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Adds the gradient of this Tensor to `.grad` of every leaf that it was computed from.

        Parameters
        ----------
        gradient : Tensor, optional
            Gradient with respect to this Tensor, of its shape; 1 for a single element.
        retain_graph : bool
            Keep what the operations saved, so that backward can run through them again.
        create_graph : bool
            Gradients of gradients: not offered.

        Raises
        ------
        RuntimeError
            Nothing requires grad; several elements without `gradient`; freed or changed values.
        """
        if create_graph:
            raise NotImplementedError("create_graph: gradients are not themselves recorded")
        tape.backward(self, conversion.seed_gradient(self, gradient), bool(retain_graph))

    # Python's and NumPy's protocols ----------------------------------------------------------
    __hash__ = object.__hash__
    __repr__ = protocols.tensor_repr
    __format__ = protocols.formatted
    __len__ = protocols.length
    __iter__ = protocols.iterate
    __reversed__ = protocols.reverse
    __contains__ = protocols.contains
    __bool__ = protocols.truth
    __int__ = protocols.to_int
    __float__ = protocols.to_float
    __index__ = protocols.to_index
    __array__ = protocols.array
    __array_ufunc__ = protocols.array_ufunc
    __array_function__ = protocols.array_function
    __dlpack__ = protocols.dlpack
    __dlpack_device__ = protocols.dlpack_device
    __reduce_ex__ = protocols.reduce
    __deepcopy__ = protocols.deep_copy
    item = protocols.item
    tolist = protocols.to_list
    numpy = protocols.to_numpy
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
    __delitem__ = protocols.delete

    # functions -----------------------------------------------------------------------------
    add, add_ = arithmetic.add, inplace.add_
    sub, sub_ = arithmetic.sub, inplace.sub_
    mul, mul_ = arithmetic.mul, inplace.mul_
    div, div_ = arithmetic.div, inplace.div_
    floor_divide, floor_divide_ = arithmetic.floor_divide, inplace.floor_divide_
    remainder, remainder_ = arithmetic.remainder, inplace.remainder_
    pow, pow_ = arithmetic.pow, inplace.pow_
    matmul, neg, abs = arithmetic.matmul, arithmetic.neg, pointwise.abs
    eq, ne, lt = comparisons.eq, comparisons.ne, comparisons.lt
    le, gt, ge = comparisons.le, comparisons.gt, comparisons.ge
    bitwise_and, bitwise_and_ = comparisons.bitwise_and, inplace.bitwise_and_
    bitwise_or, bitwise_or_ = comparisons.bitwise_or, inplace.bitwise_or_
    bitwise_xor, bitwise_xor_ = comparisons.bitwise_xor, inplace.bitwise_xor_
    bitwise_left_shift = comparisons.bitwise_left_shift
    bitwise_left_shift_ = inplace.bitwise_left_shift_
    bitwise_right_shift = comparisons.bitwise_right_shift
    bitwise_right_shift_ = inplace.bitwise_right_shift_
    bitwise_not = comparisons.bitwise_not
    exp = pointwise.exp
    log = pointwise.log
    sqrt = pointwise.sqrt
    relu = pointwise.relu
    clamp = bounds.clamp
    clamp_min = bounds.clamp_min
    maximum = bounds.maximum
    minimum = bounds.minimum
    softmax = rows.softmax
    log_softmax = rows.log_softmax
    logsumexp = rows.logsumexp
    sum = reductions.sum
    mean = reductions.mean
    var = reductions.var
    std = reductions.std
    max = reductions.max
    min = reductions.min
    argmax = reductions.argmax
    argmin = reductions.argmin
    all = comparisons.all
    any = comparisons.any
    isnan = comparisons.isnan
    isinf = comparisons.isinf
    isfinite = comparisons.isfinite
    equal = comparisons.equal
    allclose = comparisons.allclose

    # shapes --------------------------------------------------------------------------------
    view = shaping.view_as_shape
    reshape = shaping.reshape
    flatten = shaping.flatten
    squeeze = shaping.squeeze
    unsqueeze = shaping.unsqueeze
    permute = shaping.permute
    transpose = shaping.transpose
    t = shaping.t
    expand = shaping.expand
    clone = shaping.clone
    contiguous = shaping.contiguous
    T = property(shaping.reversed_dims)
    mT = property(shaping.matrix_transpose)

    # in place ------------------------------------------------------------------------------
    zero_ = inplace.zero_
    fill_ = inplace.fill_
    copy_ = inplace.copy_
    abs_ = inplace.abs_
    clamp_ = inplace.clamp_
    clamp_min_ = inplace.clamp_min_
    exp_ = inplace.exp_
    log_ = inplace.log_
    neg_ = inplace.neg_
    relu_ = inplace.relu_
    sqrt_ = inplace.sqrt_
    uniform_ = inplace.uniform_
    random_ = inplace.random_

    # types ---------------------------------------------------------------------------------
    to = conversion.to
    type = conversion.type_
    float = conversion.to_float32
    double = conversion.to_float64
    half = conversion.half
    long = conversion.to_int64
    int = conversion.to_int32
    short = conversion.to_int16
    byte = conversion.to_uint8
    bool = conversion.to_bool
    cpu = conversion.cpu
