"""Every place that runs code which is not written there is marked, and stands in the list here.

`git grep "# runs code"` is the list with what each runs; docs/security.md says what is asked first.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MARK = "# runs code: "
RUNNERS = {
    "__import__", "import_module", "exec_module", "exec", "eval", "run_path", "run_module",
    "loads", "Unpickler", "read_pickle", "load_model", "model_from_json", "from_config",
}  # fmt: skip
"""Calls that run what they are given; `loads` of pickle and cloudpickle, not of JSON."""
LIST = {
    "tuner/__init__.py": 1,
    "tuner/cluster/ray_internals.py": 1,
    "tuner/data/datasets.py": 1,
    "tuner/elsewhere/sources.py": 1,
    "tuner/engines/shipping.py": 1,
    "tuner/experiment/imports.py": 2,
    "tuner/experiment/loading.py": 2,
    "tuner/forks/forked.py": 1,
    "tuner/forks/mapped.py": 2,
    "tuner/forks/server.py": 1,
    "tuner/lanes/optimizer.py": 1,
    "tuner/models/model_files.py": 1,
    "tuner/registry.py": 1,
    "tuner/sklearn/objective.py": 1,
    "tuner/study/constraints.py": 1,
    "tuner/training/declared.py": 4,
    "tuner/training/kept_models.py": 1,
    "tuner/training/run_cell.py": 1,
    "tuner/trial/shipped_params.py": 2,
}
"""How many places a file has. A new one belongs into docs/security.md too, where it is a way to run
what a study's folder holds or names."""
FILES = [
    path for package in ("tuner", "analysis") for path in sorted((ROOT / package).rglob("*.py"))
]


def runners(tree: ast.AST) -> list[int]:
    """The lines of calls that run what they are given."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        of = getattr(getattr(called, "value", None), "id", "")
        unpickles = name not in ("loads", "load") or of in ("pickle", "cloudpickle", "joblib")
        if name in RUNNERS and unpickles and of != "cls":
            found.append(node.lineno)
    return found


def test_every_call_that_runs_what_it_is_given_is_marked() -> None:
    unmarked = []
    for path in FILES:
        lines = path.read_text().splitlines()
        for number in runners(ast.parse(path.read_bytes())):
            before = lines[number - 2].strip() if number > 1 else ""
            own = lines[number - 1].lstrip().startswith(("def ", "model = load_model(study"))
            if not (before.startswith(MARK) or own):
                unmarked.append(f"{path.relative_to(ROOT)}:{number}")
    assert unmarked == []


def test_the_list_is_whole() -> None:
    marks = Counter[str]()
    for path in FILES:
        marks[str(path.relative_to(ROOT))] += path.read_text().count(MARK)
    assert {file: number for file, number in marks.items() if number} == LIST


@pytest.mark.parametrize(
    "file",
    [
        "tuner/experiment/loading.py",
        "tuner/models/model_files.py",
        "tuner/training/kept_models.py",
    ],
)
def test_what_a_folder_may_name_is_in_the_page_on_security(file: str) -> None:
    assert file in (ROOT / "docs" / "security.md").read_text()
