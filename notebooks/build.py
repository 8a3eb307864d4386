"""Executes the notebooks and writes each .ipynb from its .md: `python notebooks/build.py`.

The .md (MyST) is the source; the .ipynb holds the same cells with their outputs, for readers on a
code host. Needs jupytext, nbclient and ipykernel (extra `test`).
"""

import os
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent


def executed(source: Path, cwd: Path, before: str = "") -> nbformat.NotebookNode:
    """The notebook written in `source`, run from top to bottom in the folder `cwd`.

    It runs on the digits that the package ships, even where all of MNIST is at hand, so that its
    outputs are the same everywhere. `before` is Python that runs first and is not part of the result.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        With the traceback of the first cell that fails.
    """
    notebook = jupytext.read(source)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    environment = {**os.environ, "CNN_MNIST_DATA": str(cwd / "no such folder")}
    client = NotebookClient(
        notebook, timeout=300, record_timing=False, resources={"metadata": {"path": str(cwd)}}
    )
    client.execute(env=environment)
    del notebook.cells[0]
    return notebook


def write(notebook: nbformat.NotebookNode, target: Path) -> None:
    """Writes it with nothing in it that changes from run to run but the outputs."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.execution_count = number + 1
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, target)


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.md")):
        write(executed(path, FOLDER), path.with_suffix(".ipynb"))
        print(path.with_suffix(".ipynb"))
