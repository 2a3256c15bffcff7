"""A fault at each change that a study makes to its folder: is every trial there once at the end?

    python -m benchmarks.faults_at_writes [--faults 1000] [--seed 0] [--kinds ...]

A study runs on the simulated engine in a process of its own, below a library (strike_writes.c,
compiled by `cc`) that counts its changes of the folder (writes, syncs, renames, removals, new
files, Arrow's among them) and strikes at one of them. The study is then resumed by another process,
in peace. Every trial that was told to the first one must be as it was, and the tables those of an
undisturbed run.

| fault | what is done at the change |
| --- | --- |
| kill | SIGKILL before it |
| half | SIGKILL amid it: half of a write is there |
| full disk | half of a write is taken, and none after it |
| read-only | from then on every change fails |
| sync fails | the next fsync is an I/O error |
| clock back, clock on | the clock is set by a day |
| second driver | another driver tries to take the study: it must be refused |
| slow disk | this change and the next 29 take 20 ms more each |
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.mutations import EXPERIMENT, import_all
from benchmarks.power_cuts import ENDED, SETTLED, curve, opened, tables
from tuner.engines.simulated import run as run_simulated
from tuner.errors import StudyError, TunerError
from tuner.experiment.loading import Loaded, Source
from tuner.store.folder import locked
from tuner.store.study_json import describe
from tuner.store.write_errors import writing
from tuner.study.study import Study

KINDS = ("kill", "half", "full disk", "read-only", "sync fails", "clock back", "clock on",
         "second driver", "slow disk")  # fmt: skip
WENT_ON = {"clock back", "clock on", "second driver", "slow disk"}
"""Faults that are to end no run."""
FINE, IN_A_LINE, TRACEBACK = 0, 7, 9
"""How a struck run ended, as its exit code."""


def outcome(do: Callable[[], Any]) -> tuple[int, Any]:
    """Call something in this process, which is for it alone: its exit code, and its answer."""
    try:
        return FINE, do()
    except (TunerError, OSError) as error:
        return IN_A_LINE, f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  # finding them is what this is for
        traceback.print_exc()
        return TRACEBACK, None


def in_a_process(do: Callable[[], Any]) -> tuple[int, Any]:
    """Call something in a process of its own; how that ended, and its answer."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code, answer = outcome(do)
        os.write(writer, json.dumps(answer).encode())
        os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), json.loads(said)


def run(folder: Path, note: Callable[[int, float | None], None], arm: Callable[[], None]) -> None:
    """Run a study, new or begun, to its end; `note` hears of each trial that was told."""
    with locked(folder), writing(folder):
        arm()
        if not (folder / "study.json").exists():
            describe(
                Loaded(EXPERIMENT, Source("object", __name__)), SETTLED, None, name="cut"
            ).write(folder)
        with opened(folder) as study:
            _noting(study, note)
            run_simulated(study, curve, workers=2, clock=study.clock)  # type: ignore[arg-type]


def _noting(study: Study, note: Callable[[int, float | None], None]) -> None:
    tell = study.tell

    def noted(cell: Any, outcome: Any) -> None:
        tell(cell, outcome)
        record = study.records[cell.trial]
        if record.state in ENDED:
            note(cell.trial, record.value)

    study.tell = noted  # type: ignore[method-assign]


def nothing(*_: Any) -> None:
    """Where nobody is to be told."""


