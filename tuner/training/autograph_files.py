"""The files that TensorFlow's autograph writes for the functions that it converts.

It removes them as Python ends, which a worker's process does not come to: it is killed.
"""

from __future__ import annotations

import sys
from importlib.util import cache_from_source
from pathlib import Path

WRITTEN = "__autograph_generated_file"
"""How the names of such modules begin; where TensorFlow changes it, files stay, and all works."""


def remove_autograph_files() -> None:
    """Remove those of this process; what was converted goes on working."""
    for name in [name for name in sys.modules if name.startswith(WRITTEN)]:
        file = sys.modules[name].__file__
        if file is not None:
            Path(file).unlink(missing_ok=True)
            Path(cache_from_source(file)).unlink(missing_ok=True)
