"""Who won, by how much, and who ties with the winner within noise."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from analysis.facts.fidelity import Course
from analysis.loading import Tables, the_study
from analysis.summaries import best_order, choice, confirmed, last_values
from tuner.store.choice import BY_CONFIRMING
from tuner.store.confirmed import Again

SURE = 0.95
"""The confidence of a tie's interval."""
VALIDATION = 0.2
"""The part of the training data that a search validates on (the split's)."""


@dataclass(frozen=True)
class Noise:
    """How far apart two values may lie by chance (`half`), and what that rests on."""

    half: float
    basis: str


@dataclass(frozen=True)
class Winner:
    """Places are rows of the trials table; `order` has all that have a rank, the best value first.

    `lead` is how much better the winner is than the next; `ties` are within noise of it. `why` is
    the reason where another rule than the value made it the best, `confirmed` what came of the
    leaders when they were trained again, the best mean first.
    """

    best: int
    order: Sequence[int]
    lead: float | None
    noise: Noise | None
    ties: Sequence[int] = field(default_factory=list)
    why: str = ""
    confirmed: Sequence[Again] = ()

    @property
    def next(self) -> int | None:
        """The row of the second best."""
        return self.order[1] if len(self.order) > 1 else None


def samples(study: pd.Series) -> int | None:
    """How many samples a value was measured on; None without a dataset that tuner knows."""
    data = json.loads(study["data"])
    if not data:
        return None
    if study["mode"] == "cv":
        return int(data["train"] // study["folds"])
    return int(
        data["test"] if study["validation"] == "test" else math.ceil(VALIDATION * data["train"])
    )


def winner(tables: Tables, of: Course) -> Winner | None:
    """The best trial, by the study's own rule; None while none has a rank."""
    study, trials = the_study(tables.studies), tables.trials
    losses = trials["value"] * (-1.0 if study["direction"] == "maximize" else 1.0)
    chosen = choice(tables)
    if chosen is None:
        return None
    order = [trials.index.get_loc(label) for label in best_order(tables).index]
    best = int(np.flatnonzero(trials["trial"] == chosen.trial)[0])
    again = confirmed(study)
    said = () if again is None else again.rows
    if chosen.by == BY_CONFIRMING and again is not None:
        tied = [row for row in order if trials["trial"].iloc[row] in again.tied]
        return Winner(best, order, None, None, tied, chosen.why, said)
    lead = float(losses.iloc[order[1]] - losses.iloc[best]) if len(order) > 1 else None
    if study["mode"] == "cv" and study["cells"] > 1:
        noise, ties = _over_folds(tables, [best, *(row for row in order if row != best)])
    else:
        noise = _of_accuracy(study, float(trials["value"].iloc[best])) or _wobble(of, best)
        half = 0.0 if noise is None else noise.half
        close = losses.to_numpy() - losses.iloc[best] <= half
        ties = [row for row in order if close[row] and row != best] if noise else []
    return Winner(best, order, lead, noise, ties, chosen.why, said)


def fold_values(tables: Tables, rows: Sequence[int]) -> np.ndarray:
    """Float64 [rows, cells]: the value of each fold, NaN of one that was not finished."""
    study = the_study(tables.studies)
    trials = tables.trials["trial"].iloc[list(rows)]
    found = last_values(tables).unstack("fold").reindex(trials)
    values: np.ndarray = found.reindex(columns=range(int(study["cells"]))).to_numpy(float)
    return values


def _over_folds(tables: Tables, order: Sequence[int]) -> tuple[Noise | None, list[int]]:
    """Paired t over the folds, with the variance corrected for their common training data.

    Nadeau, Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
    """
    study = the_study(tables.studies)
    values = fold_values(tables, order) * (1.0 if study["direction"] == "maximize" else -1.0)
    halves, ties = [], []
    for row, theirs in zip(order[1:], values[1:], strict=True):
        gaps = (values[0] - theirs)[np.isfinite(values[0] - theirs)]
        if len(gaps) < 2:
            continue
        error = gaps.std(ddof=1) * math.sqrt(1 / len(gaps) + 1 / (study["folds"] - 1))
        halves.append(float(stats.t.ppf((1 + SURE) / 2, len(gaps) - 1)) * error)
        if gaps.mean() <= halves[-1]:
            ties.append(row)
    if not halves:
        return None, []
    basis = f"95%, fold by fold over {len(values[0])}, corrected for what folds share"
    return Noise(float(np.median(halves)), basis), ties


def _of_accuracy(study: pd.Series, best: float) -> Noise | None:
    """Two accuracies on n samples. Agresti, Coull, The American Statistician 52, 1998."""
    n = samples(study)
    if n is None or "acc" not in study["metric"] or not 0 < best <= 1:
        return None
    share = (best * n + 2) / (n + 4)  # an interval at 0 and at 1 too
    half = 1.96 * math.sqrt(2 * share * (1 - share) / (n + 4))
    return Noise(half, f"95%, two accuracies on {n} validation samples")


def _wobble(of: Course, best: int) -> Noise | None:
    last = of.last[best]
    if last < 4:
        return None
    tail = of.values[best, max(0, last - max(3, last // 4)) : last + 1]
    steps = np.diff(tail[np.isfinite(tail)])
    if len(steps) < 2 or not steps.std(ddof=1) > 0:
        return None
    half = 1.96 * float(steps.std(ddof=1))
    return Noise(half, "the winner's own wobble in its last epochs; the seed's luck is not in it")
