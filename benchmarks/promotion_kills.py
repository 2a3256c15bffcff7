"""Kills over studies that pause and promote: what is lost, and what is trained twice.

    python -m benchmarks.promotion_kills [--kills 200] [--studies 10]

The product's study, ledger and tables in a folder, on the simulated engine: the whole process
dies at a report, and another goes on from the folder, again and again until the study ends. A
training keeps a checkpoint on the disk every so many epochs, once their reports were answered; what
it held in memory dies with the process. Half of the studies are deterministic, and must end as one
that nobody killed.

Lost is a report that was answered and is not in the table at the end, a gap in a trial's epochs,
and a trial that has not ended. Allowed twice are the epochs that a trial in flight, or paused, had
trained since its checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.engines.simulated import Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.search_space.axes import Float
from tuner.search_space.space import SearchSpace
from tuner.store.layout import REPORTS_FOLDER, TRIALS_FILE
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.tables import Recorder
from tuner.study.restore import restore
from tuner.study.study import Study
from tuner.trial.cells import Cell, State
from tuner.trial.trial import Trial

EPOCHS = 27
Epoch = tuple[int, int]
"""A trial's number and an epoch."""


class Killed(BaseException):
    """Stands for a SIGKILL: nothing after it runs."""


@dataclass
class Machine:
    """What outlives the process: checkpoints, and the count of what was trained and answered."""

    every: int
    checkpoint: dict[int, int] = field(default_factory=dict)
    trained: Counter[Epoch] = field(default_factory=Counter)
    answered: set[Epoch] = field(default_factory=set)
    allowed: int = 0
    kills: int = 0
    left: int = 0

    def curve(self, cell: Cell) -> Iterator[Step]:
        """Report what the checkpoint holds at once, train from there, and die when it is time."""
        trial, x = cell.trial, cell.params["x"]
        held = self.checkpoint.get(trial, 0)
        for epoch in range(1, EPOCHS + 1):
            self.trained[trial, epoch] += epoch > held
            self.left -= 1
            if self.left == 0:
                raise Killed
            value = (1 - (x - 0.3) ** 2) * (1 - 0.8**epoch)
            yield Step(epoch, {"val_accuracy": value}, seconds=float(epoch > held))
            if epoch % self.every == 0:
                self.checkpoint[trial] = max(epoch, self.checkpoint.get(trial, 0))

    def die(self, study: Study) -> None:
        """What was trained since the checkpoints is lost with the process, and may be again."""
        self.kills += 1
        going = {record.trial for record in study.records if record.state is State.RUNNING}
        deepest: dict[int, int] = {}
        for trial, epoch in self.trained:
            if trial in going:
                deepest[trial] = max(epoch, deepest.get(trial, 0))
        self.allowed += sum(
            epoch - self.checkpoint.get(trial, 0) for trial, epoch in deepest.items()
        )

    @property
    def twice(self) -> int:
        """How many epochs were trained again."""
        return sum(count - 1 for count in self.trained.values())


class Answering(Study):
    """The product's study; the machine hears which reports were answered."""

    machine: Machine

    def take(self, report: Any) -> None:
        super().take(report)
        self.machine.answered.add((report.trial, report.epoch))


def go_on(settled: Experiment, folder: Path, machine: Machine, workers: int, *, after: int) -> bool:
    """Run a study to its end, or to the kill `after` so many epochs; whether it ended."""
    machine.left = after
    clock = VirtualClock()
    ledger = Ledger(settled.name, settled.direction, journal_storage(folder))
    recorder = Recorder(folder, SearchSpace(settled.space), "simulated")
    study = Answering(settled, ledger, recorder=recorder, clock=clock)
    study.machine = machine
    restore(study)
    try:
        run(study, machine.curve, workers=workers, clock=clock)
    except Killed:
        if recorder.store is not None:  # as a kill leaves the files; only handles are let go of
            recorder.store._log.close()
        ledger.disconnect()
        machine.die(study)
        return False
    study.close()
    return True


def lost(folder: Path, machine: Machine, trials: int) -> int:
    """Reports and trials that are missing in the tables."""
    reports = pd.read_parquet(folder / REPORTS_FOLDER)
    table = pd.read_parquet(folder / TRIALS_FILE)
    there = set(zip(reports["trial"], reports["epoch"], strict=True))
    gaps = sum(int(r["epoch"].max()) - len(r) for _, r in reports.groupby("trial"))
    unended = trials - int(table["state"].isin([State.COMPLETE, State.STOPPED]).sum())
    return len(machine.answered - there) + abs(gaps) + unended


def values(folder: Path) -> pd.DataFrame:
    """What must not differ from an undisturbed study."""
    kept = ["trial", "state", "param_x", "value", "epochs", "rung"]
    return pd.read_parquet(folder / TRIALS_FILE)[kept]


def killed_study(number: int, kills: int, trials: int) -> tuple[Machine, int, bool]:
    """A study killed so often: the machine, how much was lost, whether it ended as it should."""
    rng = np.random.default_rng(number)
    deterministic = number % 2 == 0
    settled = settle(
        Experiment(
            "kills",
            {"x": Float(0.0, 1.0), "epochs": EPOCHS},
            _never,
            dataset=None,
            trials=trials,
            seed=number,
            deterministic=deterministic,
            window=4,
        ),
        {},
    )
    workers = int(rng.integers(1, 9))
    machine = Machine(every=int(rng.choice([1, 2, 5])))
    with tempfile.TemporaryDirectory() as place:
        killed, calm = Path(place, "killed"), Path(place, "calm")
        killed.mkdir()
        calm.mkdir()
        while machine.kills < kills:
            after = int(rng.integers(1, 2 * trials * 3 // kills + 2))
            if go_on(settled, killed, machine, workers, after=after):
                break
        else:
            go_on(settled, killed, machine, workers, after=0)
        gone = lost(killed, machine, trials)
        same = True
        if deterministic:
            go_on(settled, calm, Machine(1), workers, after=0)
            same = values(killed).equals(values(calm))
    return machine, gone, same


def _never(trial: Trial) -> None:
    raise NotImplementedError("a simulated study trains nothing")


def main() -> int:
    """A line a study, and the sums; 1 where anything was lost or trained twice beyond reason."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--trials", type=int, default=80, help="of each study")
    options = parser.parse_args()
    kills = gone = beyond = differ = number = 0
    while kills < options.kills:
        each = min(options.kills - kills, -(-options.kills // options.studies))
        machine, missing, same = killed_study(number, each, options.trials)
        kills, gone, number = kills + machine.kills, gone + missing, number + 1
        beyond += max(0, machine.twice - machine.allowed)
        differ += not same
        print(
            f"study {number}: {machine.kills} kills, checkpoints every {machine.every}; "
            f"{len(machine.trained)} epochs, {machine.twice} trained twice ({machine.allowed} "
            f"allowed), {missing} lost{'' if same else ', DIFFERS'}",
            flush=True,
        )
    print(f"{kills} kills: {gone} lost, {beyond} trained twice beyond the checkpoints, "
          f"{differ} studies differ from undisturbed ones")  # fmt: skip
    return int(bool(gone or beyond or differ))


if __name__ == "__main__":
    sys.exit(main())
