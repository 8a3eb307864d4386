"""The genuine MNIST digits that come with the package, so that everything runs offline."""

from pathlib import Path

import numpy as np

from .idx import Splits, split

# remade by tests/datasets/make_digits_sample.py
FILE = Path(__file__).with_name("digits_sample.npy.xz")
ROWS = (2048, 200, 200)


def digits_sample() -> Splits:
    """The first 2,048, 200 and 200 digits of MNIST's training, validation and test splits.

    For a first look and for tests: a network that has seen a twenty-fifth of the data makes three to
    four times as many mistakes as one that has seen all. The digits were selected from MNIST by
    Y. LeCun, C. Cortes and C. Burges and are licensed under Creative Commons
    Attribution-Share Alike 3.0: see ``digits_sample.txt`` beside this module.

    Returns
    -------
    ((x_train, y_train), (x_valid, y_valid), (x_test, y_test))
        As `mnist` returns them: float32 (n, 784), pixels k/256; int64 (n,).
    """
    import lzma  # here, since a Python built without it serves for everything else

    with lzma.open(FILE) as file:
        rows = np.lib.format.read_array(file, allow_pickle=False)
    labels, pixels = rows[:, 0], rows[:, 1:]
    n, m = ROWS[0], ROWS[0] + ROWS[1]
    return (
        split(pixels[:n], labels[:n]),
        split(pixels[n:m], labels[n:m]),
        split(pixels[m:], labels[m:]),
    )
