"""Asynchronous successive halving."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from tuner.schedulers.contract import GO_ON, Verdict
from tuner.trial.cells import Decision


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
