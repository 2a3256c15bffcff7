"""What a report may hold, and what is made of it; ReportError for all else."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tuner.errors import EveryTrialError, ReportError
from tuner.trial.cells import RESERVED_COLUMNS


def checked_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as floats by name; None for one that was not measured leaves it out.

    One with several values, an F1 score per class, say, becomes a metric for each: `f1_score_0`,
    `f1_score_1`, ... NaN and infinity stay: the study knows which metric may not have them.
    Raises ReportError for what is not a number, for two of one name, and for a report of nothing.
    """
    if not isinstance(metrics, Mapping):
        raise ReportError(
            f"metrics {metrics!r:.200} are not a dict; report {{name: value}} of an epoch"
        )
    values: dict[str, float] = {}
    for given, value in metrics.items():
        for name, one in _flattened(str(given), value):
            if name in RESERVED_COLUMNS:
                raise ReportError(f"metric {name!r} has the name of a results column; rename it")
            if name in values:
                raise ReportError(
                    f"metric {name!r} is reported twice, the second time as {given!r}; rename one"
                )
            values[name] = one
    if not metrics:
        raise ReportError("a report holds no metric; give at least one")
    return values


def checked_epoch(epoch: Any, last: int) -> int:
    """The epoch as an int above `last`. Raises ReportError for anything else."""
    if isinstance(epoch, bool) or not hasattr(epoch, "__index__"):
        raise ReportError(f"epoch {epoch!r} is not an integer; epochs are 1, 2, 3, ...")
    number: int = epoch.__index__()
    if number < 1:
        raise ReportError(
            f"epoch {number} was reported, and epochs count from 1: report(epoch + 1, metrics)"
        )
    if number <= last:
        raise ReportError(
            f"epoch {number} was reported after epoch {last}; epochs start at 1 and rise"
        )
    return number


def check_searched(
    metric: str,
    values: Iterable[str],
    given: Mapping[Any, Any] | None = None,
    *,
    more_follow: bool = True,
) -> None:
    """Raises EveryTrialError where a first report lacks the metric that is searched.

    It has the `values`, and what is None in the metrics `given`, which was not measured yet.
    Keras may validate every few epochs only (`validation_freq`): a "val_..." may come later where
    the report has none, and where more reports follow.
    """
    unmeasured = (name for name, value in (given or {}).items() if value is None)
    names = [str(name) for name in dict.fromkeys([*values, *unmeasured])]
    if metric in names:
        return
    validated = any(name.startswith("val_") for name in names) or not more_follow
    if metric.startswith("val_") and metric.removeprefix("val_") in names and not validated:
        return
    near = difflib.get_close_matches(metric, names, n=1)
    way_out = f"did you mean {near[0]!r}? " if near else ""
    where = "first report" if more_follow else "returned dict"
    or_none = ", or report None while there is no value yet" if more_follow else ""
    raise EveryTrialError(
        f"metric {metric!r} is searched and the {where} has: {', '.join(names)}; {way_out}"
        f"name one of these as the metric{or_none}"
    )


def _flattened(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """The numbers of a metric by name: one, none (None), or one for each of its values."""
    if value is None:
        return
    if isinstance(value, str | bytes | Mapping):
        raise ReportError(f"metric {name!r} is {value!r:.200}, which is not a number")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "buifO" or np.ma.is_masked(value):  # texts, times, complex ones
            raise TypeError(array.dtype)
        if any(isinstance(one, str | bytes) for one in array.flat):
            raise TypeError("texts")
        numbers = array.astype(float)
    except (TypeError, ValueError, OverflowError):
        said = " ".join(f"{value!r:.200}".split())
        raise ReportError(f"metric {name!r} is {said}, which is not a number") from None
    if numbers.size == 1:
        yield name, float(numbers.reshape(()))
        return
    for index, number in np.ndenumerate(numbers):
        yield "_".join([name, *map(str, index)]), float(number)
