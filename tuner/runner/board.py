"""A study's progress as it is drawn: on a terminal of any width, in a notebook, or as a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.runner.show import sparkline
from tuner.shown import shown
from tuner.study.progress import Placed, Progress, Running
from tuner.study.record import Record
from tuner.trial.cells import State

STYLES = {
    State.COMPLETE: "green",
    State.STOPPED: "yellow",
    State.DIVERGED: "magenta",
    State.FAILED: "red",
    State.RUNNING: "cyan",
}
RUNNING_SHOWN = 8
"""Trainings that are drawn, the ones that are furthest."""
BAR = 20
"""Columns of the bar."""


def board(progress: Progress, phase: str, width: int) -> RenderableType:
    """All that there is to see of a running study, in `width` columns."""
    parts: list[RenderableType] = [_head(progress, phase), _times(progress)]
    if progress.running:
        parts.append(_running(progress, width))
    if progress.best:
        parts += [_best(progress), _top(progress, width)]
    return Group(*parts)


def line(progress: Progress, phase: str) -> str:
    """The same in a line, for where nobody sees a screen."""
    best = progress.best[0] if progress.best else None
    found = "" if best is None else f"; best {progress.metric} {best.value:.4f}, trial {best.trial}"
    going = ", ".join(map(_where, progress.running[:3]))
    more = len(progress.running) - 3
    going = f"; {going}{f' and {more} more' if more > 0 else ''}" if going else ""
    return (
        f"{phase}, {seconds(progress.elapsed_s)}: {progress.ended} of {progress.total} trials"
        f"{going}{found}{_outlook(progress)}"
    )


def state_line(record: Record, metric: str, ended: int, total: int) -> str:
    """What became of a trial, in a line."""
    value = "" if record.value is None else f" {metric} {record.value:.4f}"
    return (
        f"trial {record.trial} {record.state}{value}, {record.epochs} epochs, "
        f"{record.duration_s:.1f} s ({ended}/{total})"
    )


def seconds(amount: float) -> str:
    """A time in words: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(amount)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters on one line, numbers to four digits."""
    return ", ".join(f"{name} {_short(value)}" for name, value in params.items())


def _head(progress: Progress, phase: str) -> Text:
    filled = min(BAR, round(BAR * progress.ended / max(1, progress.total)))
    text = Text()
    text.append(f"{phase}  ", "bold")
    text.append("━" * filled, "green")
    text.append("━" * (BAR - filled), "bright_black")
    text.append(f" {progress.ended}/{progress.total} trials")
    for state, style in STYLES.items():
        count = progress.states.get(state, 0) - (progress.paused if state is State.RUNNING else 0)
        if count:
            text.append(f"  {count} {state.lower()}", style)
    if progress.paused:
        text.append(f"  {progress.paused} paused", "blue")
    return text


def _times(progress: Progress) -> Text:
    text = Text(f"{seconds(progress.elapsed_s)} gone")
    if progress.left_s is not None and progress.ended < progress.total:
        basis = "1 trial" if progress.ended == 1 else f"{progress.ended} trials"
        text.append(f", about {seconds(progress.left_s)} left, by the pace of {basis}")
    text.append(f"; {progress.trained} epochs trained")
    if progress.saved:
        share = progress.saved / (progress.saved + progress.trained)
        text.append(f", stopping saved {progress.saved} ({share:.0%})")
    text.append(_outlook(progress))
    return text


def _outlook(progress: Progress) -> str:
    return "" if progress.outlook is None else f"; {progress.outlook}"


def _running(progress: Progress, width: int) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    room = max(8, width - 50)
    furthest = sorted(progress.running, key=lambda one: -one.epoch)[:RUNNING_SHOWN]
    for one in furthest:
        last = f"{one.curve[-1]:.4g}" if one.curve else ""
        table.add_row(Text(_where(one)), Text(sparkline(one.curve, room)), Text(last))
    more = len(progress.running) - len(furthest)
    if more:
        table.add_row(Text(f"and {more} more"), "", "")
    return table


def _where(one: Running) -> str:
    fold = f", fold {one.fold}" if one.fold else ""
    limit = "" if one.limit is None else f"/{one.limit}"
    epoch = f"epoch {one.epoch}{limit}" if one.epoch else "starting"
    return f"trial {one.trial}{fold} {epoch}"


def _best(progress: Progress) -> Text:
    best = progress.best[0]
    text = Text()
    text.append(f"best {shown(progress.metric, keep='')} {best.value:.4f}", "bold")
    text.append(f", trial {best.trial}: {shown(params_text(best.params), keep='')}")
    return text


def _top(progress: Progress, width: int) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("trial", progress.metric, "epochs", "state"):
        table.add_column(Text(shown(name, keep="")), justify="right", no_wrap=True)
    room = max(10, width - 26 - max(8, len(progress.metric)))
    table.add_column("parameters", no_wrap=True, overflow="ellipsis", max_width=room)
    for one in progress.best:
        table.add_row(*_row(one))
    return table


def _row(one: Placed) -> tuple[Text, ...]:
    return (
        Text(str(one.trial)),
        Text(f"{one.value:.4f}"),
        Text(str(one.epochs)),
        Text(one.state.lower(), STYLES[one.state]),
        Text(shown(params_text(one.params), keep="")),
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
