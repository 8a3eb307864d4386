"""Which thread trains which parameters: two at once would undo each other's epochs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .tape import Array, Storage

# A dict is ordered, and its single changes are atomic: of two threads that come together, the
# one that enters its claim last finds the other's. A lock would stay held in a forked child.
_claims: dict[object, tuple[int, int, list[Array]]] = {}


@contextmanager
def claimed(parameters: Iterable[tuple[str, Storage]]) -> Iterator[None]:
    """Keep these parameters, given with their paths, to this thread.

    Raises
    ------
    RuntimeError
        When another thread has claimed memory of one of them.
    """
    given: list[tuple[str, Any]] = [(path, param._array) for path, param in parameters]
    own, here = object(), (os.getpid(), threading.get_ident())
    try:
        _claims[own] = (*here, [array for _, array in given])
        for claim, (process, thread, arrays) in list(_claims.items()):
            if claim is own:
                break
            if process != here[0] or thread == here[1]:
                continue
            for path, array in given:
                if any(np.may_share_memory(array, each) for each in arrays):
                    raise RuntimeError(f"model: fit in another thread is training {path}")
        yield
    finally:
        _claims.pop(own, None)
