"""The pages of docs/ say what is there: their code runs, and what they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tuner
import tuner.extend

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"<!-- (run|suite) -->\n```python\n(.*?)```", re.DOTALL)
RUNNING = [page for page in PAGES if BLOCK.search(page.read_text())]
PATH = re.compile(r"\b(?:tuner|tests|docs|analysis|benchmarks)/[\w/.-]*\w/?")


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
