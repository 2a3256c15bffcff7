"""What other libraries call an axis: known by the names of their classes, and never imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

RAY, OPTUNA, SCIPY = "ray.tune.search.sample", "optuna.distributions", "scipy.stats"
LIBRARIES = (RAY, OPTUNA, SCIPY, "hyperopt", "skopt.space", "ConfigSpace", "keras_tuner")


def axis_in_place_of(value: Any) -> str | None:
    """The axis to write in the place of another library's; None for what is no such thing.

    A constant of that kind would go to every trial as it is, and nothing would be searched.
    """
    if isinstance(value, Mapping):
        grid = [*value] == ["grid_search"]  # what Ray's function of that name returns
        return f"Categorical({value['grid_search']!r:.200})" if grid else None
    library = next((one for one in LIBRARIES if type(value).__module__.startswith(one)), None)
    if library is None:
        return None
    known = {RAY: _of_ray, OPTUNA: _of_optuna, SCIPY: _of_scipy}
    return known.get(library, lambda _: None)(value) or "a Float, an Int or a Categorical"


def _of_ray(value: Any) -> str | None:
    """`quniform` and its like have a sampler around that of the range; an Int's end is left out."""
    if hasattr(value, "categories"):
        return f"Categorical({list(value.categories)!r:.200})"
    sampler = getattr(value, "sampler", None)
    step, inner = getattr(sampler, "q", None), getattr(sampler, "sampler", sampler)
    log = "LogUniform" in type(inner).__name__
    if type(value).__name__ == "Integer":
        return _range("Int", value.lower, value.upper - (step is None), log, step)
    return _range("Float", getattr(value, "lower", None), getattr(value, "upper", None), log, step)


def _of_optuna(value: Any) -> str | None:
    if hasattr(value, "choices"):
        return f"Categorical({list(value.choices)!r:.200})"
    kind = type(value).__name__.removesuffix("Distribution")
    step = None if kind == "Int" and value.step == 1 else value.step
    return _range(kind, value.low, value.high, value.log, step)


def _of_scipy(value: Any) -> str | None:
    """A frozen distribution; one that is not uniform, or that is without ends, has no axis."""
    name, (low, high) = value.dist.name, value.support()
    if name == "randint":
        return _range("Int", int(low), int(high), False, None)
    if name in ("uniform", "loguniform", "reciprocal"):
        return _range("Float", float(low), float(high), name != "uniform", None)
    return None


def _range(kind: str, low: Any, high: Any, log: bool, step: Any) -> str | None:
    if low is None or not math.isfinite(low) or not math.isfinite(high):
        return None
    more = (", log=True" if log else "") + (f", step={step!r}" if step is not None else "")
    return f"{kind}({low!r}, {high!r}{more})"
