"""Population-based training: the worst go on from the best's weights, with other parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tuner.errors import ExperimentError
from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Successor, Verdict
from tuner.schedulers.rungs import ordinal
from tuner.search_space.explore import explorable, explored
from tuner.search_space.space import SearchSpace
from tuner.trial.cells import Cell, Decision


@dataclass(frozen=True)
class Pbt:
    """A population of `members` trials, all of which pause after each `interval` epochs.

    Once all stand there, the worst `share` of them (at least one) are ended, and in the place of
    each a new trial goes on from the weights of one of the best `share`. Its parameters are that
    one's, of which the axes `explore` (None: all) are drawn anew with probability `resample`, else
    multiplied by one of the `factors`. Trials that diverged count as the worst. What is drawn
    follows the study's `seed`: the same board gives the same successors.
    Jaderberg et al., "Population Based Training of Neural Networks", 2017, with truncation
    selection; the populations of the paper do not wait for each other.
    """

    interval: int = 3
    members: int | None = None
    explore: Sequence[str] | None = None
    share: float = 0.25
    resample: float = 0.25
    factors: Sequence[float] = (0.8, 1.2)
    last_epoch: int | None = None
    space: SearchSpace | None = field(default=None, repr=False)
    seed: int | None = field(default=None, repr=False)
    has_rungs: ClassVar[bool] = True
    pauses: ClassVar[bool] = True

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        if epoch % self.interval or (cell.epochs is not None and epoch >= cell.epochs):
            return GO_ON
        return Verdict(Decision.PAUSE, epoch, f"epoch {epoch}: waits for the population")

    def promote(self, board: Board) -> int | None:
        for rung in sorted(set(board.paused.values()), reverse=True):
            over = board.gone_on(rung) or self._all_stand_at(board, rung)
            if over and next(self._losers(board, rung), None) is None:
                return min(trial for trial, at in board.paused.items() if at == rung)
        return None

    def succeed(self, board: Board) -> Successor | None:
        rung = max(board.paused.values(), default=0)
        if not rung or self.space is None or not self._all_stand_at(board, rung):
            return None
        for loser, place in self._losers(board, rung):
            random = np.random.default_rng([self.seed or 0, rung, loser])
            best = self._best(board, rung)
            parent = best[int(random.integers(len(best)))]
            params = explored(
                self.space,
                board.params(parent),
                self.axes(self.space),
                random,
                resample=self.resample,
                factors=self.factors,
            )
            why = f"epoch {rung}: {place}; trial {len(board.trials)} goes on from trial {parent}"
            return Successor(parent, rung, loser, params, why)
        return None

    def axes(self, space: SearchSpace) -> tuple[str, ...]:
        """The axes that are explored."""
        return explorable(space) if self.explore is None else tuple(self.explore)

    def check(self) -> None:
        """Raises ExperimentError for options that cannot be."""
        if self.last_epoch is not None and self.interval >= self.last_epoch:
            raise ExperimentError(
                f"{self.interval} epochs leave nothing to go on with, as a trial trains "
                f"{self.last_epoch}",
                field="interval",
                way_out="take fewer, or more `epochs`",
            )
        if not 0 < self.share <= 0.5:
            raise ExperimentError(
                f"share {self.share!r} must be above 0 and at most 0.5", field="scheduler"
            )
        if self.space is not None:
            self._check_axes(self.space)

    def _check_axes(self, space: SearchSpace) -> None:
        may = explorable(space)
        for name in self.axes(space):
            if name not in may:
                raise ExperimentError(
                    f"{name!r} is not an axis that can be explored",
                    field="explore",
                    way_out=f"there are: {', '.join(may) or 'none'}",
                )
        if not self.axes(space):
            raise ExperimentError(
                "the space has no axis but constants, so there is nothing to explore",
                field="space",
                way_out="give it one",
            )

    def _all_stand_at(self, board: Board, rung: int) -> bool:
        """Whether the population is whole, and waits at a rung or begins there."""
        if board.gone_on(rung) or len(board.trials) < (self.members or 0):
            return False
        return all(board.paused.get(t) == rung or board.born(t) == rung for t in board.living)

    def _stood(self, board: Board, rung: int) -> list[int]:
        """The trials that were compared at a rung, the best first."""
        ranking = [trial for _, trial in board.ranking(rung)]
        return [t for t in ranking if board.paused.get(t) == rung or _left(board, t, rung)]

    def _fallen(self, board: Board, rung: int) -> list[int]:
        """The trials that diverged since the last round."""
        return sorted(t for t in board.diverged if _left(board, t, rung, or_never=True))

    def _count(self, board: Board, rung: int) -> int:
        """How many are the best, and how many the worst."""
        there = len(self._stood(board, rung)) + len(self._fallen(board, rung))
        return max(1, int(there * self.share))

    def _best(self, board: Board, rung: int) -> list[int]:
        stood = self._stood(board, rung)
        most = len(stood) - self._worst_standing(board, rung)
        return stood[: min(self._count(board, rung), most)]

    def _worst_standing(self, board: Board, rung: int) -> int:
        """How many of the worst stand there; the others diverged. One at least goes on."""
        wanted = self._count(board, rung) - len(self._fallen(board, rung))
        return min(max(wanted, 0), len(self._stood(board, rung)) - 1)

    def _losers(self, board: Board, rung: int) -> Iterator[tuple[int, str]]:
        """The trials to replace that are not yet, and how each did."""
        if board.gone_on(rung):
            return
        stood, fallen = self._stood(board, rung), self._fallen(board, rung)
        for trial in fallen:
            if trial not in board.replaced:
                yield trial, f"trial {trial} diverged"
        for at in range(len(stood) - self._worst_standing(board, rung), len(stood)):
            if stood[at] not in board.replaced:
                yield stood[at], f"{ordinal(at + 1)} of {len(stood)}"


def _left(board: Board, trial: int, rung: int, *, or_never: bool = False) -> bool:
    """Whether a trial was replaced at a rung (with `or_never`: or at none)."""
    successor = board.replaced.get(trial)
    return or_never if successor is None else board.born(successor) == rung
