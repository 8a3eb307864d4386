"""CrossEntropyLoss and NLLLoss: losses with their options kept."""

from __future__ import annotations

from typing import Any

from ...operations.common import array_like
from ...operations.creation import as_tensor
from ...tensor import Tensor
from .. import functional as F
from ..arguments import reduction_of
from .module import Module


class _ClassLoss(Module):
    """A loss over classes: the options that both have."""

    weight: Tensor | None
    ignore_index: int
    reduction: str

    def __init__(
        self,
        weight: Any,
        size_average: bool | None,
        ignore_index: int,
        reduce: bool | None,
        reduction: str,
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = reduction_of(reduction, size_average, reduce, stacklevel=4)
        if array_like(weight):
            weight = as_tensor(weight)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction


class NLLLoss(_ClassLoss):
    """The negative log likelihood of class indices, given log-probabilities.

    Parameters
    ----------
    weight : Tensor, optional
        Shape (C,): a factor for each class.
    size_average, reduce : bool, optional
        Deprecated names of `reduction`.
    ignore_index : int
        Rows with this target count nothing.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights of the targets.

    See Also
    --------
    cnn_mnist.nn.functional.nll_loss
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(_ClassLoss):
    """``NLLLoss`` of the log-softmax of logits, given class indices or probabilities.

    Parameters
    ----------
    weight : Tensor, optional
        Shape (C,): a factor for each class.
    size_average, reduce : bool, optional
        Deprecated names of `reduction`.
    ignore_index : int
        Rows with this target count nothing.
    reduction : {'mean', 'sum', 'none'}
    label_smoothing : float
        Between 0 and 1: how much of the target is spread evenly over all classes.

    See Also
    --------
    cnn_mnist.nn.functional.cross_entropy
    """

    label_smoothing: float

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
