"""TensorFlow's import prints lines of its own; whoever runs a search need not read them.

Its C++ part writes the first ones before it reads TF_CPP_MIN_LOG_LEVEL, so the standard error is
held back while something is imported that may import TensorFlow, and what is another's is printed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|[IWE]\d{4} \d\d:\d\d:\d+"  # absl: I0000 00:00:1795.8 7572 cudart_stub.cc:31] Could not ...
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "  # 2026-01-01 00:00:00.1: I tensorflow/core/...
)
"""How a line of TensorFlow's own log begins."""


@contextmanager
def without_import_lines() -> Iterator[None]:
    """Print what is written to the standard error inside at its end, but for TensorFlow's log."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not NOISE.match(line):
                    os.write(2, line)
