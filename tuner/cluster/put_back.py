"""What Ray's start needs of this process and leaves in it, each as it was again afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

LONGEST_TEMP = 38
"""Ray's sockets lie 67 characters below the temporary folder, and a path may have 107."""


@contextmanager
def temp_folder() -> Iterator[str]:
    """A folder that nobody else may enter, short enough for the paths of Ray's sockets.

    It lies in one of ours: Ray lets everybody into its own (0777), where its logs and sockets are.
    """
    base = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="tuner-", dir=base if len(base) < LONGEST_TEMP else "/tmp")
    try:
        yield os.path.join(folder, "r")
    finally:
        # Ray's agents may still write their last lines.
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """os.environ with `settings`; afterwards as it was, what Ray itself set included."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        for key in set(os.environ) | set(before):
            if key.startswith(("RAY_", "TUNE_")) or key == "PYTHONBREAKPOINT":
                if key in before:
                    os.environ[key] = before[key]
                else:
                    os.environ.pop(key, None)


@contextmanager
def signals() -> Iterator[None]:
    """SIGTERM does as Ctrl-C does; Tune's handlers are put back.

    Ray's own handler, a SystemExit, ends the process in the middle of whatever Ray waits for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else [])]
    before = {name: signal.getsignal(name) for name in names}
    if before[signal.SIGTERM] is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
