"""The board: what schedulers may know of a study, one for all of them.

Windows and withdrawals live here alone. With `windowed` (a deterministic study), what the cells of
an open window reported counts for no other trial until the window is closed, so that no order of
arrivals can change a decision. A withdrawn report counts no more.
"""

from __future__ import annotations

import bisect
import statistics
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tuner import pareto
from tuner.trial.cells import CellKey

Scores = tuple[tuple[float, ...], float]
"""A loss for each of several goals, and how far a trial is from being feasible (0: it is)."""


class _Entry(NamedTuple):
    """A report as the board holds it: its loss, the rung judged there, the average up to it."""

    loss: float
    rung: int | None
    average: float
    scores: Scores | None = None


class Board:
    """Losses by cell, by rung and by epoch; the trials' parameters; who is paused.

    `folds` is how many cells a trial has, `goals` how many things are searched at once. Nothing
    that is read here may be changed by the reader. `version` rises with each change of what counts.
    """

    def __init__(self, *, folds: int = 1, windowed: bool = False, goals: int = 1) -> None:
        self.folds = folds
        self.goals = goals
        self.version = 0
        self._windowed = windowed
        self._params: dict[int, Mapping[str, Any]] = {}
        self._living: dict[int, None] = {}
        self._born: dict[int, int] = {}
        self._replaced: dict[int, int] = {}
        self._reports: dict[CellKey, dict[int, _Entry]] = defaultdict(dict)
        self._pending: list[tuple[CellKey, int]] = []
        self._at: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
        self._seen: dict[tuple[int, int], list[float]] = defaultdict(list)
        self._ranking: dict[int, list[tuple[float, int]]] = defaultdict(list)
        self._scored: dict[int, dict[int, Scores]] = defaultdict(dict)
        self._averages: dict[tuple[int, int], list[float]] = defaultdict(list)
        self._paused: dict[int, int] = {}
        self._pausing: dict[int, int] = {}
        self._gone_on: dict[int, set[int]] = defaultdict(set)
        self._diverged: set[int] = set()
        self._diverging: set[int] = set()

    # ------------------------------------------------- for schedulers to read

    def params(self, trial: int) -> Mapping[str, Any]:
        """A trial's parameters."""
        return self._params[trial]

    @property
    def trials(self) -> Collection[int]:
        """All trials that there were so far."""
        return self._params.keys()

    @property
    def living(self) -> Collection[int]:
        """The trials that have not ended, whatever window they are of."""
        return self._living.keys()

    def born(self, trial: int) -> int:
        """The epoch after which a trial began, with the weights of another; 0 for most."""
        return self._born.get(trial, 0)

    @property
    def replaced(self) -> Mapping[int, int]:
        """The trials in whose place others were begun, and these."""
        return self._replaced

    def losses(self, cell: CellKey) -> dict[int, float]:
        """What a cell itself has reported, by epoch; an open window's too."""
        return {epoch: entry.loss for epoch, entry in self._reports.get(cell, {}).items()}

    def last_epoch(self, cell: CellKey) -> int:
        """The last epoch that a cell has reported; 0 before any."""
        return max(self._reports.get(cell, ()), default=0)

    def last_rung(self, cell: CellKey) -> int:
        """The last rung that a cell was judged at; 0 before any."""
        return max((e.rung or 0 for e in self._reports.get(cell, {}).values()), default=0)

    def own(self, trial: int, rung: int) -> dict[int, float]:
        """What a trial itself had at a rung, by fold; an open window's too."""
        return {
            fold: entry.loss
            for fold in range(self.folds)
            for entry in self._reports.get(CellKey(trial, fold), {}).values()
            if entry.rung == rung
        }

    def rungs(self) -> list[int]:
        """The rungs at which values count, from the lowest."""
        return sorted(rung for rung, ranking in self._ranking.items() if ranking)

    def seen(self, fold: int, rung: int) -> Sequence[float]:
        """The losses that count at a rung of a fold, sorted."""
        return self._seen.get((fold, rung), ())

    def at(self, fold: int, rung: int) -> Mapping[int, float]:
        """The losses that count at a rung of a fold, by trial."""
        return self._at.get((fold, rung), {})

    def means(self, folds: Collection[int], rung: int) -> Mapping[int, float]:
        """The mean loss over these folds of each trial that has all of them at the rung."""
        columns = [self.at(fold, rung) for fold in folds]
        if len(columns) == 1:
            return columns[0]
        return {
            trial: statistics.fmean(column[trial] for column in columns)
            for trial in min(columns, key=len)
            if all(trial in column for column in columns)
        }

    def reached(self, rung: int) -> set[int]:
        """The trials that count at a rung, on any fold."""
        return {trial for fold in range(self.folds) for trial in self.at(fold, rung)}

    def ranking(self, rung: int) -> Sequence[tuple[float, int]]:
        """(mean loss, trial) of each trial with all its folds at a rung, the best first.

        With several goals (place, trial), by fronts: see `tuner.pareto.order`.
        """
        ranking = self._ranking.get(rung, ())
        if self.goals == 1 or not ranking:
            return ranking
        return _by_fronts(tuple(sorted(self._scored[rung].items())))

    def averages(self, fold: int, epoch: int) -> Sequence[float]:
        """The cells' means of all their losses up to an epoch that they reported, sorted."""
        return self._averages.get((fold, epoch), ())

    def curves(self) -> dict[int, list[dict[int, float]]]:
        """The losses that count, by trial, for each of its folds by epoch; empty where none do."""
        found: dict[int, list[dict[int, float]]] = {}
        open_yet = set(self._pending)
        for cell, entries in self._reports.items():
            of = found.setdefault(cell.trial, [{} for _ in range(self.folds)])
            of[cell.fold] = {
                epoch: entry.loss
                for epoch, entry in entries.items()
                if (cell, epoch) not in open_yet
            }
        return found

    @property
    def paused(self) -> Mapping[int, int]:
        """The paused trials and the rung that each waits at."""
        return self._paused

    def gone_on(self, rung: int) -> Collection[int]:
        """The trials that were promoted from a rung."""
        return self._gone_on.get(rung, ())

    @property
    def diverged(self) -> Collection[int]:
        """The trials of which a loss was NaN or infinite."""
        return self._diverged

    # ------------------------------------------------------ for the study to write

    def enter(
        self, trial: int, params: Mapping[str, Any], born: int = 0, replaces: int | None = None
    ) -> None:
        """A trial is known from now on; it may begin after an epoch, in the place of another."""
        self._params[trial] = params
        self._living[trial] = None
        if replaces is not None:
            self._born[trial] = born
            self._replaced[replaces] = trial

    def note(
        self,
        cell: CellKey,
        epoch: int,
        loss: float,
        rung: int | None,
        scores: Scores | None = None,
    ) -> None:
        """Take a report, after it was judged; with several goals with its `scores`."""
        entries = self._reports[cell]
        average = statistics.fmean([*(entry.loss for entry in entries.values()), loss])
        entries[epoch] = _Entry(loss, rung, average, scores)
        if self._windowed:
            self._pending.append((cell, epoch))
        else:
            self._count(cell, epoch)

    def withdraw(self, cell: CellKey, after: int = 0) -> None:
        """Forget a cell's reports after an epoch, since a new attempt starts over from there."""
        self.version += 1
        self._living[cell.trial] = None
        for epoch in [epoch for epoch in self._reports.get(cell, ()) if epoch > after]:
            if (cell, epoch) in self._pending:
                self._pending.remove((cell, epoch))
            else:
                self._discount(cell, epoch)
            del self._reports[cell][epoch]

    def pause(self, trial: int, rung: int) -> None:
        """All cells of a trial wait at a rung."""
        (self._pausing if self._windowed else self._paused)[trial] = rung

    def go_on(self, trial: int) -> None:
        """A paused trial is given out again."""
        self._gone_on[self._paused.pop(trial)].add(trial)

    def end(self, trial: int) -> None:
        """A trial has ended: it waits for nothing any more."""
        self._living.pop(trial, None)
        self._paused.pop(trial, None)
        self._pausing.pop(trial, None)

    def diverge(self, trial: int) -> None:
        """A loss of the trial was NaN or infinite."""
        self.version += 1
        (self._diverging if self._windowed else self._diverged).add(trial)

    def close_window(self) -> None:
        """Let all that was reported so far count."""
        self.version += 1
        for cell, epoch in self._pending:
            self._count(cell, epoch)
        self._pending.clear()
        self._paused.update(self._pausing)
        self._pausing.clear()
        self._diverged |= self._diverging
        self._diverging.clear()

    def _count(self, cell: CellKey, epoch: int) -> None:
        self.version += 1
        entry = self._reports[cell][epoch]
        bisect.insort(self._averages[cell.fold, epoch], entry.average)
        if entry.rung is None:
            return
        self._at[cell.fold, entry.rung][cell.trial] = entry.loss
        bisect.insort(self._seen[cell.fold, entry.rung], entry.loss)
        mean = self._mean(cell.trial, entry.rung)
        if mean is not None:
            bisect.insort(self._ranking[entry.rung], (mean, cell.trial))
            if self.goals > 1:
                self._scored[entry.rung][cell.trial] = self._scores(cell.trial, entry.rung)

    def _discount(self, cell: CellKey, epoch: int) -> None:
        entry = self._reports[cell][epoch]
        self._averages[cell.fold, epoch].remove(entry.average)
        if entry.rung is None:
            return
        mean = self._mean(cell.trial, entry.rung)
        if mean is not None:
            self._ranking[entry.rung].remove((mean, cell.trial))
            self._scored.get(entry.rung, {}).pop(cell.trial, None)
        del self._at[cell.fold, entry.rung][cell.trial]
        self._seen[cell.fold, entry.rung].remove(entry.loss)

    def _mean(self, trial: int, rung: int) -> float | None:
        """A trial's mean at a rung; None unless all its folds are there."""
        losses = [self.at(fold, rung).get(trial) for fold in range(self.folds)]
        there = [loss for loss in losses if loss is not None]
        return statistics.fmean(there) if len(there) == self.folds else None

    def _scores(self, trial: int, rung: int) -> Scores:
        """A trial's mean losses at a rung, and its worst violation."""
        there = [
            entry.scores
            for fold in range(self.folds)
            for entry in self._reports[CellKey(trial, fold)].values()
            if entry.rung == rung and entry.scores is not None
        ]
        losses = zip(*(losses for losses, _ in there), strict=True)
        return tuple(map(statistics.fmean, losses)), max(violation for _, violation in there)


# Asked at every free worker, and the same until a trial comes to the rung.
@lru_cache(maxsize=16)
def _by_fronts(scored: tuple[tuple[int, Scores], ...]) -> Sequence[tuple[float, int]]:
    losses = np.array([losses for _, (losses, _) in scored])
    best = pareto.order(losses, np.array([violation for _, (_, violation) in scored]))
    return [(float(place), scored[at][0]) for place, at in enumerate(best)]
