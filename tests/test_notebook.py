"""The notebook: kept clean, and executed from a clean kernel as a reader would."""

import ast
import os
import re
from pathlib import Path
from typing import Any

from container.errors import InputError
from pipeline.local_fit.page import PAGE, PICTURES
from pipeline.local_fit.workbench import PLACES, open_workbench
from pipeline.settings import Settings

import container_engine
import nbformat
import pytest
from conftest import ROOT
from container_engine import NEEDS_COMPOSE
from nbclient import NotebookClient

NOTEBOOK = ROOT / "notebooks" / "local_fit.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook: Any, folder: Path, **variables: str) -> str:
    """All that the cells print and show, as text; raises with the traceback of one that fails."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("AWS_")}
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute(env=environment | {"HOME": str(folder)} | variables)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    texts = [o.get("text") or o.get("data", {}).get("text/html", "") for o in outputs]
    return "\n".join(texts)


def pictures(notebook: Any) -> int:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    assert all(output.metadata["image/png"]["alt"] for output in shown)
    return len(shown)


def test_it_is_stored_without_outputs_and_stays_short() -> None:
    cells = code_cells(read())
    assert len(cells) <= 12
    assert [cell for cell in cells if cell.outputs or cell.execution_count is not None] == []


def test_the_copy_in_docs_is_of_this_notebook() -> None:
    """`python -m pipeline.local_fit.page` writes it anew."""
    copy = PAGE.read_text(encoding="utf-8")
    for cell in read().cells:
        assert cell.source in copy
    linked = re.findall(r"\]\((\S+\.png)\)", copy)
    assert sorted(linked) == sorted(f"{PICTURES.name}/{path.name}" for path in PICTURES.iterdir())
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 2**20


def test_no_function_is_born_in_a_cell() -> None:
    for cell in code_cells(read()):
        tree = ast.parse(re.sub("^%.*$", "", cell.source, flags=re.MULTILINE))
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]


def test_it_runs_from_a_clean_kernel_without_account_or_docker(tmp_path: Path) -> None:
    notebook = read()
    text = execute(notebook, tmp_path, PATH=os.defpath, DOCKER_HOST="tcp://127.0.0.1:9")
    assert re.search(r"metric validation:auc=0\.\d+", text), "the log of the job"
    assert "/output/model.tar.gz" in text
    both = re.findall(r"<td>(0\.\d+)</td>\s*<td>(0\.\d+)</td>\s*</tr>", text)
    for written, again in both[:4]:  # the metrics; the baselines follow
        assert float(written) == pytest.approx(float(again), abs=1e-6)
    assert "<td>Completed</td>" in text, "DescribeTrainingJob"
    assert "Traceback" not in text
    assert pictures(notebook) == 7


@pytest.mark.container_engine
@pytest.mark.timeout(900)
@NEEDS_COMPOSE
def test_its_switch_takes_the_same_cells_to_docker(tmp_path: Path) -> None:
    container_engine.write_settings(tmp_path / "here.yaml", container_engine.base_image())
    notebook = read()
    first = code_cells(notebook)[0]
    changed = first.source.replace('WHERE = "local"', 'WHERE = "docker"')
    changed = changed.replace("DEFAULT_CONFIG)", "DEFAULT_CONFIG.__class__('here.yaml'))")
    assert 'WHERE = "docker"' in changed
    assert "here.yaml" in changed
    first.source = changed
    text = execute(notebook, tmp_path)
    assert re.search(r"metric validation:auc=0\.\d+", text)
    (name,) = set(re.findall(r"^titanic-pipeline:\w+$", text, re.MULTILINE))
    container_engine.docker("rmi", "--force", name)
    assert pictures(notebook) == 7


def test_an_unknown_place_is_refused_with_the_known_ones(settings: Settings) -> None:
    with pytest.raises(InputError, match=r"'dokcer' is not a place.*did you mean docker") as caught:
        open_workbench("dokcer", settings)
    assert caught.value.hint == f"the places are {', '.join(PLACES)}"