class Strikes:
    """The library that strikes, loaded before all others."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(None)

    def arm(self, kind: str, at: int, folder: Path) -> None:
        number = 0 if kind == "none" else 1 + KINDS.index(kind)
        self.library.strike_arm(number, at, str(folder).encode())

    def count(self) -> int:
        return int(self.library.strike_count())


def struck(strikes: Strikes, folder: Path, kind: str, at: int) -> tuple[int, dict[int, Any], str]:
    """Run a study that is struck; how it ended, the trials that were told, what went wrong."""
    told = folder.parent / "told"
    told.write_text("")
    log = os.open(told, os.O_WRONLY | os.O_APPEND)

    def note(trial: int, value: float | None) -> None:
        os.write(log, json.dumps([trial, value]).encode() + b"\n")

    refused: list[str] = []
    child = os.fork()
    if child == 0:
        code, _ = outcome(lambda: run(folder, note, lambda: strikes.arm(kind, at, folder)))
        os._exit(code)
    if kind == "second driver":
        _, status = os.waitpid(child, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            if not _is_refused(folder):
                refused.append("a second driver was let in")
            os.kill(child, signal.SIGCONT)
            _, status = os.waitpid(child, 0)
    else:
        _, status = os.waitpid(child, 0)
    os.close(log)
    ended = dict(json.loads(line) for line in told.read_text().splitlines())
    return status, ended, "; ".join(refused)


def _is_refused(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except StudyError:
        return True


def resumed(folder: Path, whole: Path, ended: dict[int, Any]) -> dict[str, int]:
    """Resume what a fault left, to its end; what is lost, duplicated and changed of it."""
    with opened(folder) as study:
        lost = [
            trial
            for trial, value in ended.items()
            if trial >= len(study.records)
            or study.records[trial].state not in ENDED
            or study.records[trial].attempt != 1
            or study.records[trial].value != value
        ]
    run(folder, nothing, nothing)
    want, got = tables(whole), tables(folder)
    changed = 0
    for one, other in zip(want, got, strict=True):
        try:
            pd.testing.assert_frame_equal(one, other)
        except AssertionError:
            changed = 1
    twice = got[1].duplicated(["trial", "fold", "epoch"]).sum() + got[0]["trial"].duplicated().sum()
    return {"lost": len(lost), "duplicated": int(twice), "changed": changed}


def campaign(place: Path, faults: int, seed: int, kinds: list[str]) -> pd.DataFrame:
    """A row a kind: how often it struck, how the struck runs ended, what was lost."""
    strikes, chance = Strikes(), random.Random(seed)
    whole = place / "whole"
    whole.mkdir()
    _, changes = in_a_process(lambda: _counted(strikes, whole))
    rows: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    for number in range(faults):
        kind = kinds[number % len(kinds)]
        at = chance.randrange(1, changes + 1)
        folder = place / "here" / "study"
        folder.mkdir(parents=True)
        status, ended, wrong = struck(strikes, folder, kind, at)
        strikes.arm("none", 0, place / "nowhere")
        code, found = in_a_process(partial(resumed, folder, whole, ended))
        ended_by = "killed" if os.WIFSIGNALED(status) else {0: "fine", 7: "a line"}.get(
            os.waitstatus_to_exitcode(status), "traceback"
        )  # fmt: skip
        bad = ended_by == "traceback" or (kind in WENT_ON and ended_by != "fine") or bool(wrong)
        rows[kind].update({"faults": 1, ended_by: 1, "wrong": int(bad or code != FINE)})
        if code == FINE:
            rows[kind].update(found)
        if bad or code != FINE or any(found.values()):
            print(f"{kind} at {at}: {ended_by}; {wrong}; then {found}", flush=True)
        shutil.rmtree(place / "here")
    columns = ["faults", "fine", "a line", "killed", "lost", "duplicated", "changed", "wrong"]
    table = pd.DataFrame([[row[name] for name in columns] for row in rows.values()],
                         index=list(rows), columns=columns)  # fmt: skip
    table.loc["all"] = table.sum()
    print(f"a study makes {changes} changes")
    return table


def _counted(strikes: Strikes, folder: Path) -> int:
    run(folder, nothing, lambda: strikes.arm("none", 0, folder))
    return strikes.count()


def main() -> None:
    """Compile the library, and begin anew with it loaded."""
    parser = argparse.ArgumentParser(description="A fault at each change of a study's folder.")
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    if "LD_PRELOAD" not in os.environ:
        with tempfile.TemporaryDirectory(prefix="strikes") as folder:
            library = Path(folder) / "strike.so"
            source = Path(__file__).with_name("strike_writes.c")
            build = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
            subprocess.run(build, check=True)
            command = [sys.executable, "-m", "benchmarks.faults_at_writes", *sys.argv[1:]]
            sys.exit(
                subprocess.run(command, env={**os.environ, "LD_PRELOAD": str(library)}).returncode
            )
    import_all()
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        table = campaign(Path(folder).resolve(), options.faults, options.seed, options.kinds)
    print(table.to_string())
    sys.exit(bool(table.loc["all", ["lost", "duplicated", "changed", "wrong"]].any()))


if __name__ == "__main__":
    main()
