"""Private names of the libraries that we lean on stand in `*_internals.py` files alone.

Each such file has a `check()`, which says in a line what a new version of its library lacks. What
counts as private: a name that begins with one underscore, and what lies below `keras.src` or
`tensorflow.python`, of which neither library promises anything.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWN = ("self", "cls", "os", "sys")
LIBRARIES = {"ray", "keras", "tensorflow", "optuna", "sklearn"}
FILES = sorted(path for room in ("tuner", "analysis") for path in (ROOT / room).rglob("*.py"))
INTERNALS = [path for path in FILES if path.stem.endswith("_internals")]


PUBLIC = ("_replace", "_asdict", "_fields")
"""What a NamedTuple promises."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def private_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            hidden = any(map(is_private, parts)) or parts[1:2] in (["src"], ["python"])
            if parts[0] in LIBRARIES and hidden:
                yield name


def own_names(tree: ast.AST) -> set[str]:
    """The private names that a file itself makes: functions, classes, fields, attributes."""
    own = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls")
        ):
            own.add(node.attr)
    return own


def private_attributes(tree: ast.AST) -> Iterator[str]:
    """Attributes read from, or set on, what is not this file's own."""
    own = own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            inside = isinstance(node.value, ast.Name) and node.value.id in OWN
            if not inside and node.attr not in own:
                yield node.attr
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "setattr", "hasattr")
            and isinstance(node.args[1], ast.Constant)
            and is_private(str(node.args[1].value))
        ):
            yield str(node.args[1].value)


def private_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {*private_imports(tree), *private_attributes(tree)}


def test_the_walk_finds_what_it_looks_for() -> None:
    tree = ast.parse(
        "import keras.src.ops\n"
        "from ray._private import worker\n"
        "from optuna.samplers import TPESampler\n"
        "class Mine:\n"
        "    def __init__(self): self._own = 1\n"
        "    def same(self, other): return self._own == other._own and other._theirs\n"
        "def look(model): return getattr(model, '_layers'), model.__dict__\n"
    )
    assert set(private_imports(tree)) == {"keras.src.ops", "ray._private.worker"}
    assert set(private_attributes(tree)) == {"_theirs", "_layers"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_private_name_stands_in_an_internals_file(path: Path) -> None:
    if path not in INTERNALS:
        assert private_names(path) == set()


@pytest.mark.parametrize("path", INTERNALS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_internals_file_checks_what_it_leans_on(path: Path) -> None:
    tree = ast.parse(path.read_text())
    said = " ".join(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    functions = {n.name: ast.unparse(n) for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert "check" in functions, f"{path.name} has no check()"
    called = [text for name, text in functions.items() if f"{name}(" in functions["check"]]
    known = set(re.findall(r"\w+", " ".join([said, *called])))
    leant_on = {name.rsplit(".", 1)[-1] for name in private_names(path)}
    assert leant_on <= known, f"check() of {path.name} does not know {leant_on - known}"


@pytest.mark.parametrize("path", INTERNALS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_installed_versions_have_all_of_it(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert not importlib.import_module(name).check()
