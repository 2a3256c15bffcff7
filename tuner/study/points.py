"""Where a study's points come from: the grid, the points enqueued, the sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.experiment.experiment import GRID, Experiment
from tuner.samplers.registry import make_sampler
from tuner.search_space.grid import grid_points
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger


class Proposals:
    """The points of an experiment, by trial number. `total` is how many there are."""

    def __init__(
        self, experiment: Experiment, ledger: Ledger, enqueued: Sequence[Mapping[str, Any]]
    ) -> None:
        self._experiment = experiment
        self._space = SearchSpace(experiment.space)
        self._ledger = ledger
        self.enqueued = enqueued
        grid = experiment.sampler == GRID
        self.points: Sequence[Mapping[str, Any]] | None = grid_points(self._space) if grid else None
        self.total = experiment.trials if self.points is None else len(self.points)
        # A grid that nothing stops is the same in any order.
        fixed = self.points is not None and experiment.scheduler == "none"
        self.windowed = experiment.deterministic and not fixed

    def propose(self, number: int) -> tuple[int, dict[str, Any]]:
        """Open trial `number`'s first attempt in the ledger; its id and its point."""
        if self.points is not None:
            attrs = {"trial": number, "attempt": 1}
            params = dict(self.points[number])
            return self._ledger.open(self._space, params, attrs), params
        known = self.enqueued[number] if number < len(self.enqueued) else {}
        sampler = make_sampler(self._experiment, number)
        return self._ledger.propose(sampler, self._space, number, known)
