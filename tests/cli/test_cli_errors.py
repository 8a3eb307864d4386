"""Wrong usage, wrong files, full disks, closed pipes, Ctrl-C: exit codes and one clear line."""

import fcntl
import os
import pickle
import re
import resource
import signal
import struct
import subprocess
import sys
import termios

import numpy as np
import pytest

from cnn_mnist import commands

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def spawn(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, buffered=True, **options):
    """The command line in a process of its own, its output buffered as it usually is."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "cnn_mnist", *map(str, arguments)],
        stdout=stdout, stderr=stderr, text=True, env=environment, **options,
    )  # fmt: skip


def fails(result, message, out=""):
    """Exit code 1, one line that matches `message`, nothing else."""
    code, stdout, err = result
    assert code == 1
    assert re.fullmatch(rf"cnn_mnist \w+: error: .*{message}.*\n", err), err
    assert stdout == out


# usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [(), ("train",), ("evaluate",), ("predict",), ("bench",), ("info",)]
)
def test_help(command, run):
    code, out, err = run(*command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: python -m cnn_mnist{''.join(f' {c}' for c in command)} [-h]")
    assert "None" not in out


def test_version(run):
    from cnn_mnist import __version__

    assert run("--version") == (0, f"cnn_mnist {__version__}\n", "")


@pytest.mark.parametrize(
    "line",
    [
        "", "learn", "train --epochs", "train --epochs 0", "train --epochs -1",
        "train --epochs 1.5", "train --batch-size 0", "train --lr nan", "train --lr inf",
        "train --lr -1", "train --lr fast", "train --momentum -0.1", "train --weight-decay nan",
        "train --hidden 0", "train --hidden 50,20", "train --seed 18446744073709551616",
        "train --seed x", "train --threads 0", "train model", "train --unknown", "train --ep 3",
        "evaluate", "predict", "predict model", "info 3",
    ],
)  # fmt: skip
def test_wrong_usage(line, run):
    code, out, err = run(*line.split())
    assert (code, out) == (2, "")
    assert err.startswith("usage: python -m cnn_mnist") and "error: " in err.splitlines()[-1]
    options = re.findall(r"--[a-z-]+", line)
    assert all(option in err.splitlines()[-1] for option in options)


@pytest.mark.parametrize("line", ["train --epoch 1", "predict m x --unknown", "info 3"])
def test_unknown_argument_shows_the_usage_of_its_command(line, run):
    command = line.split()[0]
    code, _, err = run(*line.split())
    assert code == 2 and err.startswith(f"usage: python -m cnn_mnist {command} [-h]")
    assert f"python -m cnn_mnist {command}: error: unrecognized arguments: " in err


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("train --epoch 1", "--epochs"), ("train --batchsize=8", "--batch-size"),
        ("train --decay 0.1", "--weight-decay"), ("predict m x --probs", "--probabilities"),
        ("bench --thread 1", "--threads"), ("info 3", None), ("train --xyz", None),
    ],
)  # fmt: skip
def test_unknown_argument_names_the_nearest_option(line, meant, run):
    _, _, err = run(*line.split())
    assert err.rstrip().endswith(f" (did you mean {meant}?)" if meant else line.split()[-1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--epochs x", "--epochs: expected a whole number from 1 to 2**63 - 1, got 'x'"),
        ("--batch-size 9223372036854775808", "--batch-size: expected a whole number from 1 to"),
        ("--hidden 5 9223372036854775808", "--hidden: expected a whole number from 1 to"),
        ("--threads 2147483648", "--threads: expected a whole number from 1 to 2**31 - 1, got"),
        ("--lr fast", "--lr: expected a finite number, 0 or more, got 'fast'"),
        ("--save=", "--save: expected a path, got ''"),
        ("--plot=", "--plot: expected a path, got ''"),
        ("--data=", "--data: expected a path, got ''"),
    ],
)
def test_wrong_usage_says_what_was_expected(line, message, run):
    code, _, err = run("train", *line.split())
    assert code == 2 and message in err.splitlines()[-1]


def test_help_imports_only_what_it_needs():
    program = """
import sys
from cnn_mnist import cli
try:
    cli.main(["train", "--help"])
except SystemExit:
    pass
