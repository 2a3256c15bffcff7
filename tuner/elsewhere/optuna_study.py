"""An Optuna study: of a database, or of a journal file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tuner.elsewhere.found import Found, Results, from_one
from tuner.errors import ExperimentError, ResultsError
from tuner.search_space.axes import Axis, Categorical, Float, Int
from tuner.trial.cells import State


def read(source: str, metric: str, study: str | None) -> Results:
    """The trials of the `study` of that name, or of the only one that there is.

    A step is an epoch (from 1, where the steps begin at 0). A complete trial's value is that of its
    last epoch. Raises ResultsError for a storage that is not there.
    """
    import optuna

    storage = _storage(source)
    names = optuna.get_all_study_names(storage)
    if study is None and len(names) == 1:
        study = names[0]
    if study not in names:
        raise ExperimentError(
            f"{source} holds {', '.join(names) or 'no study'}",
            field="study",
            way_out="name one of them",
        )
    found = optuna.load_study(study_name=study, storage=storage)
    if len(found.directions) > 1:
        raise ExperimentError(
            f"{study} has {len(found.directions)} goals", field="study", way_out="name one of one"
        )
    trials = [_found(one, metric) for one in found.get_trials(deepcopy=False)]
    direction = found.direction.name.lower()
    kept = [one for one in trials if one is not None]
    return Results("Optuna", kept, _axes(found.get_trials(deepcopy=False)), direction)


def _storage(source: str) -> Any:
    if "://" in source:
        from optuna.storages import RDBStorage

        file = source.removeprefix("sqlite:///")
        if file != source and not Path(file).is_file():  # SQLite would make it
            raise ResultsError(f"{file} is missing")
        return RDBStorage(source)
    if not Path(source).is_file():
        raise ResultsError(f"{source} is neither a journal file nor the URL of a database")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(source))


def _found(trial: Any, metric: str) -> Found | None:
    """A trial that has ended; None for another."""
    states = {"COMPLETE": State.COMPLETE, "PRUNED": State.STOPPED, "FAIL": State.FAILED}
    state = states.get(trial.state.name)
    if state is None:
        return None
    values = dict(trial.intermediate_values)
    if state is State.COMPLETE:
        values[max(values, default=1)] = trial.value
    reports = from_one({step: {metric: float(value)} for step, value in values.items()})
    last = reports[max(reports)][metric] if reports else 0.0
    if state is not State.FAILED and not math.isfinite(last):
        state = State.DIVERGED
    begun, ended = trial.datetime_start, trial.datetime_complete
    return Found(
        trial.params,
        reports,
        state,
        None if begun is None else begun.timestamp(),
        None if begun is None or ended is None else (ended - begun).total_seconds(),
        "it failed in Optuna" if state is State.FAILED else None,
    )


def _axes(trials: list[Any]) -> dict[str, Axis]:
    """The axes that every trial had with the same ends; others are told from their values."""
    seen: dict[str, set[Any]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            seen.setdefault(name, set()).add(distribution)
    return {name: _axis(next(iter(found))) for name, found in seen.items() if len(found) == 1}


def _axis(distribution: Any) -> Axis:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return Categorical(list(distribution.choices))
    low, high, log = distribution.low, distribution.high, distribution.log
    if isinstance(distribution, IntDistribution):
        return Int(low, high, log=log, step=distribution.step)
    return Float(low, high, log=log, step=distribution.step)
