"""The pages of docs/ say what is there: their code runs, and what they name exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import tuner
import tuner.extend
from tuner.store import layout

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"<!-- (run|suite) -->\n```python\n(.*?)```", re.DOTALL)
RUNNING = [page for page in PAGES if BLOCK.search(page.read_text())]
FILE = re.compile(r"<!-- file: (.*?) -->\n```python\n(.*?)```", re.DOTALL)
COMING_FROM = sorted({*(ROOT / "docs" / "from").glob("*.md")} - {ROOT / "docs/from/index.md"})
SIDES = {name: text for page in COMING_FROM for name, text in FILE.findall(page.read_text())}
PATH = re.compile(r"(?<![/-])\b(?:tuner|tests|docs|analysis|benchmarks)/[\w/.-]*\w/?")


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_passes_its_suite(page: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page.read_text())
    file = tmp_path / f"test_{page.stem}.py"
    file.write_text("\n".join(text for _, text in blocks))
    suite = any(kind == "suite" for kind, _ in blocks)
    command = [sys.executable, *(["-m", "pytest", "-q", "-p", "no:cacheprovider"] if suite else [])]
    done = subprocess.run(
        [*command, str(file)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SIDES)
def test_both_sides_of_a_page_for_users_of_another_tool_run(name: str, tmp_path: Path) -> None:
    """The peer's example and ours, of two trials each; what two pages share runs once."""
    if name == "with_keras_tuner.py" and not find_spec("keras_tuner"):
        pytest.skip("KerasTuner is not installed")
    file = tmp_path / name
    file.write_text(re.sub(r"(n_trials|trials|num_samples)=\d+", r"\1=2", SIDES[name]))
    done = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "RAY_ADDRESS": "local"},  # else Ray joins the cluster of another test
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_for_users_of_another_tool_has_their_side_and_ours() -> None:
    for page in COMING_FROM:
        files = FILE.findall(page.read_text())
        assert page.read_text().count("```python") == len(files) == 2, page.name
        assert all(SIDES[name] == text for name, text in files), page.name


def test_the_notebook_was_executed_in_order_and_without_errors() -> None:
    """`make docs/lab.ipynb` executes it anew."""
    book = json.loads((ROOT / "docs" / "lab.ipynb").read_text())
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds <= {"execute_result", "display_data", "stream"}
    assert (ROOT / "docs" / "lab.ipynb").stat().st_size < 500_000


def test_the_page_of_the_tables_names_their_columns_with_their_types() -> None:
    text = (ROOT / "docs" / "files.md").read_text()
    trials, reports = text.split("## trials.parquet")[1].split("## reports.parquet")
    rows = re.findall(r"^\| `([\w`, ]+)` \| ([^|]*) \|", reports, re.MULTILINE)
    said = {name: kind for names, kind in rows for name in names.split("`, `")}
    columns = {**layout.REPORT_COLUMNS_FIRST, **layout.REPORT_COLUMNS_LAST}
    assert said == {name: shown_type(kind) for name, kind in columns.items()}
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", trials, re.MULTILINE)
    assert rows == [(name, shown_type(kind)) for name, kind in layout.TRIAL_COLUMNS.items()]


def shown_type(kind: str) -> str:
    """A column's type as the page says it."""
    return "timestamp, UTC" if kind.startswith("timestamp") else kind


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_and_test_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    for name in PATH.findall(text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
    for file, test in re.findall(r"(tests/[\w/]+\.py)::(\w+)", text):
        assert f"def {test}(" in (ROOT / file).read_text(), f"{page.name} names {test}"


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"(?:^    |`)make ([\w-]+)", page.read_text(), re.MULTILINE)
        assert set(named) <= targets, page.name


def test_a_fragment_has_a_kind_and_a_sentence() -> None:
    for path in (ROOT / "changelog.d").glob("*.md"):
        if path.name != "README.md":
            assert re.fullmatch(r"[\w-]+\.(added|changed|fixed|removed)\.md", path.name), path.name
            assert path.read_text().strip().endswith("."), path.name


@pytest.mark.parametrize("module", [tuner, tuner.extend])
def test_every_name_of_a_promised_face_is_there(module: object) -> None:
    promised = module.__all__  # type: ignore[attr-defined]
    assert len(promised) == len(set(promised))
    for name in promised:
        assert getattr(module, name) is not None


def test_the_face_for_authors_has_nothing_that_it_does_not_promise() -> None:
    public = {name for name in vars(tuner.extend) if not name.startswith("_")} - {"annotations"}
    assert public == set(tuner.extend.__all__)
