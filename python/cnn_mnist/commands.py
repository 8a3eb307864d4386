"""What the commands of the command line do; cli.py has their arguments."""

from __future__ import annotations

import argparse
import errno
import io
import itertools
import os
import re
import sys
import tempfile
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, datasets, nn, plots
from .config import show_config
from .datasets.idx import Splits
from .files import load, save, write_atomically
from .history import Epoch, History
from .random import manual_seed
from .training import fit
from .training import predict as predict_rows


def train(arguments: argparse.Namespace) -> None:
    """Train, validate, save and plot."""
    for file in (arguments.save, arguments.plot):
        _check_writable(file)
    _check_plot(arguments.plot)
    ((x, y), (x_valid, y_valid), _), source = _data(arguments)
    print(f"data: {source}: {len(x):,} rows to train on, {len(x_valid):,} to validate on")
    manual_seed(arguments.seed)
    sizes = [x.shape[1], *arguments.hidden, datasets.idx.CLASSES]
    model = _network(sizes)
    print(f"model: {_describe(model)}, seed {arguments.seed}", flush=True)
    try:
        history = _fit(arguments, model, (x, y), (x_valid, y_valid))
        print(_result("validation", model, x_valid, y_valid, arguments.threads))
    except (KeyboardInterrupt, SystemExit, BrokenPipeError):  # Ctrl-C, SIGTERM, a closed pipe
        _save(model, arguments.save, " (the model as after the last whole step)")
        raise
    _save(model, arguments.save)
    _plot(history, arguments.plot)


def evaluate(arguments: argparse.Namespace) -> None:
    """Measure a saved model."""
    model = _load(arguments.model)
    features, pixels = model[0].weight.shape[1], datasets.idx.PIXELS
    if features != pixels:
        raise ValueError(
            f"{arguments.model}: expected {pixels} in_features, the pixels of a digit, got {features}"
        )
    (_, *others), source = _data(arguments)
    print(f"data: {source}")
    print(f"model: {_describe(model)}")
    for name, (x, y) in zip(("validation", "test"), others, strict=True):
        print(_result(name, model, x, y, arguments.threads))


def predict(arguments: argparse.Namespace) -> None:
    """Print a saved model's answers."""
    model = _load(arguments.model)
    x = _read_digits(arguments.digits, model[0].weight.shape[1])
    x = x.astype(np.asarray(model[0].weight).dtype)
    table = predict_rows(model, x, probabilities=True, num_threads=arguments.threads)
    for row in table:
        shares = [f"{share:.6f}" for share in row] if arguments.probabilities else []
        print(row.argmax(), *shares)


def bench(arguments: argparse.Namespace) -> None:
    """Time training and prediction."""
    from .bench import measure

    ((x, y), *_), source = _data(arguments)
    print(f"data: {source}: {len(x):,} rows")
    most = _core.get_num_threads()
    threads = {min(arguments.threads, most)} if arguments.threads else {1, most}
    for line in measure(x, y, sorted(threads)):
        print(line, flush=True)


def info(arguments: argparse.Namespace) -> None:
    """Print what a report of a problem should say."""
    folder = datasets.at_hand()
    show_config()
    print(f"data       {'none at hand but the sample' if folder is None else _looked_at(folder)}")


# data ------------------------------------------------------------------------------------------


def _looked_at(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} (no such folder)"
    return f"{folder}" if datasets.has_data(folder) else f"{folder} (has no MNIST)"


def _data(arguments: argparse.Namespace) -> tuple[Splits, str]:
    """The three splits, and what they are for the reader."""
    folder = arguments.data or datasets.at_hand()
    if folder is None and not arguments.download:
        more = "for all of MNIST: --data DIR or --download"
        return datasets.digits_sample(), f"the sample of MNIST in the package ({more})"
    return datasets.mnist(arguments.data), f"MNIST from {folder or datasets.cache_folder()}"


