"""Arrays of equal values in every layout that NumPy allows, and the measure of closeness."""

from collections.abc import Iterator

import numpy as np
import torch


def strided(a: np.ndarray) -> np.ndarray:
    """Every second element of a larger array, in every dimension."""
    large = np.full([2 * n for n in a.shape], np.nan if a.dtype.kind == "f" else 99, a.dtype)
    view = large[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def unaligned(a: np.ndarray) -> np.ndarray:
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def read_only(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


def byte_swapped(a: np.ndarray) -> np.ndarray:
    return a.astype(a.dtype.newbyteorder())


def layouts(a: np.ndarray) -> Iterator[np.ndarray]:
    """The array itself, then equal ones in other layouts."""
    yield a
    yield byte_swapped(a)
    yield read_only(a)
    if a.ndim:
        yield strided(a)
        yield unaligned(a)
        yield np.asfortranarray(a)
        yield a[::-1].copy()[::-1]


def assert_close(ours: np.ndarray, torchs: torch.Tensor, exact: torch.Tensor) -> None:
    """Asserts torch's shape and type, and an error of at most 4 times torch's own.

    `exact` is torch's answer in float64 to the same question. A few units in the last place
    of the largest value are always allowed; more in float64, where `exact` is rounded too.
    """
    expected = torchs.detach().numpy()
    assert type(ours) is np.ndarray
    assert ours.shape == expected.shape
    assert ours.dtype == expected.dtype
    reference = exact.detach().numpy()
    assert np.array_equal(np.isfinite(ours), np.isfinite(reference))
    finite = np.isfinite(reference)
    np.testing.assert_array_equal(ours[~finite], reference[~finite].astype(ours.dtype))
    error = np.abs(ours[finite] - reference[finite]).max(initial=0)
    torchs_error = np.abs(expected[finite] - reference[finite]).max(initial=0)
    largest = np.abs(reference[finite]).max(initial=np.finfo(ours.dtype).tiny)
    units = 4 if ours.dtype == np.float32 else 100
    assert error <= 4 * torchs_error + units * np.finfo(ours.dtype).eps * largest
