"""Power cuts at every write of a study: does what is left open and resume, the last second aside?

    python -m benchmarks.power_cuts [--cuts 500] [--seed 0]

A study runs on the simulated engine while a model of the disk notes what an fsync has put on it:
the content of files, and the names in folders. Before and after every fsync and rename, and at
every report, the power may be cut. Left is then what was on the disk for certain, and of what was
only written any part: all, nothing, a piece, zeros for the rest of it; a new name or the old one;
each file by its own chance. Each such folder is resumed to its end, which must give the table of an
undisturbed run, with every trial that had ended before the last group commit as it was.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

import tuner.files
from benchmarks.mutations import EXPERIMENT
from tuner.engines.simulated import Step, VirtualClock
from tuner.engines.simulated import run as run_simulated
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import settle
from tuner.registry import said
from tuner.results.results import load
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.study_json import describe
from tuner.store.tables import Recorder
from tuner.study.restore import restore
from tuner.study.study import Study
from tuner.trial.cells import Cell, State

REPORTS_A_COMMIT = 20
"""As many come in the half second between two group commits."""
SETTLED = settle(EXPERIMENT, {"sampler": "random", "scheduler": "none"})


@dataclass
class Cut:
    """What a cut left, and the trials that had ended for certain."""

    folder: Path
    ended: dict[int, float | None]


@dataclass
class Disk:
    """What is on the disk for certain of a folder: contents by inode, names by folder."""

    folder: Path
    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[Path, dict[str, int]] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)

    def fsync(self, descriptor: int) -> None:
        """Note what this puts on the disk."""
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            self.names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
            return
        self.held.append(os.dup(descriptor))  # so that its number is given to no other file
        content = Path(f"/proc/self/fd/{descriptor}").read_bytes()
        self.contents[os.fstat(descriptor).st_ino] = content

    def left(self, place: Path, chance: random.Random) -> None:
        """Make in `place` what a cut may leave now."""
        self._left(self.folder, place, chance)

    def _left(self, folder: Path, place: Path, chance: random.Random) -> None:
        place.mkdir()
        seen = {entry.name: entry for entry in os.scandir(folder)}
        certain = self.names.get(folder, {})
        for name in sorted(seen.keys() | certain.keys()):
            entry = seen.get(name)
            new = entry is not None and entry.inode() != certain.get(name)
            if entry is None or (new and chance.random() < 0.5):  # the name as it was
                if name in certain and certain[name] in self.contents:
                    (place / name).write_bytes(self.contents[certain[name]])
            elif entry.is_dir():
                self._left(Path(entry.path), place / name, chance)
            else:
                content = Path(entry.path).read_bytes()
                (place / name).write_bytes(self._part(entry.inode(), content, chance))

    def _part(self, inode: int, written: bytes, chance: random.Random) -> bytes:
        certain = self.contents.get(inode, b"")
        if not written.startswith(certain):  # it was cut, or written over
            return chance.choice((certain, written))
        more = written[len(certain) :]
        piece = more[: chance.randrange(len(more) + 1)]
        zeros = bytes(len(more) - len(piece))
        return certain + chance.choice((b"", more, piece, piece + zeros))


class _Never:
    """The timer of group commits, which the test does itself."""

    daemon = True

    def __init__(self, seconds: float, do: Any) -> None: ...

    def start(self) -> None: ...

    def cancel(self) -> None: ...


def cuts(folder: Path, place: Path, chance: random.Random) -> Iterator[Cut]:
    """Run a study in `folder`; a cut for each moment, left in a folder of its own in `place`."""
    made: list[Cut] = []
    disk = Disk(folder)
    ended: dict[int, float | None] = {}

    def cut() -> None:
        if "study.json" in disk.names.get(folder, {}):  # else no study has begun
            left = place / str(len(made))
            disk.left(left, chance)
            made.append(Cut(left, dict(ended)))

    def fsync(descriptor: int) -> None:
        cut()
        disk.fsync(descriptor)
        cut()

    def replace(old: Any, new: Any) -> None:
        os.rename(old, new)
        cut()

    def cut_curve(cell: Cell) -> Iterator[Step]:
        for number, step in enumerate(curve(cell)):
            cut()
            if (study.order + number) % REPORTS_A_COMMIT == 0:
                study.ledger.sync()
                study.recorder.sync()
                ended.update({r.trial: r.value for r in study.records if r.state in ENDED})
            yield step

    with (
        patch.object(tuner.files, "Timer", _Never),
        patch.object(os, "fsync", fsync),
        patch.object(os, "replace", replace),
    ):
        loaded = Loaded(EXPERIMENT, Source("object", __name__))
        describe(loaded, SETTLED, None, name="cut").write(folder)
        with opened(folder) as study:
            run_simulated(study, cut_curve, workers=2, clock=study.clock)  # type: ignore[arg-type]
    for descriptor in disk.held:
        os.close(descriptor)
    return iter(made)


ENDED = (State.COMPLETE, State.DIVERGED)


@contextmanager
def opened(folder: Path) -> Iterator[Study]:
    ledger = Ledger("cut", SETTLED.direction, journal_storage(folder))
    recorder = Recorder(folder, SearchSpace(SETTLED.space), said(SETTLED.engine))
    study = Study(SETTLED, ledger, recorder=recorder, clock=VirtualClock())
    restore(study)
    yield study
    recorder.close(study.records)
    ledger.disconnect()


def curve(cell: Cell) -> Iterator[Step]:
    for epoch in range(1, (cell.epochs or 9) + 1):
        diverges = cell.params["x"] > 0.8 and epoch > 2
        value = float("nan") if diverges else cell.params["x"] * epoch
        yield Step(epoch, {"val_accuracy": value, "loss": 1.0 / epoch})


def resumed(cut: Cut) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Resume what a cut left, to its end; its tables. Raises AssertionError for a trial lost."""
    with opened(cut.folder) as study:
        for trial, value in cut.ended.items():
            record = study.records[trial] if trial < len(study.records) else None
            as_it_was = record is not None and record.state in ENDED and record.attempt == 1
            if record is None or not as_it_was or record.value != value:
                raise AssertionError(f"{cut.folder}: trial {trial} had ended, and is {record}")
        run_simulated(study, curve, workers=2, clock=study.clock)  # type: ignore[arg-type]
    return tables(cut.folder)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What must not depend on a cut: trials and reports."""
    results = load(folder)
    trials = results.trials[["trial", "state", "param_x", "value", "epochs", "seed"]]
    reports = results.reports.sort_values(["trial", "epoch"]).reset_index(drop=True)
    return trials, reports[["trial", "fold", "epoch", "val_accuracy", "loss"]]


def campaign(place: Path, number: int, seed: int) -> tuple[int, int]:
    """Resume so many of the cuts of some runs; how many in all, and how many moments there were.

    Raises AssertionError where a table is not that of an undisturbed run.
    """
    chance = random.Random(seed)
    done = moments = 0
    for run in range(1 << 30):
        here = place / str(run)
        (here / "study").mkdir(parents=True)
        (here / "cuts").mkdir()
        made = list(cuts(here / "study", here / "cuts", chance))
        moments += len(made)
        whole = tables(here / "study")
        for cut in chance.sample(made, min(len(made), number - done)):
            for want, got in zip(whole, resumed(cut), strict=True):
                pd.testing.assert_frame_equal(want, got)
            done += 1
        if done >= number:
            return done, moments
    raise AssertionError("not reached")


def main() -> None:
    parser = argparse.ArgumentParser(description="Power cuts at every write.")
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cuts") as folder:
        done, moments = campaign(Path(folder), options.cuts, options.seed)
    print(f"{done} power cuts, of {moments} moments: nothing lost")


if __name__ == "__main__":
    main()