def _read_digits(path: Path, features: int) -> NDArray[Any]:
    """The digits of a .npy file as rows (n, features) of pixels from 0 to 1.

    The file holds (n, features), (n, h, w) or (h, w) with h * w == features.
    """
    _check_regular(path)
    with path.open("rb") as file:
        try:
            digits = np.lib.format.read_array(file, allow_pickle=False)
        except MemoryError as error:  # such as a header that tells of a huge shape
            raise MemoryError(f"{path}: {str(error) or 'not enough memory'}") from error
        except (ValueError, OverflowError, TypeError, SyntaxError, tokenize.TokenError) as error:
            raise ValueError(f"{path}: not a whole .npy file of numbers: {error}") from error
    if digits.ndim == 2 and digits.shape[1] == features:
        x = digits
    elif digits.ndim in (2, 3) and digits.shape[-2] * digits.shape[-1] == features:
        x = digits.reshape(-1, features)
    else:
        raise ValueError(
            f"{path}: expected shape (n, {features}), or (n, h, w) or (h, w) with {features} "
            f"pixels, got {digits.shape}"
        )
    if x.dtype == np.uint8:
        return x / np.float32(256)
    if x.dtype.kind != "f":
        raise ValueError(f"{path}: expected float or uint8 pixels, got {x.dtype.name}")
    wrong = ~((x >= 0) & (x <= 1))  # true for nan
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{path}: expected float pixels from 0 to 1, got {x[row, column]} at digit {row}"
        )
    return x


# the network -----------------------------------------------------------------------------------


