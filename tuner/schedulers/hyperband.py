"""Hyperband: brackets of ASHA."""

from __future__ import annotations

import bisect
import math

from tuner.schedulers.asha import Asha
from tuner.schedulers.contract import Verdict


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
