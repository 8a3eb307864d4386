"""The text of a Tensor, as torch prints it, and `set_printoptions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor


def tensor_text(tensor: Tensor) -> str:
    return f"tensor({np.array2string(tensor._array, separator=', ')})"
