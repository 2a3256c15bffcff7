"""One Ray for runs that follow each other: the first one starts it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from tuner.cluster.session import Runtime, connect

Connect = Callable[..., AbstractContextManager[Runtime]]
"""`cluster.session.connect`, or what stands for it."""


@contextmanager
def kept_ray() -> Iterator[Connect]:
    """While it holds, what it yields connects as `connect` does, and leaves Ray up for the next.

    A run that needs other resources than the last one gets a Ray of its own.
    """
    with ExitStack() as stack:
        last: list[tuple[object, Runtime]] = []

        @contextmanager
        def connected(*asked: Any, **named: Any) -> Iterator[Runtime]:
            if not last or last[0][0] != (asked, named):
                stack.close()
                runtime = stack.enter_context(connect(*asked, **named))
                runtime.kept_as = secrets.token_hex(8)
                last[:] = [((asked, named), runtime)]
            yield last[0][1]

        yield connected
