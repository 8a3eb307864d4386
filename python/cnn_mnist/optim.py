"""Optimisers: SGD as torch computes it, and the base class for one's own."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .absent import names_of
from .grad_mode import enable_grad
from .nn.parameter import zero_grad
from .operations.creation import as_tensor
from .tape import wrap
from .tensor import Tensor

__all__ = ["SGD", "Optimizer"]
if not TYPE_CHECKING:  # which knows the names
    __getattr__ = names_of(__name__, __all__)


class Optimizer:
    """Parameters in groups, each group with its options; a subclass gives ``step``.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor) or of dict
        What is optimised; a dict is a group, ``{"params": ..., "lr": ...}``.
    defaults : dict
        The options of groups that do not give them.

    Attributes
    ----------
    param_groups : list of dict
    state : dict
        What the optimiser remembers of each parameter.

    Raises
    ------
    TypeError
        When `params` is a Tensor, a group's are in a set, or one of them is no Tensor.
    ValueError
        When there is none, one is no leaf, or one is in two groups.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of "
                f"Tensors or dicts, but got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own: ``{"params": ..., "lr": ...}``."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        members = param_group["params"]
        if isinstance(members, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, "
                "but the ordering of tensors in sets will change between runs. "
                "Please use a list instead."
            )
        members = [members] if isinstance(members, Tensor) else list(members)
        names = [member[0] for member in members if isinstance(member, tuple)]
        params = [member[1] if isinstance(member, tuple) else member for member in members]
        if names and len(names) != len(params):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(param).__name__}"
                )
            if not param.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        ids = {id(param) for param in params}
        if len(ids) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters", stacklevel=3
            )
        if any(id(param) in ids for group in self.param_groups for param in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        if any(("param_names" in group) != bool(names) for group in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot "
                f"add param group {'with' if names else 'without'} names to the "
                "optimizer"
            )
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for name, value in self.defaults.items():
            param_group.setdefault(name, value)
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        zero_grad(chain.from_iterable(group["params"] for group in self.param_groups), set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """``{"state": ..., "param_groups": ...}`` with numbers in the parameters' places."""
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        number = {id(param): i for i, param in enumerate(params)}
        return {
            "state": {number.get(id(param), param): value for param, value in self.state.items()},
            "param_groups": [
                {name: value for name, value in group.items() if name != "params"}
                | {"params": [number[id(param)] for param in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state; what was saved last.

        Parameters
        ----------
        state_dict : dict
            As `state_dict` gives it; torch's will do.

        Raises
        ------
        ValueError
            When groups or their sizes differ from this optimiser's. Nothing has changed then.
        """
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved_groups)}, expected {len(self.param_groups)}"
            )
        param_of: dict[Any, Tensor] = {}
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't "
                    f"match the size of optimizer's group: {len(saved['params'])}, "
                    f"expected {len(group['params'])}"
                )
            param_of.update(zip(saved["params"], group["params"], strict=True))
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = param_of.get(key)
            state[key if param is None else param] = (
                value if param is None else _as_state_of(param, value)
            )
        self.state = state
        self.param_groups = saved_groups

    def __repr__(self) -> str:
        groups = []
        for i, group in enumerate(self.param_groups):
            options = [f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"]
            groups.append(f"\nParameter Group {i}\n" + "".join(options))
        return f"{type(self).__name__} ({''.join(groups)})"

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}


def _as_state_of(param: Tensor, value: Any) -> Any:
    """A copy of saved state in the parameter's dtype."""
    if isinstance(value, dict):
        return {name: _as_state_of(param, member) for name, member in value.items()}
    if hasattr(value, "__array__"):
        return as_tensor(value).detach().to(param.dtype, copy=True)
    return value


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum where wanted.

    For each parameter p with gradient g, in this order::

        g = -g                                    if maximize
        g = g + weight_decay * p
        b = g in the first step, else momentum * b + (1 - dampening) * g
        g = g + momentum * b if nesterov else b   if momentum
        p = p - lr * g

    Parameters without a gradient are left alone.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor) or of dict
    lr, momentum, dampening, weight_decay : float
    nesterov, maximize : bool
    foreach, fused : bool, optional
        Which of its implementations torch takes; here they are only kept in `param_groups`.
    differentiable : bool
        Gradients through the step: not offered.

    Raises
    ------
    NotImplementedError
        When `differentiable` is set.
    RuntimeError
        When `foreach` and `fused` are both set.
    ValueError
        When `lr`, `momentum` or `weight_decay` is negative, or `nesterov` is set without
        momentum or with dampening.

    Notes
    -----
    Sutskever et al., On the importance of initialization and momentum in deep learning, 2013,
    with the learning rate outside the momentum, as torch has it.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if differentiable:
            raise NotImplementedError("differentiable: the step is not recorded")
        if fused and foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {lr.shape}")
        check_sgd_options(lr, momentum, dampening, weight_decay, nesterov)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter by its gradient.

        `closure`, when given, computes the loss and the gradients anew first; its value is
        returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._update(param, param.grad, group)
        return loss

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        buffer, first = None, False
        if group["momentum"] != 0:
            buffer = self.state.get(param, {}).get("momentum_buffer")
            first = buffer is None
            buffer = wrap(np.empty_like(param._array)) if first else buffer
        _core.sgd_step(
            param._array,
            grad._array,
            None if buffer is None else buffer._array,
            float(group["lr"]),
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
            first,
        )
        param._changes[0] += 1
        if first:
            self.state[param]["momentum_buffer"] = buffer
        elif buffer is not None:
            buffer._changes[0] += 2  # multiplied, then added to


def check_sgd_options(
    lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool
) -> None:
    """Raise torch's errors for options of SGD that make no sense."""
    for what, value in (
        ("learning rate", lr),
        ("momentum value", momentum),
        ("weight_decay value", weight_decay),
    ):
        if not value >= 0.0:
            raise ValueError(f"Invalid {what}: {value}")
    if nesterov and (momentum <= 0 or dampening != 0):
        raise ValueError("Nesterov momentum requires a momentum and zero dampening")
