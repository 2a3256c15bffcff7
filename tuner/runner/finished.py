"""What a run leaves behind: its study and its place, or the line of an interruption."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.experiment.settle import last_epoch
from tuner.pareto import front
from tuner.registry import said
from tuner.runner.board import params_text
from tuner.runner.display import Display
from tuner.runner.show import FRONT_SHOWN
from tuner.store.choice import BY_CONFIRMING, Choice
from tuner.store.confirmed import Confirmed
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.trial.cells import State

if TYPE_CHECKING:
    from rich.console import Console


NEXT = {
    "all of it on a page": "report",
    "the best on all data, tested": "refit",
    "in Optuna's dashboard": "dashboard",
}
"""What to do with a finished study, and the command that does it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run: what is kept, and how to go on with it."""

    def __init__(self, kept: int, path: Path, *, confirming: bool = False) -> None:
        """`kept` are finished trials; `confirming` says that the study itself had ended."""
        self.kept, self.path, self.study = kept, path, path.name
        self.confirming = confirming
        super().__init__(self.said(f"study={path.name!r}, resume=True"))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the line, since where it came says nothing."""
        return [str(self)]

    def said(self, again: str) -> str:
        """The line that says so; `again` is what goes on with the study."""
        if self.confirming:
            return (
                f"interrupted while its best trials were confirmed: the results of {self.path} are "
                f"kept, and {self.kept} of these trials; go on with {again}"
            )
        return (
            f"interrupted: {self.kept} finished trials are kept in {self.path}; go on with {again}"
        )


