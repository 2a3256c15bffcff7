"""What a run shows: a live board on a terminal or in a notebook, plain lines elsewhere, or nothing.

Without a terminal a line comes at least every half a minute.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import count
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tuner.runner.board import board, line, seconds, state_line
from tuner.shown import shown
from tuner.study.progress import progress_of
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.trial.cells import State

BEAT_S = 30.0
"""Seconds without a line after which one is printed."""
LOOK_S = 0.5
"""How often a board looks at its study: that takes time with the study's size."""
COLUMNS = 100
"""Of a board in a notebook."""
PAGE = '<pre style="line-height: 1.2; white-space: pre">{code}</pre>'


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook (Jupyter's, VS Code's)."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


class Display:
    """Shows a run on a console; `console` None prints nothing. A `notebook` has a board of its own.

    `beside` is a line of whatever stands beside the study, the slots that it has of a shared
    cluster, say; empty for none.

    `waiting` is what a run waits for before its first report.
    """

    def __init__(self, console: Console | None, *, notebook: bool = False) -> None:
        self.console = console
        self.notebook = notebook
        self.waiting = "starting"
        self.beside: Callable[[], str] = str
        self._last_line = time.monotonic()

    def line(self, text: str) -> None:
        """Print a line of plain text."""
        if self.console is not None:
            self._last_line = time.monotonic()
            self.console.print(Text(shown(text)), highlight=False, soft_wrap=True)

    @contextmanager
    def phase(self, text: str) -> Iterator[None]:
        """Say what the run waits for while the block runs."""
        if self.console is None:
            yield
        elif self.console.is_terminal:
            with self.console.status(text):
                yield
        else:
            self.line(text)
            began = time.monotonic()

            def still() -> str:
                return f"{text}, for {seconds(time.monotonic() - began)} now"

            with _repeated(lambda: self._beat(still), min(1.0, BEAT_S)):
                yield

    @contextmanager
    def following(self, study: Study) -> Iterator[None]:
        """Show the study's progress while the block runs."""
        view = _View(study, lambda: self.waiting, lambda: self.beside())
        if self.notebook:
            with _repeated(_NotebookBoard(view).update, LOOK_S):
                yield
        elif self.console is None:
            yield
        elif self.console.is_terminal:
            screen = _Screen(view, self.console)
            with Live(screen, console=self.console, transient=True, refresh_per_second=4):
                yield
        else:
            ended = count(study.total_ended() + 1)
            study.on_change = lambda record: self._ended(study, record, ended)
            with _repeated(lambda: self._beat(view.line), min(1.0, BEAT_S)):
                yield

    def _beat(self, what: Callable[[], str]) -> None:
        if time.monotonic() - self._last_line >= BEAT_S:
            self.line(what())

    def _ended(self, study: Study, record: Record, ended: Iterator[int]) -> None:
        if record.state is not State.RUNNING:
            self.line(state_line(record, study.metric, next(ended), study.total))


class _View:
    """A study as it is now, and what it is doing."""

    def __init__(self, study: Study, waiting: Callable[[], str], beside: Callable[[], str]) -> None:
        self._study = study
        self._waiting = waiting
        self._beside = beside
        self._reports = study.order  # a resumed study has some

    def draw(self, width: int) -> RenderableType:
        progress = progress_of(self._study)
        drawn = board(progress, self._phase(progress.reports), width)
        beside = self._beside()
        return Group(drawn, Text(shown(beside, keep=""))) if beside else drawn

    def line(self) -> str:
        progress = progress_of(self._study)
        return line(progress, self._phase(progress.reports))

    def _phase(self, reports: int) -> str:
        return "training" if reports > self._reports else self._waiting()


class _Screen:
    """The board on a terminal, which Rich asks for as often as it draws."""

    def __init__(self, view: _View, console: Console) -> None:
        self._view = view
        self._console = console
        self._due = 0.0
        self._drawn: RenderableType = Text()

    def __rich__(self) -> RenderableType:
        if time.monotonic() >= self._due:
            self._drawn = self._view.draw(self._console.width)
            self._due = time.monotonic() + LOOK_S
        return self._drawn


class _NotebookBoard:
    """The board in a notebook: one output of its cell, which is replaced in place."""

    def __init__(self, view: _View) -> None:
        self._view = view
        self._shown = ""
        self._handle: Any = None

    def update(self) -> None:
        """Draw it anew, if it has changed."""
        from IPython.display import HTML, display

        drawn = as_html(self._view.draw(COLUMNS))
        if drawn == self._shown:
            return
        self._shown = drawn
        if self._handle is None:
            self._handle = display(HTML(drawn), display_id=True)
        else:
            self._handle.update(HTML(drawn))


def as_html(drawn: RenderableType) -> str:
    """What Rich draws, as HTML; it escapes the text."""
    console = Console(
        record=True, file=StringIO(), width=COLUMNS, force_jupyter=False, force_terminal=True
    )
    console.print(drawn)
    return console.export_html(inline_styles=True, code_format=PAGE)


@contextmanager
def _repeated(work: Callable[[], None], every_s: float) -> Iterator[None]:
    """Do something again and again, on a thread, while the block runs; at its ends as well."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every_s):
            work()

    work()
    thread = threading.Thread(target=repeat, name="display", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        work()
