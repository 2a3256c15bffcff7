"""The windows of a deterministic study: trials that are asked together, and count together.

In a study that is not, there is never an open one.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuner.schedulers.board import Board
from tuner.study.fold_racing import better_on_folds, fold_losses
from tuner.study.record import Record
from tuner.study.shared_training import Followers
from tuner.trial.cells import State


class Windows:
    """The open window, `windows` how many were closed, and what counts once one is.

    `incumbent` holds the losses by fold of the trial that others race against.
    """

    def __init__(self, cells: int, board: Board, followers: Followers) -> None:
        self.cells = cells
        self.board = board
        self.followers = followers
        self.records: list[Record] = []
        self.window: list[Record] = []
        self.windows = 0
        self.incumbent: Mapping[int, float] = {}

    def leader_of(self, record: Record) -> Record | None:
        """The trial whose training this one is to share, while it has neither shared nor run."""
        leader = self.followers.following.get(record.trial)
        begun = record.busy or record.cells or record.state is not State.RUNNING
        if leader is None or begun or leader >= len(self.records):
            return None
        return self.records[leader]

    def join_window(self, record: Record, window: int) -> None:
        if self.window and window > self.windows:  # it was closed before this one was opened
            self.close_window()
        self.windows = max(self.windows, window)
        record.windows.append(window)
        self.window.append(record)

    def note_incumbent(self, record: Record) -> None:
        """A COMPLETE trial may be the one that others race against; of equals the earlier is.

        It keeps the constraints, as the best trial does.
        """
        if record.state is State.COMPLETE and self.cells > 1 and record.feasible:
            self.incumbent = better_on_folds(self.incumbent, fold_losses(record))

    def close_window_if_done(self) -> None:
        """Let a window's values count once each of its trials has ended or is set aside."""
        if self.window_is_done:
            self.close_window()

    @property
    def window_is_done(self) -> bool:
        """Whether there is a window, and each trial of it has ended or is set aside."""
        return bool(self.window) and not any(map(self._is_on_its_way, self.window))

    def close_window(self) -> None:
        for record in sorted(self.window, key=lambda record: record.trial):
            self.note_incumbent(record)
        self.window.clear()
        self.windows += 1
        self.board.close_window()

    def _is_on_its_way(self, record: Record) -> bool:
        if record.state is not State.RUNNING or record.set_aside:
            return False
        leader = self.leader_of(record)  # one that is set aside may be so for long
        return leader is None or (leader in self.window and self._is_on_its_way(leader))
