"""Trials that share a training: the points of a grid over epochs, and a point tried twice.

A grid over epochs needs one training to the longest: the shorter points are its beginning.
Points that differ only in `epochs` form a group. Its longest, the leader, trains; the others
follow: their reports are copies of its first epochs. That holds as a longer training is the
continuation of a shorter one, unless something read the number of epochs (a schedule, say): then
the leader's worker says so, and the followers train for themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import point_text
from tuner.store.report import Report
from tuner.study.record import Record
from tuner.trial.cells import CellKey, State


def leaders(experiment: Experiment, points: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Each following point's leader, by their numbers; empty where nothing can be shared.

    A plain function reads its epochs itself, so only a KerasModel can share; where trials may be
    stopped, none does.
    """
    model = experiment.objective
    if not isinstance(model, KerasModel) or model.epochs is not None:
        return {}
    if experiment.scheduler != "none" or experiment.fold_racing != "none":
        return {}
    space = SearchSpace(experiment.space)
    axis = space.get("epochs")
    if axis is None or len(axis.values() or ()) < 2:
        return {}
    groups: dict[str, list[int]] = defaultdict(list)
    for number, point in enumerate(points):
        if isinstance(point.get("epochs"), int):
            rest = {name: value for name, value in point.items() if name != "epochs"}
            groups[point_text(space.told_apart(rest))].append(number)
    following = {}
    for group in groups.values():
        leader = max(group, key=lambda number: points[number]["epochs"])
        following.update({number: leader for number in group if number != leader})
    return following


class Followers:
    """The trials that follow a leader, and what the leaders have reported so far.

    `following` are those known from the start. In a search whose space is finite a trial whose
    point was tried before follows the first trial with it: the same point and seed give the same
    reports.
    """

    def __init__(self, following: Mapping[int, int], space: SearchSpace, *, finite: bool) -> None:
        self._space = space
        self.following = dict(following)
        self._finite = finite
        self._first: dict[str, int] = {}
        self._followers: dict[int, list[int]] = defaultdict(list)
        for follower, leader in following.items():
            self._followers[leader].append(follower)
        self._reports: dict[int, dict[int, list[Report]]] = defaultdict(lambda: defaultdict(list))
        self._cannot: set[int] = set()

    def twin(self, params: Mapping[str, Any]) -> int | None:
        """The first trial with this point; None for a new one."""
        return self._first.get(self._text(params)) if self._finite else None

    @property
    def points(self) -> int:
        """How many distinct points there are, where the space is finite."""
        return len(self._first)

    def enter(self, trial: int, params: Mapping[str, Any], leader: int | None) -> None:
        """A trial is known from now on; it may follow a leader."""
        if self._finite:
            self._first.setdefault(self._text(params), trial)
        if leader is not None:
            self.following[trial] = leader
            self._followers[leader].append(trial)

    def note(self, report: Report) -> None:
        """Remember a leader's report."""
        if self._finite or report.trial in self._followers:
            self._reports[report.trial][report.fold].append(report)

    def forget(self, cell: CellKey, after: int) -> None:
        """A leader's fold starts over, after an epoch."""
        rows = self._reports[cell.trial]
        rows[cell.fold] = [row for row in rows[cell.fold] if row.epoch <= after]

    def cannot_share(self, trial: int) -> None:
        """Something in this leader's training read the number of its epochs."""
        self._cannot.add(trial)

    def of(self, leader: int) -> list[int]:
        """The trials that follow a leader."""
        return self._followers.get(leader, [])

    def reports(self, leader: Record, follower: Record) -> dict[int, list[Report]] | None:
        """The leader's reports by fold, for a follower to take; None if it must train itself."""
        same_epochs = leader.params.get("epochs") == follower.params.get("epochs")
        if leader.state is State.FAILED or (leader.trial in self._cannot and not same_epochs):
            return None
        if leader.state is State.STOPPED and not same_epochs:
            return None
        reports = {fold: self._reports[leader.trial][fold] for fold in sorted(leader.cells)}
        return reports if all(reports.values()) else None

    def _text(self, params: Mapping[str, Any]) -> str:
        return point_text(self._space.told_apart(params))
