"""A grid over epochs needs one training to the longest: the shorter points are its beginning.

Points that differ only in `epochs` form a group. Its longest, the leader, trains; the others
follow: their reports are copies of its first epochs. That holds as a longer training is the
continuation of a shorter one, unless something read the number of epochs (a schedule, say): then
the leader's worker says so, and the followers train for themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import point_text
from tuner.study.record import Record
from tuner.trial.cells import State


class Taken(NamedTuple):
    """A report that was taken of a leader."""

    epoch: int
    metrics: Mapping[str, float]
    time_s: float


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
    """The trials that follow a leader, and what the leaders in flight have reported so far."""

    def __init__(self, following: Mapping[int, int]) -> None:
        self.following = following
        self._followers: dict[int, list[int]] = defaultdict(list)
        for follower, leader in following.items():
            self._followers[leader].append(follower)
        self._reports: dict[int, dict[int, list[Taken]]] = defaultdict(lambda: defaultdict(list))
        self._cannot: set[int] = set()

    def note(self, trial: int, fold: int, report: Taken) -> None:
        """Remember a leader's report."""
        if trial in self._followers:
            self._reports[trial][fold].append(report)

    def forget(self, trial: int, fold: int) -> None:
        """A leader's fold starts over."""
        self._reports[trial].pop(fold, None)

    def cannot_share(self, trial: int) -> None:
        """Something in this leader's training read the number of its epochs."""
        self._cannot.add(trial)

    def waits(self, record: Record, records: Sequence[Record]) -> bool:
        """Whether a trial in flight is to share a training that has not ended yet."""
        leader = self.following.get(record.trial)
        if leader is None or record.state is not State.RUNNING:
            return False
        return records[leader].state in (State.RUNNING, State.FAILED)

    def release(self, leader: int) -> tuple[list[int], dict[int, list[Taken]]]:
        """A leader has ended: its followers, and its reports by fold (none if not to be shared)."""
        reports = self._reports.pop(leader, {})
        return self._followers.pop(leader, []), {} if leader in self._cannot else dict(reports)
