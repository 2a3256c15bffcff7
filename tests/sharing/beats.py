"""Beats of studies that are made up."""

from __future__ import annotations

from typing import Any, cast

from tuner.sharing.messages import Beat


def beat(study: str, number: int = 1, **more: Any) -> Beat:
    """What a driver says that wants 50 slots of a CPU and holds none, with changes."""
    said: Any = {
        "boot": study, "number": number, "study": study, "user": study, "host": "here", "pid": 1,
        "version": "0", "address": "", "results": "", "since": 0.0, "weight": 1.0, "least": 1,
        "slot": {"CPU": 1.0}, "held": 0, "allowed": 0, "grant": 0, "wanted": 50,
        "ends_s": None, "done": 0, "total": 50, "best": "",
    }  # fmt: skip
    return cast("Beat", {**said, **more})
