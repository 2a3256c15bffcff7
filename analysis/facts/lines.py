"""Command lines to copy: the one place beside the command line itself that says flags."""

from __future__ import annotations

import re
import shlex

import pandas as pd

from tuner.shown import redacted


def run_again(study: pd.Series, **options: int | bool) -> str | None:
    """The command line that ran a study, with other options; None where it was no command line."""
    command = redacted(study["command"])
    if not command.startswith("python -m tuner run "):
        return None
    for name, value in options.items():
        given = r"" if value is True else r"(?: |=)\S+"
        command = re.sub(rf" --{name}{given}(?= |$)", "", command)
        command += f" --{name}" if value is True else f" --{name} {value}"
    return command


def refit(path: str, **options: int) -> str:
    """The command line that trains a study's best point again."""
    flags = "".join(f" --{name} {value}" for name, value in options.items())
    return f"python -m tuner refit {shlex.quote(path)}{flags}"


def confirm(path: str, **options: int) -> str:
    """The command line that trains a study's leaders again."""
    flags = "".join(f" --{name} {value}" for name, value in options.items())
    return f"python -m tuner confirm {shlex.quote(path)}{flags}"
