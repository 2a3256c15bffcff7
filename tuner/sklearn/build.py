"""The call of a user's `build_model`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def built(build_model: Callable[..., Any], X: Any, y: Any, params: Mapping[str, Any]) -> Any:
    """What `build_model` returns for these parameters, and for X and y where it takes them."""
    try:
        takes = inspect.signature(build_model).parameters
    except ValueError:  # of a callable written in C
        return build_model(X=X, y=y, **params)
    every = any(one.kind is one.VAR_KEYWORD for one in takes.values())
    data = {name: value for name, value in {"X": X, "y": y}.items() if every or name in takes}
    return build_model(**data, **params)
