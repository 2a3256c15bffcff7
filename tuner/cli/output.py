"""What the commands print on, and how they end when they are told to."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import typer
from rich.console import Console

WIDE = 200
"""Columns of output that nobody sees on a terminal, where nothing should be cut short."""


class Terminated(KeyboardInterrupt):
    """SIGTERM ends a run as Ctrl-C does: a SystemExit inside Ray's wait would skip the rest."""

    came = False
    """Whether it did: Ray raises a KeyboardInterrupt of its own in this one's place."""


def interrupted_code() -> int:
    """The exit code of a command that Ctrl-C or SIGTERM has ended."""
    return 128 + (signal.SIGTERM if Terminated.came else signal.SIGINT)


def console() -> Console:
    """Standard output; where that is not a terminal, wide and without colour."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=WIDE)


def ask_password() -> Callable[[str], str] | None:
    """Asks for a password on the terminal, unseen; None where nobody can be asked."""
    if not sys.stdin.isatty():
        return None
    return lambda whose: str(typer.prompt(whose, hide_input=True, err=True))


def ask_yes() -> Callable[[str], bool] | None:
    """A question on the terminal; without one nobody can be asked."""
    return typer.confirm if sys.stdin.isatty() else None
