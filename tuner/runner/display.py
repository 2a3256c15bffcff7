"""What a run shows: a live bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from tuner.shown import shown
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.trial.cells import State

STYLES = {
    State.COMPLETE: "green",
    State.STOPPED: "yellow",
    State.DIVERGED: "magenta",
    State.FAILED: "red",
    State.RUNNING: "cyan",
}


class Display:
    """Shows a run on a console; `console` None shows nothing. `beside` is a line of whatever stands
    beside the study, the slots that it has of a shared cluster, say; empty for none."""

    def __init__(self, console: Console | None) -> None:
        self.console = console
        self.beside: Callable[[], str] = str

    def line(self, text: str) -> None:
        """Print a line of plain text."""
        if self.console is not None:
            self.console.print(Text(shown(text)), highlight=False, soft_wrap=True)

    @contextmanager
    def following(self, study: Study) -> Iterator[None]:
        """Show the study's progress while the block runs."""
        if self.console is None:
            yield
        elif self.console.is_terminal:
            board = _Board(study, self.console, self.beside)
            study.on_change = lambda record: board.update_if_due()
            with Live(board, console=self.console, transient=True, refresh_per_second=4):
                board.update()
                yield
                board.update()
        else:
            ended = count(study.total_ended() + 1)
            study.on_change = lambda record: self._ended(study, record, ended)
            yield

    def _ended(self, study: Study, record: Record, ended: Iterator[int]) -> None:
        if record.state is State.RUNNING:
            return
        value = "" if record.value is None else f" {study.experiment.metric} {record.value:.4f}"
        self.line(
            f"trial {record.trial} {record.state}{value}, {record.epochs} epochs, "
            f"{record.duration_s:.1f} s ({next(ended)}/{study.total})"
        )


class _Board:
    """Two lines: how far the study is, and the best trial so far."""

    def __init__(self, study: Study, console: Console, beside: Callable[[], str]) -> None:
        self._study = study
        self._beside = beside
        self._due = 0.0
        self._bar = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[states]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
        )
        self._task = self._bar.add_task("", total=study.total, states="")
        self._best = Text(no_wrap=True, overflow="ellipsis")

    def update_if_due(self) -> None:
        """Look at the study again, at most four times a second: that takes time with its size."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 0.25
            self.update()

    def update(self) -> None:
        """Take over what the study knows now."""
        counts = self._study.counts()
        states = "  ".join(
            f"[{style}]{counts[state]} {state.lower()}[/]"
            for state, style in STYLES.items()
            if counts[state]
        )
        done = sum(counts.values()) - counts[State.RUNNING]
        self._bar.update(self._task, completed=done, states=states)
        best = self._study.best()
        if best is not None:
            metric = self._study.experiment.metric
            self._best.plain = (
                f"best {metric} {best.value:.4f}, trial {best.trial}: {params_text(best.params)}"
            )

    def __rich__(self) -> Group:
        beside = self._beside()
        lines = [Text(shown(beside, keep=""), no_wrap=True, overflow="ellipsis")] if beside else []
        return Group(self._bar, self._best, *lines)


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters on one line, numbers to four digits."""
    return ", ".join(f"{name} {_short(value)}" for name, value in params.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
