"""Promotion by a model of all learning curves: what a trial promises at its last epoch counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tuner.curve_model.columns import Columns
from tuner.curve_model.curves import Curve
from tuner.curve_model.model import CurveModel, enough
from tuner.curve_model.sources import NOTHING, Learned
from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Verdict
from tuner.schedulers.rungs import new_rung
from tuner.search_space.space import SearchSpace
from tuner.trial.cells import Cell, Decision


@dataclass(frozen=True)
class RungGP:
    """A trial pauses at each rung, `min_epochs * eta**k` below its last epoch.

    A free worker goes on with the paused trial of the highest rung from which fewer than n // eta
    of its n trials have gone on: with the one that promises most, by the mean less the deviation
    of the model's prediction at the last epoch. While ten trials have no value yet (unless there
    are trials of earlier studies, `learned`), and where the last epoch is not known, with the best
    one at the rung. In a cross-validation a trial's value at a rung is its mean over all folds.

    Where so few trials are searched that none would reach the last epoch, the one that promises
    most of the highest rung goes on in the end: who asks for eight trials is given a trained one.
    """

    eta: int = 3
    min_epochs: int = 1
    last_epoch: int | None = None
    space: SearchSpace | None = None
    learned: Learned = NOTHING
    has_rungs: ClassVar[bool] = True
    pauses: ClassVar[bool] = True

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        rung = new_rung(cell, epoch, board, self.min_epochs, self.eta)
        if rung is not None:
            return Verdict(Decision.PAUSE, rung, f"rung {rung}: waits for what the model promises")
        if epoch == self.last_epoch:  # the last rung, where the model looks
            return Verdict(Decision.CONTINUE, epoch)
        return GO_ON

    def promote(self, board: Board) -> int | None:
        for rung in reversed(board.rungs()):
            ranking = board.ranking(rung)
            if len(board.gone_on(rung)) >= len(ranking) // self.eta:
                continue
            trial = self._most_promising(board, rung)
            if trial is not None:
                return trial
        return None

    def finish(self, board: Board) -> int | None:
        rungs = board.rungs()
        if self.last_epoch is None or self.last_epoch in rungs:
            return None
        promising = (self._most_promising(board, rung) for rung in reversed(rungs))
        return next((trial for trial in promising if trial is not None), None)

    def _most_promising(self, board: Board, rung: int) -> int | None:
        """Of the trials that wait at a rung; None where nobody does."""
        at_rung = {trial: loss for loss, trial in board.ranking(rung)}
        paused = sorted(t for t, at in board.paused.items() if at == rung and t in at_rung)
        if not paused:
            return None
        if self.space is None or self.last_epoch is None:
            return min(paused, key=lambda trial: (at_rung[trial], trial))
        curves = self._curves(board, self.space)
        if not enough(curves) and not self.learned:
            return min(paused, key=lambda trial: (at_rung[trial], trial))
        columns = Columns(self.space.searched())
        rungs = [*(r for r in board.rungs() if r < self.last_epoch), self.last_epoch]
        params = [_Encoded(self.space, board.params(trial)) for trial in paused]
        promise = CurveModel(columns, rungs, curves, learned=self.learned).promise(params)
        return paused[int(promise.argmin())]

    def _curves(self, board: Board, space: SearchSpace) -> list[Curve]:
        losses: dict[int, dict[int, float]] = {}
        for rung in board.rungs():
            for loss, trial in board.ranking(rung):
                losses.setdefault(trial, {})[rung] = loss
        diverged = board.diverged
        return [
            Curve(
                trial,
                _Encoded(space, board.params(trial)),
                losses.get(trial, {}),
                trial in diverged,
            )
            for trial in sorted({*losses, *diverged})
        ]


class _Encoded(Mapping[str, Any]):
    """A point as the sampler has it, encoded where it is looked at: the model looks at few."""

    def __init__(self, space: SearchSpace, params: Mapping[str, Any]) -> None:
        self._space = space
        self._params = params

    def __getitem__(self, name: str) -> Any:
        return self._space[name].encode(self._params[name])

    def get(self, name: str, default: Any = None) -> Any:
        params = self._params
        return self._space[name].encode(params[name]) if name in params else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)
