"""MNIST as the lesson has it, from a folder, the user's cache or the network; and a sample."""

import os
import sys
from pathlib import Path

from .idx import FILES, Splits, find_idx, read_mnist
from .lesson_pickle import read_lesson_pickle
from .sample import digits_sample

__all__ = ["digits_sample", "mnist"]

PICKLE = "mnist.pkl.gz"


def mnist(path: str | os.PathLike[str] | None = None, *, download: bool = True) -> Splits:
    """MNIST, split as in the lesson: 50,000 training, 10,000 validation and 10,000 test digits.

    The data is either the lesson's ``mnist.pkl.gz`` or the four IDX files
    (``train-images-idx3-ubyte`` and so on, gzipped or not; preferred, since faster), from the
    first of these that applies:

    1. the folder `path`;
    2. the folder that the environment variable ``CNN_MNIST_DATA`` names;
    3. the user's cache (``~/.cache/cnn_mnist`` on Linux), if it has the data;
    4. a download into that cache, through pooch (``pip install 'cnn_mnist[data]'``).

    Parameters
    ----------
    path : str or path-like, optional
        A folder with the data.
    download : bool
        Whether to download what is not at hand.

    Returns
    -------
    ((x_train, y_train), (x_valid, y_valid), (x_test, y_test))
        Images as rows: float32 of shape (n, 784), a pixel k of 0..255 being k/256; the digits
        that they show: int64 of shape (n,). Equal to the lesson's pickle, bit for bit.

    Raises
    ------
    FileNotFoundError
        No data at hand, and none to be downloaded.
    ValueError
        A damaged file; the message names it.
    pickle.UnpicklingError
        A ``mnist.pkl.gz`` that asks for more than NumPy arrays.
    """
    named = path if path is not None else os.environ.get("CNN_MNIST_DATA")
    if named:
        return _read(Path(named))
    cache = cache_folder()
    if not has_data(cache):
        if not download:
            raise FileNotFoundError(f"MNIST is not at hand. {_ways(cache)}")
        _download(cache)
    return _read(cache)


def at_hand() -> Path | None:
    """The folder that `mnist()` reads, or None where it would have to download."""
    named = os.environ.get("CNN_MNIST_DATA")
    if named:
        return Path(named)
    return cache_folder() if has_data(cache_folder()) else None


def cache_folder() -> Path:
    """The folder for this package in the user's cache, where ``pooch.os_cache`` has it."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local, "cnn_mnist", "cnn_mnist", "Cache")
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # a relative one is to be ignored, says the XDG specification
        return Path(xdg, "cnn_mnist")
    default = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / default / "cnn_mnist"


def has_data(folder: Path) -> bool:
    """Whether MNIST is in that folder, as far as names tell."""
    return len(find_idx(folder)) == len(FILES) or (folder / PICKLE).is_file()


def _read(folder: Path) -> Splits:
    files = find_idx(folder)
    if len(files) == len(FILES):
        return read_mnist(files)
    if (folder / PICKLE).is_file():
        return read_lesson_pickle(folder / PICKLE)
    if not folder.is_dir():
        lack = "which is no folder"
    else:
        found = {path.name.removesuffix(".gz") for path in files}
        missing = ", ".join(name for name in FILES if name not in found)
        lack = f"which has no {PICKLE} and lacks {missing} (.gz or not)"
    raise FileNotFoundError(f"MNIST was looked for in {folder}, {lack}. {_ways(cache_folder())}")


def _download(cache: Path) -> None:
    from .download import DownloadError, download

    try:
        download(cache)
    except ModuleNotFoundError as error:
        raise FileNotFoundError(
            "MNIST is not at hand, and pooch, which downloads it, is not installed: "
            f"pip install 'cnn_mnist[data]'. {_ways(cache)}"
        ) from error
    except DownloadError as error:
        raise FileNotFoundError(
            f"MNIST is not at hand and could not be downloaded. {_ways(cache)} What failed: {error}"
        ) from error


def _ways(cache: Path) -> str:
    return (
        "There are three ways to it: set CNN_MNIST_DATA to a folder with the lesson's "
        f"{PICKLE} or the four IDX files ({', '.join(FILES)}, .gz or not); put them into "
        f"the cache folder {cache}; or let cnn_mnist.datasets.mnist() download them, which needs "
        "a network and pooch (pip install 'cnn_mnist[data]'). Without any of these, "
        "cnn_mnist.datasets.digits_sample() has a few thousand digits."
    )
