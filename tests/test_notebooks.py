"""The notebooks and the pages of documentation: what they show runs, and what they name exists."""

import os
import re
import runpy
from pathlib import Path

import jupytext
import pytest

import cnn_mnist

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.md"))
PAGES = [CHECKOUT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
LARGEST_NOTEBOOK = 1_000_000  # bytes

NO_NETWORK = """
import socket
def refuse(*arguments):
    raise OSError("a notebook must not need the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""
NO_TORCH = """
import sys
sys.modules["torch"] = None
"""


def name_of(path: Path) -> str:
    return path.stem


@pytest.fixture
def build(monkeypatch):
    """notebooks/build.py as a dictionary of its names; kernels import the package under test."""
    package = Path(cnn_mnist.__file__).resolve().parents[1]
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(package), inherited])))
    return runpy.run_path(str(CHECKOUT / "notebooks" / "build.py"))


@pytest.mark.parametrize(
    "guard", [NO_NETWORK, NO_NETWORK + NO_TORCH], ids=["torch", "without_torch"]
)
@pytest.mark.parametrize("source", NOTEBOOKS, ids=name_of)
def test_notebook_runs_from_top_to_bottom(source, guard, build, tmp_path):
    notebook = build["executed"](source, tmp_path, before=guard)
    outputs = [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"], "no warnings"
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 5
    assert not list(tmp_path.iterdir()), "it leaves no files behind"


@pytest.mark.parametrize("source", NOTEBOOKS, ids=name_of)
def test_notebook_runs_on_the_full_mnist(source, build, mnist_dir, tmp_path):
    """Thousands of steps, in which rounding grows."""
    data = f"import os; os.environ['CNN_MNIST_DATA'] = {str(mnist_dir.resolve())!r}"
    cells = build["executed"](source, tmp_path, before=data).cells
    assert any("50000" in str(cell.get("outputs")) for cell in cells)


@pytest.mark.parametrize("source", NOTEBOOKS, ids=name_of)
def test_both_files_of_a_pair_hold_the_same_cells(source):
    pair = source.with_suffix(".ipynb")
    text, notebook = jupytext.read(source), jupytext.read(pair)
    assert [(c.cell_type, c.source) for c in notebook.cells] == [
        (c.cell_type, c.source) for c in text.cells
    ], "python notebooks/build.py writes it anew"
    assert all(
        c.execution_count and not any(o.output_type == "error" for o in c.outputs)
        for c in notebook.cells
        if c.cell_type == "code"
    )
    content = pair.read_text(encoding="utf-8")
    assert len(content) < LARGEST_NOTEBOOK
    assert "site-packages" not in content and str(Path.home()) + "/" not in content


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_readme_s_python_runs(capsys):
    namespace: dict = {}
    for block in blocks(CHECKOUT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), namespace)  # noqa: S102
    x, y = (cnn_mnist.tensor(a) for a in (namespace["x_valid"], namespace["y_valid"]))
    assert (namespace["model"](x).argmax(dim=1) == y).float().mean().item() > 0.8
    assert capsys.readouterr().out.count("\n") >= 3


def test_the_readme_has_one_command_for_the_tests():
    text = (CHECKOUT / "README.md").read_text("utf-8")
    section = re.search(r"^## Tests\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)[1]
    commands = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(commands) == 1
    assert "pip install '.[test]'" in commands[0] and "-m pytest" in commands[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_a_page_names_exist(page):
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    named = re.findall(r"`((?:csrc|python|tests|notebooks|benchmarks)/[\w./*-]*)`", text)
    missing = [name for name in links + named if not list(CHECKOUT.glob(name.rstrip("/")))]
    assert not missing
