"""The commands of the command line do what torch does with the same options."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cnn_mnist import __version__, _core, bench, datasets


def torch_model(sizes):
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def train_in_torch(x, y, *, hidden=(50,), seed=1, epochs=3, batch_size=512, shuffle=False, **sgd):
    torch.manual_seed(seed)
    model = torch_model([784, *hidden, 10])
    x, y = torch.tensor(x), torch.tensor(y)
    loader = torch.utils.data.DataLoader(torch.arange(len(x)), batch_size, shuffle)
    optimizer = torch.optim.SGD(model.parameters(), **{"lr": 0.5, **sgd})
    for _ in range(epochs):
        for rows in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model


def right(model, x, y):
    with torch.no_grad():
        return int((model(torch.tensor(x)).argmax(1) == torch.tensor(y)).sum())


def printed_right(text, name):
    return int(re.search(rf"^{name}: ([\d,]+) of", text, re.MULTILINE)[1].replace(",", ""))


def printed_confusion(text, name):
    lines = text.split(f"confusion of {name} digits")[1].splitlines()[2:12]
    return np.array([[int(cell.replace(".", "0")) for cell in line.split()[1:]] for line in lines])


OPTIONS = {
    "": {},
    "--shuffle --seed 8": {"shuffle": True, "seed": 8},
    "--hidden 32 16 --lr 0.1 --epochs 2": {"hidden": (32, 16), "lr": 0.1, "epochs": 2},
    "--hidden --batch-size 100": {"hidden": (), "batch_size": 100},
    "--lr 0.05 --momentum 0.9 --weight-decay 0.001": {
        "lr": 0.05, "momentum": 0.9, "weight_decay": 0.001,
    },
    "--seed -1 --epochs 1 --quiet --threads 1": {"seed": -1, "epochs": 1},
}  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
def test_train_is_torchs_training(options, run, tmp_path):
    (x, y), (x_valid, y_valid), _ = datasets.digits_sample()
    file = tmp_path / "model.safetensors"
    code, out, err = run("train", *options.split(), "--save", file)
    assert (code, err) == (0, "")
    expected = train_in_torch(x, y, **OPTIONS[options])
    state, wanted = load_file(file), expected.state_dict()
    assert state.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=2e-4)
    assert abs(printed_right(out, "validation") - right(expected, x_valid, y_valid)) <= 1


def test_train_says_what_it_does(run, tmp_path):
    code, out, err = run("train", "--epochs", 2, "--save", tmp_path / "model.safetensors")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert re.match(r"data: the sample .* package .*: 2,048 rows to train on, 200 to", lines[0])
    assert lines[1] == "model: 784-50-10, 39,760 parameters, seed 1"
    for number, line in enumerate(lines[2:4], 1):
        assert re.match(
            rf"epoch {number} of 2: loss [\d.]+, accuracy [\d.]+, validation loss [\d.]+, "
            r"validation accuracy [\d.]+$", line
        ), line  # fmt: skip
    assert re.match(r"validation: \d+ of 200 right, accuracy 0\.\d{4}$", lines[4])
    assert lines[-1] == f"saved: {tmp_path / 'model.safetensors'}"
    y = datasets.digits_sample()[1][1]
    counts = printed_confusion(out, "validation")
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(y))
    assert counts.trace() == printed_right(out, "validation")


def test_quiet_train_prints_the_result_only(run):
    code, out, err = run("train", "--quiet")
    assert (code, err) == (0, "")
    assert "epoch" not in out and "validation: " in out


def test_train_replaces_a_file(run, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"old")
    assert run("train", "--epochs", 1, "--save", file)[0] == 0
    assert len(load_file(file)) == 4
    assert list(tmp_path.iterdir()) == [file]


def test_plot(run, tmp_path):
    pytest.importorskip("matplotlib")
    for name, magic in (("curves.png", b"\x89PNG"), ("curves.SVG", b"<?xml")):
        code, out, err = run("train", "--epochs", 1, "--plot", tmp_path / name)
        assert (code, err) == (0, "")
        assert out.splitlines()[-1] == f"plotted: {tmp_path / name}"
        assert (tmp_path / name).read_bytes().startswith(magic)


def in_torch(file):
    state = load_file(file)
    weights = [value for value in state.values() if value.ndim == 2]
    model = torch_model([784, *(len(weight) for weight in weights)])
    model.load_state_dict(state)
    return model


def test_evaluate(run, model):
    code, out, err = run("evaluate", model)
    assert (code, err) == (0, "")
    _, valid, test = datasets.digits_sample()
    for name, split in (("validation", valid), ("test", test)):
        assert abs(printed_right(out, name) - right(in_torch(model), *split)) <= 1
        counts = printed_confusion(out, name)
        np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(split[1]))
        assert counts.trace() == printed_right(out, name)


def test_predict(run, model, npy):
    x = datasets.digits_sample()[2][0][:20]
    with torch.no_grad():
        expected = in_torch(model)(torch.tensor(x)).softmax(1).numpy()
    code, out, err = run("predict", model, npy(x))
    assert (code, err) == (0, "")
    assert list(map(int, out.split())) == expected.argmax(1).tolist()
    code, out, err = run("predict", model, npy(x), "--probabilities", "--threads", 2)
    table = np.array([line.split() for line in out.splitlines()], float)
    np.testing.assert_array_equal(table[:, 0], expected.argmax(1))
    np.testing.assert_allclose(table[:, 1:], expected, rtol=0, atol=2e-6)


PIXELS = np.rint(datasets.digits_sample()[2][0][:6] * 256)
FORMS = {
    "rows of bytes": PIXELS.astype(np.uint8),
    "images of bytes": PIXELS.astype(np.uint8).reshape(-1, 28, 28),
    "images": (PIXELS / 256).astype(np.float32).reshape(-1, 28, 28),
    "float64": PIXELS / 256,
    "float16": (PIXELS / 256).astype(np.float16),
    "big-endian": (PIXELS / 256).astype(">f4"),
    "Fortran order": np.asfortranarray(PIXELS / 256),
}


@pytest.mark.parametrize("form", FORMS)
def test_predict_takes(form, run, model, npy):
    want = run("predict", model, npy((PIXELS / 256).astype(np.float32)), "--probabilities")
    assert want[0] == 0 and len(want[1].splitlines()) == 6
    assert run("predict", model, npy(FORMS[form]), "--probabilities") == want
    if FORMS[form].ndim == 3:
        one = run("predict", model, npy(FORMS[form][2]), "--probabilities")
        assert one[1] == want[1].splitlines(True)[2]


def test_predict_nothing(run, model, npy):
    assert run("predict", model, npy(np.zeros((0, 784), np.uint8))) == (0, "", "")


def test_models_of_torch_with_other_names_and_many_layers(run, tmp_path, npy):
    """Layers count by the numbers in their names: 10 comes after 2."""
    torch.manual_seed(3)
    theirs = torch_model([784, 16, 16, 16, 16, 16, 16, 10])
    state = {f"layers.{name}": value for name, value in theirs.double().state_dict().items()}
    save_file(state, tmp_path / "theirs.safetensors")
    x = np.random.default_rng(0).random((50, 784))
    with torch.no_grad():
        expected = theirs(torch.tensor(x)).argmax(1).tolist()
    code, out, err = run("predict", tmp_path / "theirs.safetensors", npy(x))
    assert (code, err) == (0, "")
    assert list(map(int, out.split())) == expected


def test_bench(run, monkeypatch):
    monkeypatch.setattr(bench, "TASKS", bench.TASKS[:1] + bench.TASKS[-1:])
    monkeypatch.setattr(bench, "ROUNDS", 1)
    code, out, err = run("bench", "--threads", 2**31 - 1)
    assert (code, err) == (0, "")
    assert out.startswith("data: the sample of MNIST in the package (")
    threads = str(_core.get_num_threads())
    rows = [line[26:].split()[0] for line in out.splitlines() if re.match("fit|predict", line)]
    assert rows == [threads, threads]


def test_info(run):
    code, out, err = run("info")
    assert (code, err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert facts["cnn_mnist"] == __version__
    assert facts["numpy"] == np.__version__
    assert facts["path"].startswith(_core._isa())
    assert facts["threads"] == str(_core.get_num_threads())
    assert facts["data"] == "none at hand but the sample"


def test_info_of_a_folder_that_is_not_there(run, monkeypatch, tmp_path):
    monkeypatch.setenv("CNN_MNIST_DATA", str(tmp_path / "gone"))
    assert re.search(r"data .*gone \(no such folder\)$", run("info")[1], re.MULTILINE)
    monkeypatch.setenv("CNN_MNIST_DATA", str(tmp_path))
    there = re.escape(str(tmp_path))
    assert re.search(rf"data +{there} \(has no MNIST\)$", run("info")[1], re.MULTILINE)
    (tmp_path / datasets.PICKLE).touch()
    assert re.search(rf"data +{there}$", run("info")[1], re.MULTILINE)


def test_lesson_on_the_full_mnist(mnist_dir, run):
    code, out, err = run("train", "--data", mnist_dir)
    assert (code, err) == (0, "")
    assert out.startswith(
        f"data: MNIST from {mnist_dir}: 50,000 rows to train on, 10,000 to validate on\n"
    )
    (x, y), valid, _ = datasets.mnist(mnist_dir)
    expected = right(train_in_torch(x, y), *valid)
    assert abs(printed_right(out, "validation") - expected) < 50
    assert expected > 9350


def test_data_of_the_environment(mnist_dir, run, model, monkeypatch):
    monkeypatch.setenv("CNN_MNIST_DATA", str(mnist_dir))
    code, out, err = run("evaluate", model)
    assert (code, err) == (0, "")
    assert out.startswith(f"data: MNIST from {mnist_dir}\n")
    assert " of 10,000 right" in out
    assert f"data       {mnist_dir}" in run("info")[1].splitlines()
