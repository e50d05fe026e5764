"""The example notebook runs from top to bottom, as a reader of it would run it."""

import os
from pathlib import Path

import pytest

import mlptrain

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"


@pytest.fixture
def notebook():
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(cell):
    """Return what a cell printed and showed."""
    parts = [
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    ]
    return "".join(parts)


def test_the_notebook_is_stored_without_outputs(notebook):
    assert all(not cell.outputs for cell in code_cells(notebook))
    assert all(cell.execution_count is None for cell in code_cells(notebook))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of Jupyter's own parts
def test_the_notebook_runs(notebook, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    path = [str(Path(mlptrain.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    _, config, train, runs, model = code_cells(notebook)
    assert "adamw" in text(config)
    progress = [line for line in text(train).splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in progress] == ["1/3", "2/3", "3/3"]
    assert "\x1b" not in text(train)
    (folder,) = (tmp_path / "outputs").glob("2*")
    assert folder.name in text(runs)
    shown = float(text(train).splitlines()[-1])
    assert float(text(model).rpartition("(")[2].rstrip(")")) == pytest.approx(shown, abs=0.003)
