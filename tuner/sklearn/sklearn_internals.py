"""What we lean on of scikit-learn's that it promises to nobody."""

from __future__ import annotations

import inspect
from typing import Any


def check() -> str | None:
    """What of scikit-learn's internals is not as we need it, None where all is well."""
    from sklearn.metrics import get_scorer

    if not hasattr(get_scorer("accuracy"), "_accept_sample_weight"):
        return "scikit-learn has changed: its scorers have no _accept_sample_weight"
    return None


def takes_weights(scorer: Any) -> bool:
    """Whether a scorer weighs samples: one of scikit-learn's as it says, another by signature."""
    asked = getattr(scorer, "_accept_sample_weight", None)
    return bool(asked()) if asked else "sample_weight" in inspect.signature(scorer).parameters
