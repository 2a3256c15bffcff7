"""What we lean on of scikit-learn's that it promises to nobody."""

from __future__ import annotations

import inspect
from typing import Any


def check() -> str | None:
    """What of scikit-learn's internals is not as we need it, None where all is well."""
    from sklearn.metrics import get_scorer
    from sklearn.utils import validation

    if not hasattr(validation, "_check_sample_weight"):
        return "scikit-learn has changed: its validation has no _check_sample_weight"
    if not hasattr(get_scorer("accuracy"), "_accept_sample_weight"):
        return "scikit-learn has changed: its scorers have no _accept_sample_weight"
    return None


def checked_weights(weights: Any, x: Any) -> Any:
    """Samples' weights as an array, one a sample of `x`; ValueError for any others."""
    from sklearn.utils.validation import _check_sample_weight

    return _check_sample_weight(weights, x)


def takes_weights(scorer: Any) -> bool:
    """Whether a scorer weighs samples: one of scikit-learn's as it says, another by signature."""
    asked = getattr(scorer, "_accept_sample_weight", None)
    return bool(asked()) if asked else "sample_weight" in inspect.signature(scorer).parameters
