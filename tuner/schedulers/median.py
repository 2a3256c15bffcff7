"""The median stopping rule."""

from __future__ import annotations

import bisect
import statistics

from tuner.schedulers.contract import Verdict
from tuner.trial.cells import Decision


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
