"""Ray Tune, imported without the trackers that it would import where they are installed.

Weights & Biases and MLflow take more than a second each, and whoever logs there does it by tuner's
own loggers. `from tuner.cluster.light_tune import tune`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TRACKERS = ("wandb", "mlflow", "comet_ml")


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Let an import of these fail, but for what is imported already."""
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in names if name not in modules]
    for name in hidden:
        modules[name] = None
    try:
        yield
    finally:
        for name in hidden:
            modules.pop(name, None)


with _without(TRACKERS):
    from ray import tune

__all__ = ["tune"]