def _network(sizes: list[int]) -> nn.Sequential:
    """Linear layers of these sizes with a ReLU between each two."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        try:
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        except (MemoryError, RuntimeError) as error:
            raise MemoryError(f"--hidden: a layer of {inputs} by {outputs}: {error}") from error
    return nn.Sequential(*layers[:-1])


def _describe(model: nn.Sequential) -> str:
    sizes = [model[0].weight.shape[1], *(layer.weight.shape[0] for layer in model[::2])]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"{'-'.join(map(str, sizes))}, {parameters:,} parameters"


def _fit(
    arguments: argparse.Namespace, model: nn.Sequential, training: tuple[Any, Any],
    validation: tuple[Any, Any],
) -> History:  # fmt: skip
    bar = sys.stderr is not None and sys.stderr.isatty() and not arguments.quiet

    def show(epoch: Epoch) -> None:
        line = (
            f"epoch {epoch.number} of {arguments.epochs}: loss {epoch.loss:.4f}, "
            f"accuracy {epoch.accuracy:.4f}, validation loss {epoch.validation_loss:.4f}, "
            f"validation accuracy {epoch.validation_accuracy:.4f}"
        )
        if bar:
            from tqdm import tqdm

            tqdm.write(line)  # above the bar
        else:
            print(line, flush=True)

    try:
        return fit(
            model, *training, epochs=arguments.epochs, batch_size=arguments.batch_size,
            lr=arguments.lr, momentum=arguments.momentum, weight_decay=arguments.weight_decay,
            shuffle=arguments.shuffle, validation=validation,
            callback=None if arguments.quiet else show, progress=bar,
            num_threads=arguments.threads,
        )  # fmt: skip
    except FloatingPointError as error:
        raise FloatingPointError(f"{error} (a smaller --lr may help)") from error


def _result(name: str, model: nn.Sequential, x: Any, y: Any, threads: int | None) -> str:
    """Accuracy and confusion in words and numbers."""
    predicted = predict_rows(model, x, num_threads=threads)
    classes = max(datasets.idx.CLASSES, model[-1].weight.shape[0])
    counts = plots.confusion_counts(y, predicted, classes)
    right, width = int(counts.trace()), len(str(counts.max())) + 2
    lines = [
        f"{name}: {right:,} of {len(y):,} right, accuracy {right / len(y):.4f}",
        f"confusion of {name} digits (a row is the true digit, a column the predicted one)",
        " " * 4 + "".join(f"{j:>{width}}" for j in range(classes)),
    ]
    for i, row in enumerate(counts):
        lines.append(f"{i:>4}" + "".join(f"{count or '.':>{width}}" for count in row))
    return "\n".join(lines)


# files -----------------------------------------------------------------------------------------


def _load(path: Path) -> nn.Sequential:
    """The network of a saved file: its Linear layers in the order of their names, ReLU between.

    Raises
    ------
    ValueError
        A damaged file, one that holds anything else, a layer without inputs or outputs, or a
        number that is not finite.
    """
    _check_regular(path)
    layers = _layers(path)
    modules: list[nn.Module] = []
    state: dict[str, NDArray[Any]] = {}
    inputs = None
    for name in sorted(layers, key=_natural):
        members = layers[name]
        shapes = {kind: array.shape for kind, array in members.items()}
        outputs, features = (*shapes.get("weight", ()), None, None)[:2]
        fits = features if inputs is None else inputs
        if shapes != {"weight": (outputs, fits), "bias": (outputs,)}:
            got = ", ".join(f"{kind} {shape}" for kind, shape in shapes.items())
            raise ValueError(
                f"{path}: {name}{name and ': '}expected weight (O, {'I' if fits is None else fits})"
                f" and bias (O) of a Linear layer, got {got}"
            )
        if 0 in (features, outputs):
            raise ValueError(
                f"{path}: {name}{name and ': '}expected at least one input and one output, got "
                f"weight {shapes['weight']}"
            )
        linear = nn.Linear(features, outputs, dtype=members["weight"].dtype)
        state |= {f"{len(modules)}.{kind}": array for kind, array in members.items()}
        modules += [linear, nn.ReLU()]
        inputs = outputs
    model = nn.Sequential(*modules[:-1])
    model.load_state_dict(state)
    return model


def _layers(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """The arrays of a file by layer and by kind: what stands before and after the last dot."""
    arrays = {name: value.numpy() for name, value in load(path).items()}
    if not arrays:
        raise ValueError(f"{path}: holds no layer")
    kinds = {array.dtype.name for array in arrays.values()}
    if kinds not in ({"float32"}, {"float64"}):
        raise ValueError(
            f"{path}: expected parameters of one dtype, float32 or float64, got "
            f"{' and '.join(sorted(kinds))}"
        )
    layers: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        _check_finite(path, name, array)
        layer, _, kind = name.rpartition(".")
        layers.setdefault(layer, {})[kind] = array
    return layers


def _check_finite(path: Path, name: str, array: NDArray[Any]) -> None:
    """Raise ValueError at the first number that makes every answer of the model worthless."""
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise ValueError(f"{path}: {name}: expected finite numbers, got {array[place]} at {place}")


def _natural(name: str) -> list[Any]:
    """Sorts layers.9 before layers.10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _check_regular(path: Path) -> None:
    """Raise where reading might never end (a device) or never begin (a pipe)."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is no regular file", str(path))


def _check_writable(path: Path | None) -> None:
    """Find out before the training what would lose its result."""
    if path is None:
        return
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "is there, and is no regular file", str(path))
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    try:
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass
    except OSError as error:  # it names a temporary file
        raise OSError(error.errno, error.strerror, str(path)) from error


def _save(model: nn.Sequential, path: Path | None, note: str = "") -> None:
    if path is not None:
        save(model, path)
        print(f"saved: {path}{note}")


def _check_plot(path: Path | None) -> None:
    """Find out before the training whether matplotlib can write `path`."""
    if path is None:
        return
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "--plot needs matplotlib: pip install 'cnn_mnist[plots]'", name=error.name
        ) from error
    matplotlib.use("Agg")  # draws into files only
    from matplotlib.figure import Figure

    kinds = Figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f"{path}: expected a name that ends in .{', .'.join(kinds)}")


def _plot(history: History, path: Path | None) -> None:
    if path is not None:
        from matplotlib.figure import Figure

        figure, picture = Figure((10, 3.6), layout="constrained"), io.BytesIO()
        plots.training_curves(history, axes=figure.subplots(1, 2))
        figure.savefig(picture, format=path.suffix[1:].lower(), dpi=150)
        write_atomically(path, picture.getvalue())
        print(f"plotted: {path}")
