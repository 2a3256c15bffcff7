"""Who may import what, and what the command line must not pay for."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RAY = ("tuner/cluster/", "tuner/sharing/", "tuner/engines/")
KERAS = (
    "tuner/trial/keras_callback.py",
    "tuner/trial/model_stats.py",
    "tuner/trial/tf_internals.py",
    "tuner/programs/",
    "tuner/training/",
    "tuner/data/datasets.py",
    "tuner/models/",
    "tuner/lanes/",
    "tuner/testing/",
    "search_spaces/",
)
SCHEMA = (
    "tuner.store.choice.",
    "tuner.store.confirmed.",
    "tuner.store.ranking.",
    "tuner.store.schedules.",
    "tuner.store.fronts.",
    "tuner.store.layout.",
    "tuner.store.log.",
    "tuner.store.report.",
    "tuner.store.study_json.",
    "tuner.errors.",
    "tuner.files.",
    "tuner.shown.",
    "tuner.store.damage.",
    "tuner.store.uris.",
    "tuner.store.study_tables.",
    "tuner.search_space.space.SearchSpace.",
    "tuner.trial.cells.State.",
)
SEARCH_SPACES = sorted((ROOT / "search_spaces").glob("*.py"))
IMPORTS = (ast.Import, ast.ImportFrom)
HEAVY = ("tensorflow", "keras", "ray", "pandas", "optuna", "sklearn", "scipy", "tuner.store")


def names_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return [prefix + alias.name for alias in node.names]


def imports(path: Path) -> Iterator[str]:
    """The names that a file imports at run time, anywhere in it."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, IMPORTS):
            yield from names_of(node)


def top_level_imports(path: Path) -> set[str]:
    """The packages that importing a file imports; those inside functions wait for a call."""
    body = [node for node in ast.parse(path.read_text()).body if isinstance(node, IMPORTS)]
    return {name.split(".")[0] for node in body for name in names_of(node)}


def importers(*packages: str) -> set[str]:
    found = set()
    for folder in ("tuner", "search_spaces", "analysis"):
        for path in (ROOT / folder).rglob("*.py"):
            if any(name.split(".")[0] in packages for name in imports(path)):
                found.add(path.relative_to(ROOT).as_posix())
    return found


def outside(found: set[str], allowed: tuple[str, ...]) -> set[str]:
    return {path for path in found if not path.startswith(allowed)}


def test_only_engines_and_runtime_import_ray() -> None:
    found = importers("ray")
    assert "tuner/engines/ray_tune/engine.py" in found
    assert outside(found, RAY) == set()


def test_only_what_trains_imports_keras() -> None:
    found = importers("keras", "tensorflow")
    assert "tuner/training/run_cell.py" in found or "tuner/training/fit.py" in found
    assert outside(found, KERAS) == set()


def test_the_brain_imports_no_engine() -> None:
    for room in ("study", "store", "samplers", "schedulers", "search_space"):
        for path in (ROOT / "tuner" / room).rglob("*.py"):
            assert not any(name.startswith("tuner.engines") for name in imports(path)), path


def test_lanes_know_no_ray() -> None:
    assert not [path for path in importers("ray") if "lanes" in path]


def test_analysis_knows_of_tuner_the_tables_alone() -> None:
    """Replay aside, which drives a study."""
    for path in (ROOT / "analysis").rglob("*.py"):
        if not path.stem.startswith("replay"):
            used = {name for name in imports(path) if name.split(".")[0] == "tuner"}
            assert all(f"{name}.".startswith(SCHEMA) for name in used), (path, used)


def test_the_page_on_architecture_draws_the_floors_that_are_checked() -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    layers = rules["importlinter:contract:floors"]["layers"].strip().splitlines()
    above, floors = ["testing", "extend"], [set(layer.split(" | ")) for layer in layers]
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("## The floors")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", table, flags=re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == floors[len(above) :]
    assert floors[: len(above)] == [{name} for name in above]


@pytest.mark.parametrize("path", SEARCH_SPACES, ids=lambda path: path.stem)
def test_search_spaces_are_light_to_import(path: Path) -> None:
    assert top_level_imports(path).isdisjoint(HEAVY)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"]])
def test_help_and_list_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from tuner.cli.app import main\n"
        f"sys.argv = ['tuner', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip().endswith("HEAVY []")
