"""The command line: its arguments, its exit codes and the one line that an error gets.

0 is success, 2 wrong usage, 1 any other error, 130 an interruption (Ctrl-C), 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import math
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._version import __version__

# what files, data and options of a user can raise; anything else is a defect and shows as such
EXPECTED = (
    OSError, ValueError, RuntimeError, FloatingPointError, MemoryError, ImportError,
    pickle.UnpicklingError,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (without the program's name) asks for; the exit code."""
    program = "cnn_mnist"
    try:
        arguments = parser().parse_args(argv)
        program = f"cnn_mnist {arguments.command}"
        arguments.run(arguments)
        _flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _drop_output()
        return 1
    except EXPECTED as error:
        print(f"{program}: error: {_one_line(error)}", file=sys.stderr)
        _drop_output()
        return 1
    return 0


def explain_import(error: Exception) -> None:
    """Say in one line why the package cannot be imported, and exit, where `python -m` does that.

    While it imports the package, sys.argv begins with "-m", and sys.orig_argv ends with the
    package's name and the same arguments. Any other import is left alone.
    """
    if sys.argv[:1] == ["-m"]:
        name = sys.orig_argv[-len(sys.argv)]
        if name.removeprefix("-m") == __package__:  # python -mcnn_mnist is one word
            sys.exit(f"{__package__}: error: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        file = f"{error.filename}: " if error.filename is not None else ""
        return f"{file}{error.strerror}"
    if isinstance(error, MemoryError) and not str(error):
        return "not enough memory"
    return " ".join(str(error).split()) or type(error).__name__


def _flush() -> None:
    if sys.stdout is not None:  # as it is where it was closed: python -m cnn_mnist info >&-
        sys.stdout.flush()


def _drop_output() -> None:
    """Let what stdout still holds go nowhere, should it not go where it was sent."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# arguments -----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Raises OSError where --help and --version cannot be written: argparse drops it."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is None or file is not sys.stdout:
            super()._print_message(message, file)
        else:
            file.write(message)
            file.flush()


class _Command(_Parser):
    """Shows its own usage after an unknown argument: argparse leaves that to the main parser."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(unknown[0], [*self._option_string_actions], 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return known, unknown


def parser() -> argparse.ArgumentParser:
    """The parser; `run` of what it returns is the function of the command."""
    top: argparse.ArgumentParser = _Parser(
        prog="python -m cnn_mnist",
        description="Train and use small multilayer perceptrons on MNIST's handwritten digits.",
    )
    top.add_argument("--version", action="version", version=f"cnn_mnist {__version__}")
    commands: argparse._SubParsersAction[argparse.ArgumentParser] = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Command
    )
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
        "Without MNIST at hand (see --data) the sample of 2,448 digits in the package serves. "
        "Ctrl-C and SIGTERM end the training, and --save keeps what was learnt so far.",
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
        "--save", type=path, metavar="FILE", help="write the model there, in safetensors format"
    )
    command.add_argument(
        "--plot", type=path, metavar="FILE",
        help="draw loss and accuracy there, such as curves.png (needs matplotlib)",
    )  # fmt: skip
    command.add_argument(
        "--quiet", action="store_true", help="no progress bar and no line for each epoch"
    )


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add_command(
        commands, "evaluate", "measure a saved model on MNIST's validation and test digits"
    )
    command.add_argument("model", type=path, metavar="MODEL", help="file that train --save wrote")
    _add_data(command)
    _add_threads(command)


def _add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add_command(commands, "predict", "print what digits a saved model sees, one a line")
    command.add_argument("model", type=path, metavar="MODEL", help="file that train --save wrote")
    command.add_argument(
        "digits", type=path, metavar="DIGITS.npy",
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
        "--threads", type=threads, metavar="N", help="this number, otherwise one and as many as pay"
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data", type=path, metavar="DIR",
        help="folder with the lesson's mnist.pkl.gz or MNIST's four IDX files, gzipped or not; "
        "otherwise the folder that the environment variable CNN_MNIST_DATA names, or the cache",
    )  # fmt: skip
    command.add_argument(
        "--download", action="store_true",
        help="download MNIST into the cache if it is not at hand (needs pooch)",
    )  # fmt: skip


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--threads", type=threads, metavar="N",
        help="at most so many threads, otherwise as many as pay; the result is the same",
    )  # fmt: skip


def count(text: str) -> int:
    """A whole number, 1 or more, that fits in 64 bits."""
    return _whole(text, range(1, 2**63), "from 1 to 2**63 - 1")


def threads(text: str) -> int:
    """A whole number, 1 or more, that fits in C's int."""
    return _whole(text, range(1, 2**31), "from 1 to 2**31 - 1")


def seed(text: str) -> int:
    """What manual_seed takes: an int64 or a uint64."""
    return _whole(text, range(-(2**63), 2**64), "from -2**63 to 2**64 - 1")


def _whole(text: str, allowed: range, words: str) -> int:
    with contextlib.suppress(ValueError):
        if (value := int(text)) in allowed:
            return value
    raise argparse.ArgumentTypeError(f"expected a whole number {words}, got {text!r}")


def rate(text: str) -> float:
    """A finite number, 0 or more."""
    with contextlib.suppress(ValueError):
        if 0 <= (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"expected a finite number, 0 or more, got {text!r}")


def path(text: str) -> Path:
    """A path; not the empty one, which Path takes for the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got ''")
    return Path(text)
