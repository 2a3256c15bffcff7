"""Where a worker's time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Seconds(defaultdict[str, float]):
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        super().__init__(float)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time that this takes, however it ends."""
        began = time.monotonic()
        try:
            yield
        finally:
            self[what] += time.monotonic() - began
