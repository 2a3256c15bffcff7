"""Confirm a winner: the best trials of a study trained again, on new splits and seeds.

The best of many noisy values is better than it will be again: the more trials, the more of its lead
is luck. So the leaders are trained anew, each on the same new splits, and compared by the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import ExperimentError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.trust import Ask, check_trust
from tuner.runner.display import Display
from tuner.runner.request import Request
from tuner.runner.resolve import load_asked
from tuner.runner.run import run_study
from tuner.search_space.axes import Constant, Int
from tuner.search_space.space import SearchSpace
from tuner.store.layout import PARAM_PREFIX, STUDY_FILE
from tuner.store.study_json import FUNCTION
from tuner.store.study_tables import StudyTables, read_study

SUFFIX = "confirmed"
SURE = 0.95
"""Two trials are tied where an interval of this confidence for their difference holds zero."""


@dataclass(frozen=True)
class Confirmed:
    """The leaders of a study, trained again.

    `table` has a row a leader, the best mean first: `trial`, its number in the study confirmed;
    `value`, what the study said; `mean`, `std` (ddof 1) and `stderr` of its `trainings`; `tied`,
    whether it cannot be told from the first one. `path` is the folder of the new study.
    """

    path: Path
    metric: str
    table: pd.DataFrame

    @property
    def best(self) -> int:
        """The trial of the best mean."""
        return int(self.table["trial"].iloc[0])

    def lines(self) -> list[str]:
        """What was found, in words."""
        first = self.table.iloc[0]
        lines = [
            f"trial {int(row.trial)}: validation said {self.metric} {row.value:.4f}, "
            f"{row.trainings} new trainings {row.mean:.4f} +- {row.stderr:.4f}"
            for row in self.table.itertuples()
        ]
        tied = [str(int(row.trial)) for row in self.table.iloc[1:].itertuples() if row.tied]
        also = f"; not to be told from it: {', '.join(tied)}" if tied else ""
        return [*lines, f"best: trial {int(first['trial'])}{also}"]


def confirm(
    path: str | Path,
    *,
    top: int = 3,
    seeds: int = 5,
    seed: int | None = None,
    experiment: Experiment | None = None,
    trust: bool = False,
    ask: Ask | None = None,
    display: Display | None = None,
    concurrency: int | None = None,
) -> Confirmed:
    """Train the `top` best trials of a study again, each on `seeds` new splits and seeds.

    They train as many epochs as the best of each had, and are compared by their last. The trainings
    are a study of their own, beside the first, named NAME-confirmed; `seed` is its seed (None: the
    first one's and 1). Code that the study names is run as `refit` does; a study of an Experiment
    made in memory needs that `experiment`. Raises StudyError where fewer than `top` trials have a
    value.
    """
    for name, given, least in (("top", top, 1), ("seeds", seeds, 2)):
        if isinstance(given, bool) or not isinstance(given, int) or given < least:
            raise ExperimentError(
                f"{given!r} must be a whole number of {least} or more", field=name
            )
    results = read_study(path)
    leaders = results.ranked().query("ranks").head(top)
    if len(leaders) < top:
        raise StudyError(
            f"{results.path} has {len(leaders)} trials with a value",
            field="top",
            way_out=f"confirm {len(leaders)}" if len(leaders) else "run it first",
        )
    if experiment is None:
        check_trust(results.study.source, results.path, trust=trust, ask=ask)
    reference = _reference(results) if experiment is None else experiment
    declared = load_asked(reference, {}).experiment
    space = _space(results, declared)
    overrides: dict[str, Any] = {
        **_kept_options(results),
        "mode": "search",
        "space": space,
        "first": [_point(results, int(trial), space) for trial in leaders["trial"]],
        "trials": top,
        "repeats": seeds,
        "sampler": "random",
        "scheduler": "none",
        "learn_from": None,
        "value": "last",
        "stop": "trials",
        "seed": results.study.experiment.seed + 1 if seed is None else seed,
        **({} if concurrency is None else {"concurrency": concurrency}),
    }
    name = f"{results.path.name}-{SUFFIX}"
    parent = str(results.path.parent)
    request = Request(reference, results=parent, study=name, overrides=overrides)
    finished = run_study(request, display or Display(None))
    table = _compared(leaders, read_study(finished.path))
    return Confirmed(finished.path, results.study.experiment.metric, table)


def confirmed(results: StudyTables) -> Confirmed | None:
    """What confirming a study has found, by the study beside it; None where nobody has.

    Raises StudyError where the trials of the study beside it are not of this one.
    """
    path = results.path.parent / f"{results.path.name}-{SUFFIX}"
    if not (path / STUDY_FILE).is_file():
        return None
    again = read_study(path)
    table = _compared(_leaders(results, again), again)
    return Confirmed(path, results.study.experiment.metric, table)


def _leaders(results: StudyTables, again: StudyTables) -> pd.DataFrame:
    """The trials that were trained again, in that order: the best of those with their points."""
    ranks = results.ranked().query("ranks")
    names = [
        name
        for name in again.trials
        if name.startswith(PARAM_PREFIX) and name != f"{PARAM_PREFIX}epochs"
    ]
    found = []
    for row in again.trials.sort_values("trial").to_dict("records"):
        equal = pd.Series(True, index=ranks.index)
        for name in names:
            equal &= ranks[name].isna() if pd.isna(row[name]) else ranks[name].eq(row[name])
        if not equal.any():
            raise StudyError(
                f"{again.path} trains a point that no trial with a value of {results.path} has",
                field="confirmed",
                way_out="rename it, and confirm the study anew",
            )
        found.append(ranks[equal].head(1))
    return pd.concat(found)


def _reference(results: StudyTables) -> str:
    """The experiment of a study, as the command line takes it."""
    source = results.study.source
    if source.kind == "object":
        raise ExperimentError(
            f"{results.path} is a study of an Experiment made in memory",
            field="experiment",
            way_out="give it: confirm(path, experiment=...)",
        )
    return source.where if source.kind == "file" else f"{source.where}:{source.attribute}"


def _kept_options(results: StudyTables) -> dict[str, Any]:
    """The options that the study ran with; data that a function made are its file's again."""
    options = results.study.experiment.without_code()
    if options["dataset"] == FUNCTION:
        del options["dataset"]
    return options


def _space(results: StudyTables, declared: Experiment) -> SearchSpace:
    """The space that was searched, with epochs of each leader's own and no default to try."""
    own = SearchSpace(declared.space)
    space = results.study.settled_space(like=own)
    axis = own.get("epochs")
    if isinstance(axis, Int):  # it was the budget
        space = space.replace({"epochs": axis})
    return space.without_defaults()


def _point(results: StudyTables, trial: int, space: SearchSpace) -> dict[str, Any]:
    """A leader's parameters, and the epochs of its best where the space has them."""
    point = results.params(trial)
    axis = space.get("epochs")
    if isinstance(axis, Int):
        best = results.trials.set_index("trial").loc[trial, "best_epoch"] or point["epochs"]
        point["epochs"] = min(max(int(best), axis.low), axis.high)
    return {name: value for name, value in point.items() if not isinstance(space[name], Constant)}


def _compared(leaders: pd.DataFrame, again: StudyTables) -> pd.DataFrame:
    """The table of a Confirmed; the trials of the new study are the leaders in their order."""
    metric, minimize = again.study.experiment.metric, again.study.experiment.direction == "minimize"
    last = again.reports.sort_values("epoch").groupby(["trial", "fold"])[metric].last().unstack()
    values = last.reindex(range(len(leaders)))
    counted = values.count(axis=1)
    table = pd.DataFrame(
        {
            "trial": leaders["trial"].to_numpy(),
            "value": leaders["value"].to_numpy(),
            "mean": values.mean(axis=1),
            "std": values.std(axis=1),
            "stderr": values.std(axis=1) / np.sqrt(counted),
            "trainings": counted,
        }
    )
    if counted.min() < 2:
        failed = ", ".join(str(t) for t in table.loc[counted < 2, "trial"])
        raise StudyError(
            f"{again.path}: of trial {failed} fewer than two new trainings have a value"
        )
    order = table["mean"].sort_values(ascending=minimize).index
    best = values.loc[order[0]]
    others = [row for row in table.index if row != order[0]]
    table["tied"] = [row in others and _tied(values.loc[row] - best) for row in table.index]
    return table.loc[order].reset_index(drop=True)


def _tied(differences: pd.Series) -> bool:
    """Whether paired differences, on the same splits, leave open which is better (Student's t)."""
    from scipy import stats

    known = differences.dropna()
    if len(known) < 2 or not known.any():
        return True
    within = stats.t.ppf((1 + SURE) / 2, len(known) - 1) * known.std() / np.sqrt(len(known))
    return bool(abs(known.mean()) <= within)
