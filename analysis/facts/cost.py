"""Where the time and the epochs went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.loading import Tables, the_study
from analysis.spans import Row, rows_of, spans
from analysis.summaries import epochs_saved, overview
from tuner.store.layout import PHASES
from tuner.trial.cells import State


@dataclass(frozen=True)
class StateCost:
    """What the trials of one state cost: epochs of their own, and seconds of work."""

    state: str
    trials: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Cost:
    """Epochs and seconds of a study, over all workers; `wall_s` from first to last.

    `to_start_s` went by between the study's making and its first trial. `phases` are seconds by
    what trials did, empty where that is not known.
    """

    states: Sequence[StateCost]
    trained: int
    saved: int
    shared: int
    work_s: float
    wall_s: float
    to_start_s: float
    phases: Mapping[str, float]


@dataclass(frozen=True)
class Leg:
    """A stretch of a trial's training: its `part`, from 0, on the timeline's row `slot`.

    It began `begin` seconds after the first trial was given out, and took `seconds`, of which the
    first were `setup` and `trace`, and the last `after` came after its last report. Before it the
    trial had `waited` for the idle worker.
    """

    row: int
    fold: int
    part: int
    slot: int
    begin: float
    seconds: float
    waited: float
    setup: float
    trace: float
    after: float


def cost(tables: Tables, legs: Sequence[Leg]) -> Cost:
    """What a study cost, in all, by state and by phases; a shared training counts once."""
    study, trials = the_study(tables.studies), tables.trials
    total = overview(tables).iloc[0]
    own = trials["shared_with"].isna()
    epochs = trials["epochs"].where(own, 0).fillna(0)
    work = trials["duration_s"].where(own, 0.0).fillna(0.0)
    states = []
    for state in map(str, State):
        of = trials["state"] == state
        if of.any():
            states.append(
                StateCost(state, int(of.sum()), int(epochs[of].sum()), float(work[of].sum()))
            )
    first = trials["started_at"].min()
    waited = 0.0 if pd.isna(first) else (first - study["created_at"]).total_seconds()
    return Cost(
        states,
        trained=int(total["epochs"]),
        saved=int(epochs_saved(tables).sum()),
        shared=int(total["epochs_shared"]),
        work_s=float(total["work_s"]),
        wall_s=float(total["wall_s"]),
        to_start_s=max(waited, 0.0),
        phases=phases(trials, sum(leg.waited for leg in legs)),
    )


def phases(trials: pd.DataFrame, waited: float) -> dict[str, float]:
    """Seconds of all workers by what they did, as far as that is known: they `waited` for their
    next trial, or started for it. Empty where nothing is known but the time in all."""
    own = trials[trials["shared_with"].isna()]
    known = {
        word: float(own[name].sum())
        for name, word in PHASES.items()
        if name != "waited_s" and own[name].notna().any()
    }
    if not known.keys() - {"trained"} and not waited:
        return {}
    rest = float(own["duration_s"].sum()) - sum(known.values())
    return {"waited": waited, **known, "after reports": max(rest, 0.0)}


def timeline(tables: Tables) -> tuple[list[Leg], list[Row]]:
    """When each training ran, a leg from pause to pause, and the workers that are its rows.

    Seconds count from when the first trial was given out, as far as that is known.
    """
    found = spans(tables)
    numbers, rows = rows_of(found)
    places = {trial: row for row, trial in enumerate(tables.trials["trial"])}
    free = [float("-inf")] * len(rows)
    legs = []
    for slot, one in zip(numbers, found.itertuples(), strict=True):
        waited = max(0.0, min(one.waited_s, one.begin - free[slot]))  # the worker was idle
        free[slot] = one.begin + one.seconds
        row = places[one.trial]
        seconds = (one.begin, one.seconds, waited, one.setup_s, one.trace_s, one.after_s)
        legs.append(Leg(row, int(one.fold), int(one.leg), slot, *map(float, seconds)))
    first = min((leg.begin - leg.waited for leg in legs), default=0.0)
    return [replace(leg, begin=leg.begin - first) for leg in legs], rows
