"""Schedulers: whether a trial goes on after a report.

A scheduler sees losses (lower is better, whatever the study's mode), never NaN. In a deterministic
study it sees the values of earlier windows and the trial's own only, so that no arrival order can
change a decision.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tuner.errors import ExperimentError
from tuner.experiment import Experiment, most_epochs
from tuner.trial import Decision


@dataclass(frozen=True)
class Verdict:
    """A scheduler's answer: the decision, and the rung (an epoch) it was taken at, else 0."""

    decision: Decision
    rung: int = 0


GO_ON = Verdict(Decision.CONTINUE)


class Scheduler(Protocol):
    """What a study asks of a scheduler. A cell is known by its trial and fold."""

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        """Judge a report; epochs of one cell rise."""

    def withdraw(self, trial: int, fold: int) -> None:
        """Forget a cell's values, since a new attempt starts it over."""

    def close_window(self) -> None:
        """Let the values reported so far count in the decisions to come."""


class NeverStop:
    """The scheduler `none`: every trial reaches its last epoch."""

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        return GO_ON

    def withdraw(self, trial: int, fold: int) -> None:
        return None

    def close_window(self) -> None:
        return None


def goes_on(losses: Sequence[float], loss: float, eta: int) -> bool:
    """ASHA's rule: whether a trial is among the best `max(1, n // eta)` of a rung's n losses.

    `losses` are sorted and hold the trial's own. Ties at the cutoff go on, NaN never does.
    Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2.
    """
    if math.isnan(loss):
        return False
    return loss <= losses[max(1, len(losses) // eta) - 1]


class Asha:
    """Asynchronous successive halving, with rungs at `min_epochs * eta**k`.

    A rung stands below a trial's last epoch. A trial is judged once at each rung, at the first
    report that reaches it, by the value reported there; within a cross-validation a rung compares
    cells of one fold. With `windowed`, values count once their window is closed.
    """

    def __init__(self, eta: int, min_epochs: int, *, windowed: bool = False) -> None:
        self.eta = eta
        self.min_epochs = min_epochs
        self._windowed = windowed
        self._losses: dict[tuple[int, int], list[float]] = {}
        self._pending: list[tuple[int, int, float]] = []
        self._reached: dict[tuple[int, int], list[tuple[int, float]]] = {}

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        rung = self._rung_at(epoch, last_epoch)
        reached = self._reached.get((trial, fold), [])
        if rung == 0 or (reached and reached[-1][0] >= rung):
            return GO_ON
        self._reached.setdefault((trial, fold), []).append((rung, loss))
        seen = self._losses.setdefault((fold, rung), [])
        if self._windowed:
            self._pending.append((fold, rung, loss))
            seen = [*seen]
        bisect.insort(seen, loss)
        if goes_on(seen, loss, self.eta):
            return Verdict(Decision.CONTINUE, rung)
        return Verdict(Decision.STOP, rung)

    def withdraw(self, trial: int, fold: int) -> None:
        for rung, loss in self._reached.pop((trial, fold), []):
            entry = (fold, rung, loss)
            if entry in self._pending:
                self._pending.remove(entry)
            else:
                self._losses[fold, rung].remove(loss)

    def close_window(self) -> None:
        for fold, rung, loss in self._pending:
            bisect.insort(self._losses.setdefault((fold, rung), []), loss)
        self._pending.clear()

    def _rung_at(self, epoch: int, last_epoch: int | None) -> int:
        """The highest rung that `epoch` has reached; 0 for none, and at the trial's end."""
        highest = 0
        if last_epoch is not None and epoch >= last_epoch:
            return highest
        rung = self.min_epochs
        while rung <= epoch:
            highest = rung
            rung *= self.eta
        return highest


class Median:
    """The median stopping rule, from epoch `min_epochs` on.

    A trial stops at an epoch below its last if its best loss so far is worse than the median of the
    other trials' running averages at that epoch; fewer than `LEAST_OTHERS` of them stop nobody.
    Golovin et al., "Google Vizier", KDD 2017, section 3.2.1.
    """

    LEAST_OTHERS = 3

    def __init__(self, min_epochs: int, *, windowed: bool = False) -> None:
        self.min_epochs = min_epochs
        self._windowed = windowed
        self._averages: dict[tuple[int, int], list[float]] = {}
        self._pending: list[tuple[int, int, float]] = []
        self._reported: dict[tuple[int, int], dict[int, float]] = {}
        self._own: dict[tuple[int, int], list[tuple[int, float]]] = {}

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        losses = self._reported.setdefault((trial, fold), {})
        losses[epoch] = loss
        others = self._averages.setdefault((fold, epoch), [])
        stop = (
            epoch >= self.min_epochs
            and (last_epoch is None or epoch < last_epoch)
            and len(others) >= self.LEAST_OTHERS
            and min(losses.values()) > statistics.median(others)
        )
        average = statistics.fmean(losses.values())
        self._own.setdefault((trial, fold), []).append((epoch, average))
        if self._windowed:
            self._pending.append((fold, epoch, average))
        else:
            bisect.insort(others, average)
        return Verdict(Decision.STOP if stop else Decision.CONTINUE)

    def withdraw(self, trial: int, fold: int) -> None:
        self._reported.pop((trial, fold), None)
        for epoch, average in self._own.pop((trial, fold), []):
            entry = (fold, epoch, average)
            if entry in self._pending:
                self._pending.remove(entry)
            else:
                self._averages[fold, epoch].remove(average)

    def close_window(self) -> None:
        for fold, epoch, average in self._pending:
            bisect.insort(self._averages.setdefault((fold, epoch), []), average)
        self._pending.clear()


class Hyperband:
    """Brackets of ASHA: bracket s starts its rungs at `min_epochs * eta**s`.

    Each trial belongs to one bracket, a function of its number alone; brackets get shares of the
    trials as Hyperband gives them. Li et al., "Hyperband", JMLR 2018, algorithm 1.
    """

    def __init__(
        self, eta: int, min_epochs: int, last_epoch: int, *, windowed: bool = False
    ) -> None:
        starts = [min_epochs]
        while starts[-1] * eta < last_epoch:
            starts.append(starts[-1] * eta)
        count = len(starts)
        sizes = [math.ceil(count / (s + 1) * eta**s) for s in range(count)][::-1]
        self._shares = [sum(sizes[: s + 1]) / sum(sizes) for s in range(count)]
        self._brackets = [Asha(eta, start, windowed=windowed) for start in starts]

    def bracket(self, trial: int) -> int:
        """The trial's bracket. Multiples of the golden ratio spread trials evenly over shares."""
        place = (trial + 0.5) * 0.6180339887498949 % 1.0
        return bisect.bisect(self._shares, place)

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        bracket = self._brackets[self.bracket(trial)]
        return bracket.report(trial, fold, epoch, loss, last_epoch)

    def withdraw(self, trial: int, fold: int) -> None:
        self._brackets[self.bracket(trial)].withdraw(trial, fold)

    def close_window(self) -> None:
        for bracket in self._brackets:
            bracket.close_window()


def make_scheduler(experiment: Experiment) -> Scheduler:
    """The experiment's scheduler. Raises ExperimentError for hyperband without a last epoch."""
    eta, first = experiment.eta, experiment.min_epochs
    windowed = experiment.deterministic
    if experiment.scheduler == "asha":
        return Asha(eta, first, windowed=windowed)
    if experiment.scheduler == "median":
        return Median(first, windowed=windowed)
    if experiment.scheduler == "hyperband":
        last = most_epochs(experiment)
        if last is None:
            raise ExperimentError(
                "scheduler 'hyperband' sizes its brackets by a trial's last epoch, and nothing "
                "says it; give --epochs N"
            )
        return Hyperband(eta, first, last, windowed=windowed)
    return NeverStop()
