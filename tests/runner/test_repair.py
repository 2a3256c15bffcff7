"""Broken files: each is said in a line, and mended from the ledger and the log or left as it is."""

from __future__ import annotations

import json
import re
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import analysis
import tuner
from tests.brain import experiment as brain_experiment
from tuner.cli.app import run_command
from tuner.errors import TunerError
from tuner.registry import said
from tuner.runner.repair import repair
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.tables import Recorder
from tuner.store.trial_logs import read_log
from tuner.study.restore import restore
from tuner.study.study import Study

FILES = ("study.json", "trials.parquet", "reports.parquet/part-00001.parquet", "journal.log",
         "reports.log")  # fmt: skip


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    results = tuner.load(folder)
    order = ["trial", "fold", "epoch"]
    return results.trials, results.reports.sort_values(order).reset_index(drop=True)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def half_line(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')


def garbage_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"\x00garbage\n", *lines[1:]]))


@pytest.mark.parametrize(
    ("name", "breaks", "line"),
    [
        ("journal.log", half_line, "journal.log: cut 19 unfinished bytes at its end"),
        ("reports.log", half_line, "reports.log: cut 19 unfinished bytes at its end"),
        ("reports.log", garbage_line, "reports.log: left out 1 damaged lines of"),
        ("trials.parquet", halve, "trials.parquet: was missing or broken, and is made anew"),
        ("trials.parquet", Path.unlink, "trials.parquet: was missing or broken, and is made anew"),
        ("reports.parquet/part-00001.parquet", halve, "part-00001.parquet: cannot be read; the"),
        ("reports.parquet/part-00000.parquet", halve, "part-00000.parquet: cannot be read; the"),
    ],
)
def test_what_breaks_is_made_anew_from_the_ledger_and_the_log(
    study: Path,
    name: str,
    breaks: Callable[[Path], None],
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = tables(study)
    breaks(study / name)
    assert run_command(["repair", str(study)]) == 0
    said = capsys.readouterr().out
    assert line in said
    assert "12 trials in its tables" in said
    for one, two in zip(before, tables(study), strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert not list(study.rglob("*.before-repair"))
    assert repair(study) == [f"{study}: 12 trials in its tables, as the ledger has them"]


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("breaks", [empty, Path.unlink, halve])
def test_a_log_that_lost_reports_costs_none_that_the_table_has(
    study: Path, breaks: Callable[[Path], None]
) -> None:
    """As a power cut leaves it: the ledger says COMPLETE, the parts are whole, the log is not."""
    before = tables(study)
    breaks(study / "reports.log")
    for _ in range(2):
        assert repair(study)[-1] == f"{study}: 12 trials in its tables, as the ledger has them"
        for one, two in zip(before, tables(study), strict=True):
            pd.testing.assert_frame_equal(one, two)


def test_reports_that_are_nowhere_any_more_are_named(study: Path) -> None:
    shutil.rmtree(study / "reports.parquet")
    empty(study / "reports.log")
    said = repair(study)
    assert re.match(r"trial \d+, fold 0: its reports after epoch 0 of \d are lost; its", said[0])
    assert said[-2].startswith("and of ")
    assert len(tuner.load(study).trials) == 12


def test_a_repair_that_refuses_changes_nothing(study: Path) -> None:
    """The ledger has lost its last trials, so that reports are of trials that it doesn't know."""
    lines = (study / "journal.log").read_bytes().splitlines(keepends=True)
    (study / "journal.log").write_bytes(b"".join(lines[: len(lines) // 2]))
    half_line(study / "reports.log")
    (study / "trials.parquet").unlink()
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    with pytest.raises(TunerError, match=r"broken \(it has lost \d trials: \d, "):
        repair(study)
    after = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    after.pop(study / "lock", None)
    before.pop(study / "lock", None)
    assert before == after


def test_a_ledger_that_speaks_of_trial_3000000_costs_no_memory(study: Path) -> None:
    journal = study / "journal.log"
    journal.write_text(re.sub(r'"trial": ?4\b', '"trial":3000000', journal.read_text()))
    tracemalloc.start()
    with pytest.raises(TunerError, match=r"lost 2999989 trials: 4, 12, 13, .*, 20, \.\.\.\)"):
        repair(study)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50e6


def test_a_study_that_was_renamed_is_mended_under_its_new_name(study: Path) -> None:
    moved = study.rename(study.with_name("moved"))
    (moved / "trials.parquet").unlink()
    assert repair(moved)[-1] == f"{moved}: 12 trials in its tables, as the ledger has them"


@pytest.mark.parametrize(
    ("name", "breaks", "line"),
    [
        ("journal.log", garbage_line, r"ledger \(journal\.log, .* is broken .*put back a copy"),
        ("journal.log", Path.unlink, r"has no journal\.log, of which its tables are made"),
        ("study.json", halve, r"study\.json cannot be read"),
        ("study.json", Path.unlink, r"is not a study folder: it has no study\.json"),
    ],
)
def test_what_all_else_is_made_of_is_refused_and_left_alone(
    study: Path, name: str, breaks: Callable[[Path], None], line: str
) -> None:
    breaks(study / name)
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    with pytest.raises(TunerError, match=line):
        repair(study)
    after = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    after.pop(study / "lock", None)
    before.pop(study / "lock", None)
    assert before == after


def test_a_study_of_a_later_version_is_refused_in_a_line(study: Path) -> None:
    content = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(TunerError, match=r"has format 99, and this tuner writes format 3"):
        repair(study)


def refusal(look: Callable[[], object]) -> str:
    """The line of a TunerError; nothing where all went well."""
    try:
        look()
    except TunerError as error:
        return str(error)
    return ""


BYTES = st.binary(max_size=40)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(FILES), st.floats(0, 1), st.booleans(), BYTES)
def test_no_broken_file_is_worth_a_traceback(
    whole: Path,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    where: float,
    cut: bool,
    noise: bytes,
) -> None:
    """Bytes are put over a file, or over its end and the rest cut off; all that reads is tried."""
    folder = Path(shutil.copytree(whole, tmp_path_factory.mktemp("fuzz") / "whole"))
    content = (folder / name).read_bytes()
    at = int(where * len(content))
    rest = b"" if cut else content[at + len(noise) :]
    (folder / name).write_bytes(content[:at] + noise + rest)

    def go_on() -> None:
        settled = brain_experiment(eta=2, trials=12, seed=3, dataset=None)
        ledger = Ledger(folder.name, settled.direction, journal_storage(folder))
        recorder = Recorder(folder, SearchSpace(settled.space), said(settled.engine))
        try:
            restore(Study(settled, ledger, recorder=recorder, clock=time.time))
        finally:
            assert recorder.store is not None
            recorder.store.close()

    looks: list[Callable[[], object]] = [
        lambda: tuner.load(folder),
        lambda: analysis.load(folder),
        lambda: read_log(str(folder), 0),
        go_on,
        lambda: repair(folder),
    ]
    for look in looks:
        assert "\n" not in refusal(look)
    shutil.rmtree(folder.parent)
