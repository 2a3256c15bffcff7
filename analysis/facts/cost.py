"""Where the time and the epochs went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.loading import Tables, the_study
from analysis.spans import spans
from analysis.summaries import epochs_saved, overview
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

    `to_start_s` went by between the study's making and its first trial.
    """

    states: Sequence[StateCost]
    trained: int
    saved: int
    shared: int
    work_s: float
    wall_s: float
    to_start_s: float


@dataclass(frozen=True)
class Leg:
    """A stretch of a trial's training in seconds since the first began; `slot` counts from 0."""

    row: int
    fold: int
    slot: int
    begin: float
    seconds: float


def cost(tables: Tables) -> Cost:
    """What a study cost, in all and by state; a shared training counts once."""
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
    )


def timeline(tables: Tables) -> list[Leg]:
    """When each training ran, a leg from pause to pause, in slots of ones that follow another."""
    found = spans(tables)
    rows = {trial: row for row, trial in enumerate(tables.trials["trial"])}
    if found.empty:
        found = _by_trials(tables)
    free: list[float] = []
    legs = []
    for one in found.sort_values(["begin", "trial", "fold"]).itertuples():
        slot = next((i for i, end in enumerate(free) if end <= one.begin + 1e-3), len(free))
        free[slot : slot + 1] = [one.begin + one.seconds]
        row = rows.get(one.trial)
        if row is not None:
            legs.append(Leg(row, int(one.fold), slot, float(one.begin), float(one.seconds)))
    return legs


def _by_trials(tables: Tables) -> pd.DataFrame:
    """The trials' own times, where no report has one."""
    trials = tables.trials[tables.trials["started_at"].notna()]
    begin = (trials["started_at"] - trials["started_at"].min()).dt.total_seconds()
    seconds = trials["duration_s"].fillna(0.0)
    return pd.DataFrame({"trial": trials["trial"], "fold": 0, "begin": begin, "seconds": seconds})
