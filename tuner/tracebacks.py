"""A user's exception as text: their own lines and the message, without the machinery around."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path

from tuner.errors import TunerError

_OURS = str(Path(__file__).resolve().parent)
_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")})


def failure_text(error: BaseException) -> str:
    """The traceback, cut down to the user's frames and the place where it was raised.

    Frames of tuner go, and those of installed packages and of the standard library save the last.
    Where the user has no frame, the libraries' frames stay; one of tuner's own errors is a line.
    """
    report = traceback.TracebackException.from_exception(error)
    _shorten(report)
    if isinstance(error, TunerError) and not report.stack:
        return f"{type(error).__name__}: {error}"
    return "".join(report.format()).rstrip()


def _shorten(report: traceback.TracebackException) -> None:
    frames = list(report.stack)
    users = [frame for frame in frames if _is_users(frame.filename)]
    if users:
        last = frames[-1]
        kept = users if last in users or _is_ours(last.filename) else [*users, last]
    else:
        kept = [frame for frame in frames if not _is_ours(frame.filename)]
    report.stack = traceback.StackSummary.from_list(kept)
    for linked in (report.__cause__, report.__context__):
        if linked is not None:
            _shorten(linked)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def _is_users(filename: str) -> bool:
    return not (
        _is_ours(filename)
        or filename.startswith(("<frozen", *_LIBRARIES))
        or f"{sys.prefix}/lib" in filename
    )
