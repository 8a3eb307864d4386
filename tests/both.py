"""Runs one piece of code with torch and with cnn_mnist and compares what comes out.

The code calls the package T and its functional module F. Results agree when values, types,
shapes, requires_grad and grad_fn do; errors agree when their types do.
"""

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import torch

import cnn_mnist
import cnn_mnist.nn.functional

PACKAGES = ((torch, torch.nn.functional), (cnn_mnist, cnn_mnist.nn.functional))

SETUP = """
x = T.tensor([[1.5, -2., 3.], [0., 5.25, -6.]]); y = T.tensor([[2., .5, -1.], [3., -2., .25]])
v = T.tensor([1., 2., 3.]); i = T.tensor([[1, 2, 3], [4, 5, 6]]); k = T.tensor([2, 0, 1])
b = T.tensor([[True, False, True], [False, False, True]]); z = T.tensor(2.5); zi = T.tensor(3)
u = T.tensor([[1, 2, 255], [0, 7, 3]], dtype=T.uint8); d = x.double(); e = T.zeros(0, 3)
c = T.arange(24.).reshape(2, 3, 4); n = T.tensor([[1., float('nan')], [3., float('inf')]])
r = T.tensor([[1.5, -2., 3.], [0., 5.25, -6.]], requires_grad=True); q = r * 2
"""


def cases(text: str) -> list[str]:
    """The expressions of a table, separated by semicolons."""
    return [each.strip() for each in text.replace("\n", ";").split(";") if each.strip()]


def programs(text: str) -> list[str]:
    """The programs of a table, separated by empty lines."""
    return [each.strip("\n") for each in text.split("\n\n") if each.strip()]


def agree(code: str) -> None:
    """AssertionError unless both packages give the same; `code` is an expression, or statements
    that leave their result in `out`."""
    theirs, ours = (_outcome(code, package, functional) for package, functional in PACKAGES)
    assert _kind(ours) == _kind(theirs), f"{code}\n{ours!r}\nshould be {theirs!r}"
    if not isinstance(theirs, Exception):
        _same(ours, theirs, code)


def _outcome(code: str, package: ModuleType, functional: ModuleType) -> Any:
    names: dict[str, Any] = {"T": package, "F": functional, "np": np}
    exec(SETUP, names)  # noqa: S102
    names["out"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:  # whatever it raises is the result
            if _is_expression(code):
                return eval(code, names)
            exec(code, names)  # noqa: S102
            return names["out"]
        except Exception as error:  # noqa: BLE001
            return error


def _is_expression(code: str) -> bool:
    try:
        compile(code, "case", "eval")
    except SyntaxError:
        return False
    return True


def _kind(value: Any) -> str:
    return type(value).__name__ if isinstance(value, Exception) else "value"


def _same(ours: Any, theirs: Any, code: str) -> None:
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, cnn_mnist.Tensor), code
        assert _facts(ours) == _facts(theirs), code
        np.testing.assert_allclose(
            np.asarray(ours), theirs.detach().numpy(), 1e-5, 1e-6, err_msg=code
        )
    elif isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs), code
        for a, b in zip(ours, theirs, strict=True):
            _same(a, b, code)
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_array_equal(ours, theirs, err_msg=code, strict=True)
    elif isinstance(theirs, float):
        np.testing.assert_allclose(ours, theirs, 1e-6, err_msg=code)
    else:
        assert _text(ours) == _text(theirs), code


def _facts(tensor: Any) -> tuple[Any, ...]:
    function = tensor.grad_fn
    name = None if function is None else function.name().removeprefix("torch::autograd::")
    return _text(tensor.dtype), tuple(tensor.shape), tensor.requires_grad, tensor.is_leaf, name


def _text(value: Any) -> str:
    return str(value).replace("torch.", "").replace("cnn_mnist.", "")