@dataclass(frozen=True)
class Finished:
    """A run that came to its end. `place` is where users find it: its folder, or its URI.

    `choice` is the best trial where another rule than its value decides, `confirmed` what became of
    the leaders when they were trained again.
    """

    path: Path
    study: Study
    seconds: float
    place: str
    spent: Mapping[str, float] = field(default_factory=dict)
    choice: Choice | None = None
    confirmed: Confirmed | None = None

    @property
    def best(self) -> Record | None:
        """The best trial; None if there is none."""
        if self.choice is None:
            return self.study.best()
        return self.study.records[self.choice.trial]

    @property
    def states(self) -> dict[str, int]:
        """How many trials there are of each state."""
        return {str(state): n for state, n in sorted(self.study.counts().items())}

    @property
    def exit_code(self) -> int:
        """1 where no trial came to a value, or a point of a grid or CV failed; else 0."""
        every_point = self.study.experiment.mode != "search"
        failed = every_point and self.study.counts()[State.FAILED] > 0
        return int(failed or self.best is None)

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs trained, and epochs that ending trials early saved."""
        trained = saved = 0
        for record in self.study.records:
            if record.shared_with is not None:
                continue
            trained += record.epochs
            limit = last_epoch(self.study.experiment, record.params)
            ended = record.state in (State.STOPPED, State.DIVERGED) and not record.why
            if ended and limit is not None:
                saved += limit * self.study.cells - record.born - record.epochs
        return trained, saved

    @property
    def shared_epochs(self) -> int:
        """Epochs that grid points took over from another's training."""
        return sum(r.epochs for r in self.study.records if r.shared_with is not None)

    def summary(self) -> dict[str, Any]:
        """What the command line prints as JSON."""
        best, choice, again = self.best, self.choice, self.confirmed
        trained, saved = self.epochs
        several = len(self.study.goals) > 1
        return {
            "study": self.path.name,
            "path": self.place,
            "metric": self.study.metric,
            "states": self.states,
            "best": None
            if best is None
            else {
                "trial": best.trial,
                "value": best.value,
                "state": str(best.state),
                "epoch": best.best_epoch,
                "params": self.study.space.encode(best.params),
            },
            **({} if choice is None else {"choice": choice._asdict()}),
            **({} if again is None else {"confirmed": [asdict(row) for row in again.rows]}),
            **({"front": [r.trial for r in _front(self.study)]} if several else {}),
            **self._outlook(),
            "epochs_trained": trained,
            "epochs_saved": saved,
            "epochs_shared": self.shared_epochs,
            "engine": said(self.study.experiment.engine),
            "seconds": round(self.seconds, 3),
            "worker_seconds": dict(self.spent),
        }

    def _outlook(self) -> dict[str, Any]:
        """How a search that ends once it has converged stands."""
        outlook = self.study.outlook()
        if outlook is None:
            return {}
        gain = outlook.gain if math.isfinite(outlook.gain) else None
        return {"converged": outlook.converged, "expected_gain": gain}

    def _show_goals(self, display: Display) -> None:
        """The front of several goals, and how many trials do not keep the constraints."""
        if len(self.study.goals) > 1:
            names = [goal.metric for goal in self.study.goals]
            of = _front(self.study)
            display.line(f"the best of {names[0]}; the front has {len(of)} trials:")
            for record in of[:FRONT_SHOWN]:
                pairs = zip(names, record.values, strict=True)
                values = ", ".join(f"{name} {value:.4g}" for name, value in pairs)
                display.line(f"  trial {record.trial}: {values}")
        lost = [record for record in self.study.records if not record.feasible]
        if lost:
            why = next((f": {record.error}" for record in lost if record.error), "")
            display.line(f"{len(lost)} trials do not keep the constraints{why}")

    def _show_choice(self, display: Display) -> None:
        """By what rule the best trial is the best, where that is not its value."""
        for line in () if self.confirmed is None else self.confirmed.lines():
            display.line(f"  {line}")
        led = self.study.best()
        if self.choice is not None and led is not None:
            ahead = led.trial != self.choice.trial and self.choice.by == BY_CONFIRMING
            before = f"; by its value trial {led.trial} led" if ahead else ""
            display.line(f"  chosen: {self.choice.why}{before}")

    def show(
        self,
        console: Console,
        again: str = "resume=True",
        doubt: str | None = None,
        mattered: str | None = None,
    ) -> None:
        """Print the answer, what it cost, and where the tables are.

        `again` is how the study is gone on with, in the words of who reads it; `doubt` a line that
        says why the best may not be it, `mattered` one that says which parameters explain it.
        """
        display = Display(console)
        best = self.best
        states = ", ".join(f"{n} {state}" for state, n in self.states.items())
        if best is None:
            display.line("no trial has a value on all of its folds, so there is no best one")
        else:
            metric = self.study.metric
            display.line(f"best: trial {best.trial}, {metric} {best.value:.4f}{_when(best)}")
            display.line(f"  {params_text(best.params)}")
        self._show_choice(display)
        if doubt is not None:
            display.line(f"  {doubt}")
        if mattered is not None:
            display.line(mattered)
        self._show_goals(display)
        display.line(f"{len(self.study.records)} trials in {self.seconds:.0f} s: {states}")
        if (outlook := self.study.outlook()) is not None:
            display.line(f"{'converged' if outlook.converged else 'not converged'}: {outlook}")
        trained, saved = self.epochs
        if saved:
            share = saved / (trained + saved)
            display.line(
                f"{trained} epochs trained; ending trials early saved {saved} ({share:.0%})"
            )
        if self.shared_epochs:
            shared = self.shared_epochs
            display.line(
                f"sharing one training between points saved {shared} of {trained + shared}"
            )
        if self.spent:
            whole = sum(self.spent.values())
            parts = sorted(self.spent.items(), key=lambda part: -part[1])
            shares = ", ".join(f"{name} {seconds / whole:.0%}" for name, seconds in parts)
            display.line(f"the workers' {whole:.0f} s: {shares}")
        failed = next((r for r in self.study.records if r.state is State.FAILED), None)
        if failed is not None:
            last = (failed.error or "").strip().splitlines()[-1:]
            why = f"python -m tuner logs {self.place} {failed.trial}"
            display.line(f"trial {failed.trial} failed: {''.join(last)}")
            display.line(f"  its traceback: {why}; {again} runs it again")
        display.line(f"results: {self.place}")
        for what, command in NEXT.items():
            if command == "refit" and self.best is None:
                continue
            display.line(f"  {what}: python -m tuner {command} {self.place}")


def _front(study: Study) -> list[Record]:
    """The trials of a study of several goals that no other one beats in all of them."""
    with_all = [record for record in study.ranked() if record.values]
    signs = [goal.sign for goal in study.goals]
    losses = np.array([[s * v for s, v in zip(signs, r.values, strict=True)] for r in with_all])
    return [with_all[at] for at in front(losses)] if with_all else []


def _when(best: Record) -> str:
    """The epoch of a trial's value, and whether it was stopped there."""
    epoch = "" if best.best_epoch is None else f" at epoch {best.best_epoch}"
    return f"{epoch}; it was stopped early" if best.state is State.STOPPED else epoch
