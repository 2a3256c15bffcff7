"""What a fork server has imported, and what must be equal for a process to be forked from it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from dataclasses import dataclass

READ_ON_IMPORT = (
    "TF_", "XLA_", "KERAS_", "ONEDNN_", "DNNL_", "KMP_", "MALLOC_", "LD_", "HOME",
    "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONWARNINGS",
)  # fmt: skip
"""How the names of variables begin that Python, TensorFlow and Keras read before a fork."""
READ_LATER = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ALONE = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "CUDA_VISIBLE_DEVICES": "-1",
}
"""A server's environment beside its starter's: what it imports starts no thread, and finds no GPU.
What is forked has its own environment."""


@dataclass(frozen=True)
class Kind:
    """What a server imports before it forks."""

    modules: tuple[str, ...]

    def digest(self) -> str:
        """Equal where a process forked from the server would have imported the same."""
        names = sorted({"numpy", *(module.partition(".")[0] for module in self.modules)})
        variables = sorted(
            f"{name}={value}"
            for name, value in os.environ.items()
            if name.startswith(READ_ON_IMPORT) and name not in READ_LATER
        )
        content = self.modules, sys.executable, sys.version, [*map(_origin, names)], variables
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _origin(name: str) -> str | None:
    """Where a package would be imported from, without importing it."""
    spec = importlib.util.find_spec(name)
    return None if spec is None else spec.origin