late = {"matplotlib", "tqdm", "safetensors", "pooch", "cnn_mnist.commands"}
sys.exit(", ".join(late & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CNN_MNIST_ISA", "foo", "unknown instruction-set path 'foo'"),
        ("CNN_MNIST_NUM_THREADS", "x", "expected a positive integer up to 2147483647, got 'x'"),
    ],
)
def test_environment_that_prevents_the_import(name, value, message, monkeypatch):
    """One line from the command line; other imports raise, also those of another python -m."""
    monkeypatch.setenv(name, value)
    process = spawn("info", "-m")
    assert process.communicate(timeout=60) == ("", f"cnn_mnist: error: {name}: {message}\n")
    assert process.returncode == 1
    for other in (["-c", "import cnn_mnist", "-m", "cnn_mnist"], ["-m", "cnn_mnist.cli"]):
        done = subprocess.run([sys.executable, *other], capture_output=True, text=True, check=False)
        assert done.stderr.splitlines()[-1] == f"ValueError: {name}: {message}"


# files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--save", "--plot"])
def test_place_that_cannot_be_written_is_found_before_the_training(option, run, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for name, message in (
        ("nowhere/x.png", "nowhere/x.png: No such file or directory"),
        ("file/x.png", "file/x.png: Not a directory"),
        ("folder.png", "folder.png: is there, and is no regular file"),
    ):
        fails(run("train", option, tmp_path / name), message)


@POSIX
def test_special_files_are_not_replaced(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    fails(run("train", "--save", tmp_path / "pipe"), "pipe: is there, and is no regular file")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everything")
def test_no_permission(run, tmp_path):
    (tmp_path / "mine").write_bytes(b"")
    (tmp_path / "mine").chmod(0o400)
    tmp_path.chmod(0o500)
    fails(run("train", "--save", tmp_path / "model"), "model: Permission denied")
    fails(run("train", "--save", tmp_path / "mine"), "mine: Permission denied")


def test_plot_of_unknown_kind(run, tmp_path):
    pytest.importorskip("matplotlib")
    fails(run("train", "--plot", tmp_path / "x.docx"), r"x.docx: expected .* ends in .*\.png")
    fails(run("train", "--plot", tmp_path / "x"), r"x: expected .* ends in .*\.png")


def test_plot_without_matplotlib(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    fails(run("train", "--plot", tmp_path / "x.png"), r"pip install 'cnn_mnist\[plots\]'")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_wrong_data(command, run, model, tmp_path):
    first = [command] if command == "train" else [command, model]
    fails(run(*first, "--data", tmp_path / "nowhere"), "nowhere, which is no folder")
    fails(run(*first, "--data", tmp_path / "two\nlines"), "two lines, which is no folder")
    fails(run(*first, "--data", tmp_path), "lacks train-images-idx3-ubyte")
    (tmp_path / "mnist.pkl.gz").write_bytes(b"?")
    fails(run(*first, "--data", tmp_path), "mnist.pkl.gz: damaged: ")


def test_download_without_network(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    fails(run("train", "--download"), r"not at hand.*cnn_mnist\[data\]")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_wrong_model(command, run, npy, tmp_path):
    from safetensors.numpy import save_file

    rest = [npy(np.zeros((1, 784)))] if command == "predict" else []
    good = {"0.weight": np.zeros((5, 784), "f4"), "0.bias": np.zeros(5, "f4"),
            "2.weight": np.zeros((10, 5), "f4"), "2.bias": np.zeros(10, "f4")}  # fmt: skip
    file = tmp_path / "m"
    fails(run(command, file, *rest), "m: No such file or directory")
    fails(run(command, tmp_path, *rest), "is no regular file")
    save_file(good, file)
    assert run(command, file, *rest)[0] == 0
    data = file.read_bytes()
    for damaged in (b"", b"?", data[:-1], data[:20], data + b"?"):
        file.write_bytes(damaged)
        fails(run(command, file, *rest), "m: not a safetensors file")
    for change, message in (
        ({"2.weight": np.zeros((10, 6), "f4")}, r"2: expected weight \(O, 5\) .* \(10, 6\)"),
        ({"2.bias": np.zeros(9, "f4")}, r"2: expected .*\(9,\)"),
        ({"2.scale": np.zeros(9, "f4")}, r"2: expected .*scale"),
        ({"3.bias": np.zeros(9, "f4")}, r"3: expected weight \(O, 10\)"),
        ({"0.weight": np.zeros(784, "f4")}, r"0: expected weight \(O, I\)"),
        ({"0.weight": np.zeros((5, 784), "i8")}, "int64"),
        ({"0.weight": np.zeros((5, 784), "f8")}, "float64"),
        ({"foo": np.zeros(3, "f4")}, r"m: expected weight \(O, I\) and .*, got foo \(3,\)"),
        ({"2.weight": np.full((10, 5), np.nan, "f4")}, r"m: 2.weight: .* got nan at \(0, 0\)"),
        ({"0.bias": np.float32([0, 0, 0, 0, -np.inf])}, r"m: 0.bias: .* got -inf at \(4,\)"),
    ):
        save_file(good | change, file)
        fails(run(command, file, *rest), message)
    for shape in ((0, 784), (10, 0)):
        empty = {"weight": np.zeros(shape, "f4"), "bias": np.zeros(shape[0], "f4")}
        save_file(empty, file)
        fails(
            run(command, file, *rest), rf"m: expected at least one input .* got weight \({shape[0]}"
        )
    save_file({}, file)
    fails(run(command, file, *rest), "holds no layer")


@POSIX
def test_input_that_is_no_regular_file(run, model, npy, tmp_path):
    """A device may have no end, and nobody may ever write into a pipe."""
    os.mkfifo(tmp_path / "pipe")
    fails(run("predict", tmp_path / "pipe", npy(np.zeros((1, 784)))), "pipe: is no regular file")
    fails(run("predict", model, tmp_path / "pipe"), "pipe: is no regular file")
    fails(run("evaluate", "/dev/zero"), "/dev/zero: is no regular file")


def test_model_for_other_digits(run, npy, tmp_path):
    from safetensors.numpy import save_file

    file = tmp_path / "m"
    save_file({"weight": np.ones((3, 64), "f4"), "bias": np.zeros(3, "f4")}, file)
    fails(run("evaluate", file), "m: expected 784 in_features, the pixels of a digit, got 64")
    fails(run("predict", file, npy(np.zeros((1, 784)))), r"expected shape \(n, 64\).* \(1, 784\)")
    assert run("predict", file, npy(np.zeros((2, 8, 8)))) == (0, "0\n0\n", "")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 783)), r"expected shape \(n, 784\).*got \(2, 783\)"),
        (np.zeros(784), r"got \(784,\)"),
        (np.zeros(()), r"got \(\)"),
        (np.zeros((2, 28, 27)), r"got \(2, 28, 27\)"),
        (np.zeros((1, 1, 28, 28)), r"got \(1, 1, 28, 28\)"),
        (np.zeros((2, 784), np.int64), "expected float or uint8 pixels, got int64"),
        (np.zeros((2, 784), bool), "got bool"),
        (np.full((2, 784), "a"), "got str"),
        (np.eye(3, 784) * 255, "from 0 to 1, got 255.0 at digit 0"),
        (np.eye(3, 784)[::-1] * -0.5, "from 0 to 1, got -0.5 at digit 0"),
        (np.where(np.eye(3, 784)[[2, 0, 1]], np.nan, 0), "from 0 to 1, got nan at digit 0"),
    ],
)
def test_wrong_digits(array, message, run, model, npy):
    fails(run("predict", model, npy(array)), f"digits.npy: .*{message}")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trap",)


