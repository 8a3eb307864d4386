"""The command line: its arguments, its exit codes and the one line that an error gets.

0 is success, 2 wrong usage, 1 any other error, 130 an interruption (Ctrl-C).
"""

from __future__ import annotations

import argparse
import math
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

from ._version import __version__

# what files, data and options of a user can raise; anything else is a defect and shows as such
EXPECTED = (
    OSError, ValueError, RuntimeError, FloatingPointError, MemoryError, ImportError,
    pickle.UnpicklingError,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (without the program's name) asks for; the exit code."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _drop_output()
        return 1
    except EXPECTED as error:
        print(f"cnn_mnist {arguments.command}: error: {_one_line(error)}", file=sys.stderr)
        _drop_output()
        return 1
    return 0


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        file = f"{error.filename}: " if error.filename is not None else ""
        return f"{file}{error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _drop_output() -> None:
    """Let what stdout still holds go nowhere, should it not go where it was sent."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# arguments -----------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The parser; `run` of what it returns is the function of the command."""
    top = argparse.ArgumentParser(
        prog="python -m cnn_mnist",
        description="Train and use small multilayer perceptrons on MNIST's handwritten digits.",
    )
    top.add_argument("--version", action="version", version=f"cnn_mnist {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_bench(commands)
    _add_command(commands, "info", "print the version, the CPU path, threads and data")
    return top


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str,
    more: str = "",
) -> argparse.ArgumentParser:  # fmt: skip
    command = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}", allow_abbrev=False
    )

    def run(arguments: argparse.Namespace) -> None:
        from . import commands as functions

        getattr(functions, name)(arguments)

    command.set_defaults(run=run)
    return command


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add_command(
        commands, "train", "train a network on MNIST and validate it",
        "Without MNIST at hand (see --data) the sample of 2,960 digits in the package serves.",
    )  # fmt: skip
    _add_data(command)
    for name, kind, default, text in (
        ("--epochs", count, 3, "passes over the data"),
        ("--batch-size", count, 512, "rows in a step"),
        ("--lr", rate, 0.5, "learning rate"),
        ("--momentum", rate, 0.0, "momentum of SGD"),
        ("--weight-decay", rate, 0.0, "weight decay of SGD"),
        ("--seed", seed, 1, "seed of the initial weights and of the order"),
    ):
        metavar = "X" if kind is rate else "N"
        text = f"{text} (%(default)s)"
        command.add_argument(name, type=kind, default=default, metavar=metavar, help=text)
    command.add_argument(
        "--hidden", type=count, nargs="*", default=[50], metavar="N",
        help="sizes of the hidden layers, first to last, or nothing for none (50)",
    )  # fmt: skip
    command.add_argument("--shuffle", action="store_true", help="a new order for every epoch")
    _add_threads(command)
    command.add_argument(
        "--save", type=Path, metavar="FILE", help="write the model there, in safetensors format"
    )
    command.add_argument(
        "--plot", type=Path, metavar="FILE",
        help="draw loss and accuracy there, such as curves.png (needs matplotlib)",
    )  # fmt: skip
    command.add_argument(
        "--quiet", action="store_true", help="no progress bar and no line for each epoch"
    )


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add_command(
        commands, "evaluate", "measure a saved model on MNIST's validation and test digits"
    )
    command.add_argument("model", type=Path, metavar="MODEL", help="file that train --save wrote")
    _add_data(command)
    _add_threads(command)


def _add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add_command(commands, "predict", "print what digits a saved model sees, one a line")
    command.add_argument("model", type=Path, metavar="MODEL", help="file that train --save wrote")
    command.add_argument(
        "digits", type=Path, metavar="DIGITS.npy",
        help="array of shape (n, 784), (n, 28, 28) or (28, 28): float pixels from 0 to 1, "
        "or uint8 ones from 0 to 255, where 0 is background",
    )  # fmt: skip
    command.add_argument(
        "--probabilities", action="store_true",
        help="print after each digit the probability of every class",
    )  # fmt: skip
    _add_threads(command)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add_command(commands, "bench", "time training and prediction on this machine")
    _add_data(command)
    command.add_argument(
        "--threads", type=count, metavar="N", help="this number, otherwise one and as many as pay"
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data", type=Path, metavar="DIR",
        help="folder with the lesson's mnist.pkl.gz or MNIST's four IDX files, gzipped or not; "
        "otherwise the folder that the environment variable CNN_MNIST_DATA names, or the cache",
    )  # fmt: skip
    command.add_argument(
        "--download", action="store_true",
        help="download MNIST into the cache if it is not at hand (needs pooch)",
    )  # fmt: skip


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--threads", type=count, metavar="N",
        help="at most so many threads, otherwise as many as pay; the result is the same",
    )  # fmt: skip


def count(text: str) -> int:
    """A whole number, 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {value}")
    return value


def rate(text: str) -> float:
    """A finite number, 0 or more."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number, 0 or more, got {text}")
    return value


def seed(text: str) -> int:
    """What manual_seed takes: an int64 or a uint64."""
    value = int(text)
    if not -(2**63) <= value < 2**64:
        raise argparse.ArgumentTypeError(f"expected -2**63 to 2**64 - 1, got {value}")
    return value
