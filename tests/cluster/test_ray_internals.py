"""Ray's private parts stand in two files, and their checks know each of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.cluster import ray_internals
from tuner.engines.ray_tune import tune_internals

TUNER = Path(__file__).parents[2] / "tuner"
CORE, TUNE = "cluster/ray_internals.py", "engines/ray_tune/tune_internals.py"
OURS = {"self", "cls"}


def private_attributes(tree: ast.AST) -> Iterator[str]:
    """Names with an underscore that a file takes from objects other than its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            own = isinstance(node.value, ast.Name) and node.value.id in OURS
            if not own and not node.attr.startswith("__"):
                yield node.attr


def private_imports(tree: ast.AST) -> Iterator[str]:
    """What a file imports from Ray's private modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ray"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if "._" in name)


def tree_of(path: Path) -> ast.AST:
    return ast.parse(path.read_text())


@pytest.mark.parametrize(
    ("path", "every", "least"),
    [
        (CORE, ray_internals.CORE | ray_internals.JOBS, 4),
        (TUNE, ray_internals.CORE | tune_internals.TUNE, 12),
    ],
)
def test_the_check_knows_every_private_name_that_is_used(
    path: str, every: dict[str, tuple[str, ...]], least: int
) -> None:
    known, names = set(every), {name for of in every.values() for name in of}
    tree = tree_of(TUNER / path)
    used = set(private_attributes(tree))
    assert len(used) > least
    assert used <= names
    modules = {place.partition(":")[0] for place in known}
    assert set(private_imports(tree)) <= modules


def test_no_other_file_of_these_packages_takes_anything_private() -> None:
    for package in ("cluster", "engines"):
        for path in (TUNER / package).rglob("*.py"):
            if path.relative_to(TUNER).as_posix() in (CORE, TUNE):
                continue
            tree = tree_of(path)
            assert list(private_attributes(tree)) == [], path
            assert list(private_imports(tree)) == [], path


def test_what_a_class_or_a_module_has_no_more_is_found_by_name() -> None:
    assert not ray_internals._is_there("ray._private.worker", "_gone")
    assert not ray_internals._is_there("ray._private.gone", "_worker_logs_enabled")
    assert not ray_internals._is_there("ray._private.node:Gone", "start_api_server")
    assert not ray_internals._is_there("ray._private.node:Node", "_gone")