def test_damaged_digits(run, model, npy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = npy(np.zeros((2, 784)))
    data = file.read_bytes()
    open_bracket = data.replace(b"(2, 784)", b"(2, 784 ")
    bytes_key = data.replace(b" 'shape'", b"b'shape'")
    for damaged in (
        b"", b"?" * 200, data[:-1], data[:50], pickle.dumps(np.zeros(3)), open_bracket, bytes_key,
    ):  # fmt: skip
        file.write_bytes(damaged)
        fails(run("predict", model, file), "digits.npy: not a whole .npy file of numbers: ")
    np.save(file, np.array([Trap()]), allow_pickle=True)
    fails(run("predict", model, file), "digits.npy: not a whole .npy file of numbers: ")
    assert not (tmp_path / "trap").exists()
    for rows, message in ((2**50, "digits.npy: Unable to allocate"), (2**64, "not a whole .npy")):
        with file.open("wb") as stream:
            header = {"descr": "<f4", "fortran_order": False, "shape": (rows, 784)}
            np.lib.format.write_array_header_1_0(stream, header)
        fails(run("predict", model, file), message)
    file.unlink()
    fails(run("predict", model, file), "digits.npy: No such file or directory")


# the training ------------------------------------------------------------------------------------


def test_loss_that_is_not_finite(run, tmp_path):
    code, _, err = run("train", "--lr", 1e30, "--save", tmp_path / "m")
    assert code == 1 and "a smaller --lr" in err and len(err.splitlines()) == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("size", [10**15, 2**63 - 1])
def test_network_that_does_not_fit_into_memory(size, run):
    code, _, err = run("train", "--hidden", size)
    assert code == 1 and len(err.splitlines()) == 1
    assert err.startswith(f"cnn_mnist train: error: --hidden: a layer of 784 by {size}: ")


def test_training_that_does_not_fit_into_memory(run, monkeypatch):
    def short_of_memory(*args, **options):
        raise MemoryError

    monkeypatch.setattr(commands, "fit", short_of_memory)
    code, _, err = run("train")
    assert (code, err) == (1, "cnn_mnist train: error: not enough memory\n")


@POSIX
def test_full_disk(tmp_path):
    """A limit on the size of files, which fails a write in the middle as a full disk does."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    process = spawn("train", "--epochs", 1, "--save", tmp_path / "model", preexec_fn=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err == f"cnn_mnist train: error: {tmp_path / 'model'}: File too large\n"
    assert list(tmp_path.iterdir()) == []


def test_interrupted_at_a_step(run, tmp_path, monkeypatch):
    """What was trained until then is saved."""

    def interrupted(model, *args, **options):
        for parameter in model.parameters():
            np.asarray(parameter)[...] = 2
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "fit", interrupted)
    code, out, err = run("train", "--save", tmp_path / "model")
    assert (code, err) == (130, "interrupted\n")
    assert out.splitlines()[-1].startswith(f"saved: {tmp_path / 'model'} (the model as after")
    from safetensors.numpy import load_file

    assert all((value == 2).all() for value in load_file(tmp_path / "model").values())


@POSIX
@pytest.mark.parametrize("save", [False, True])
@pytest.mark.parametrize(
    ("number", "ending"), [(signal.SIGINT, (130, "interrupted\n")), (signal.SIGTERM, (143, ""))]
)
def test_interrupted_while_it_trains(number, ending, save, tmp_path):
    options = ["--save", tmp_path / "model"] if save else []
    process = spawn("train", "--epochs", 10_000_000, *options)
    for line in process.stdout:
        if line.startswith("epoch 2 "):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == ending
    assert ("saved: " in out) is save
    if save:
        evaluate = spawn("evaluate", tmp_path / "model")
        assert "validation: " in evaluate.communicate(timeout=120)[0]
        assert evaluate.returncode == 0


@POSIX
def test_terminated_while_it_saves(tmp_path):
    """The signal comes where the temporary file is brought to the disk; it does not stay."""
    program = """
import os, runpy, signal
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGTERM)
runpy.run_module("cnn_mnist", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "--save", tmp_path / "model"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (143, "")
    assert "validation: " in done.stdout and "saved: " not in done.stdout
    assert list(tmp_path.iterdir()) == []


# output ------------------------------------------------------------------------------------------


@POSIX
def test_reader_that_leaves(tmp_path):
    """`train | head -3` is quiet; the model is saved nevertheless."""
    process = spawn("train", "--epochs", 10_000_000, "--save", tmp_path / "model")
    for _ in range(3):
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 1
    assert process.stderr.read() == ""
    process.stderr.close()
    assert (tmp_path / "model").exists()


@POSIX
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "line", ["--help", "--version", "train --help", "info", "train", "evaluate M", "predict M D"]
)
def test_full_disk_behind_stdout(line, buffered, model, npy):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    files = {"M": model, "D": npy(np.zeros((2, 784)))}
    with open("/dev/full", "w") as full:
        arguments = [files.get(word, word) for word in line.split()]
        process = spawn(*arguments, stdout=full, buffered=buffered)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    command = "" if "-" in line else " " + line.split()[0]
    assert err == f"cnn_mnist{command}: error: No space left on device\n"


@POSIX
@pytest.mark.parametrize("line", ["--help", "info"])
def test_closed_stdout(line):
    process = spawn(line, stdout=None, preexec_fn=lambda: os.close(1))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0 and "Traceback" not in err


def in_terminal(*arguments):
    """(exit code, what stderr showed) with stderr being a terminal."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 25, 120, 0, 0))
    process = spawn(*arguments, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the way a terminal on Linux says that nobody is left
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(timeout=120), shown.decode()


@POSIX
def test_progress_bar_in_a_terminal():
    code, shown = in_terminal("train")
    assert code == 0
    assert "12/12" in shown and "loss=" in shown and "accuracy=" in shown


@POSIX
def test_no_progress_bar_when_quiet():
    assert in_terminal("train", "--quiet") == (0, "")


def test_training_without_a_stderr():
    process = spawn(
        "train", "--quiet", "--epochs", "1", stderr=None, preexec_fn=lambda: os.close(2)
    )
    assert "accuracy" in process.communicate()[0]
    assert process.returncode == 0
