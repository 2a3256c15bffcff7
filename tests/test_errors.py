"""Errors speak of arguments; the command line alone speaks of flags."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.cli.app import app
from tuner.cli.flags import flags_of, in_flags
from tuner.errors import DatasetError, ExperimentError
from tuner.options import options_of

ROOT = Path(__file__).parent.parent
OUTSIDE = sorted(
    path
    for room in ("tuner", "analysis")
    for path in (ROOT / room).rglob("*.py")
    if "cli" not in path.relative_to(ROOT).parts and path != ROOT / "analysis/facts/lines.py"
)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a file that are not docstrings, with their lines."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def test_outside_cli_no_message_names_a_flag() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in OUTSIDE
        for line, text in texts(path)
        if re.search(r"--([a-z]|$)", text)
    ]
    assert named == []


def test_an_error_says_its_field_the_rule_and_the_way_out() -> None:
    error = ExperimentError("cv needs one to split", field="dataset", way_out="name one")
    assert str(error) == "dataset: cv needs one to split; name one"
    assert str(ExperimentError("broken")) == "broken"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.field, again.way_out) == (str(error), "dataset", "name one")


def test_the_command_line_says_flags_for_fields() -> None:
    error = DatasetError(
        "3 `folds` of `metric_x`", field="dataset", way_out="add `shuffle` or `dataset`"
    )
    flags = flags_of(app, "run")
    assert in_flags(error, flags) == "--data: 3 --folds of `metric_x`; add --shuffle or --data"
    assert in_flags(ExperimentError("no", field="objective"), flags) == "objective: no"
    assert in_flags(ExperimentError("no", field="out"), flags_of(app, "report")) == "--out: no"
    assert in_flags(ExperimentError("go `resume`"), flags_of(app, "show")) == "go --resume"


@pytest.mark.parametrize("name", ["min_epochs", "dataset", "tensorboard"])
def test_an_option_is_a_flag(name: str) -> None:
    assert flags_of(app, "run")[name] == {"dataset": "--data"}.get(
        name, f"--{name}".replace("_", "-")
    )


def test_every_option_but_the_description_is_a_flag_with_its_help() -> None:
    from tuner.experiment.experiment import Experiment

    options = {one.name: rule for one, rule in options_of(Experiment)}
    flags = flags_of(app, "run")
    assert {name for name, rule in options.items() if not rule.flag} == {"description"}
    assert {name for name, rule in options.items() if rule.flag} <= set(flags)
    assert all(rule.help and rule.group for rule in options.values() if rule.flag)
