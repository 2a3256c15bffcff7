"""The time of day as a study counts it: it never jumps while the process lives."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a machine sleeps
_BEGAN = time.time() - time.clock_gettime(_CLOCK)


def steady_time() -> float:
    """Seconds since the Unix epoch, by the clock of this machine as it was when we began.

    Whoever sets the clock meanwhile changes neither a limit nor a duration.
    """
    return _BEGAN + time.clock_gettime(_CLOCK)
