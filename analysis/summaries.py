"""What a study found and what it cost: a leaderboard, totals, cross-validation scores, pivots.

Each function takes the tables of `analysis.load` and returns a new DataFrame. Columns of the
trials table (`tuner.store.layout`) keep their names, dtypes and units.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.loading import Tables, params_of, the_study
from tuner.errors import ResultsError
from tuner.store.choice import Choice, Rule, choice_of
from tuner.store.confirmed import Confirmed, parse_confirmed
from tuner.store.layout import PARAM_PREFIX
from tuner.store.ranking import may_be_best
from tuner.trial.cells import State

BEST = {"maximize": "max", "minimize": "min"}
"""What pandas calls the best of several values, by direction."""


def summary(tables: Tables) -> pd.DataFrame:
    """The leaderboard: one row a trial, each study's best first, the unranked last.

    study            string
    rank             Int64, dense: 1 for the best value, equals share it, none is left out; null
                     without a value on all folds (a STOPPED trial may have one)
    trial            int64
    state            string
    value, value_std float64
    epochs           int64, trained, over all folds; what a shared training trained counts there
    epochs_saved     int64, that ending the trial early saved
    duration_s       float64, seconds of work over all folds
    param_<name>     as in the trials table
    """
    trials = tables.trials.copy()
    trials["rank"] = _ranks(tables)
    trials["epochs_saved"] = epochs_saved(tables)
    trials["epochs"] = trials["epochs"].where(trials["shared_with"].isna(), 0)
    columns = ["study", "rank", "trial", "state", "value", "value_std", "epochs", "epochs_saved"]
    columns += ["duration_s", *(PARAM_PREFIX + name for name in params_of(trials))]
    order = {name: index for index, name in enumerate(tables.studies["study"])}
    by_study = trials["study"].map(order)
    ordered = trials.assign(_study=by_study).sort_values(["_study", "rank", "trial"])
    return ordered[columns].reset_index(drop=True)


def overview(tables: Tables) -> pd.DataFrame:
    """One row a study: its states, its best trial, what it spent and saved.

    study         string
    metric, direction   string
    trials        int64
    COMPLETE, STOPPED, DIVERGED, FAILED, RUNNING   int64, trials in each state
    best_trial    Int64, by the study's own rule (its value, confirmed, one_se), the earliest of
                  equals; null if none has a rank
    best          float64, its value
    epochs        int64, trained
    epochs_saved  int64, that ending trials early saved
    epochs_shared int64, that grid points took over from another's training
    work_s        float64, seconds of work over all workers
    wall_s        float64, seconds from the first trial's start to the last one's end
    """
    trials = tables.trials
    rows = pd.DataFrame({"study": tables.studies["study"]}).set_index("study")
    rows[["metric", "direction"]] = tables.studies.set_index("study")[["metric", "direction"]]
    rows["trials"] = _total(pd.Series(1, index=trials.index), trials, rows.index)
    for state in State:
        rows[str(state)] = _total(trials["state"] == str(state), trials, rows.index)
    best = {name: _best(tables.only(name)) for name in rows.index}
    rows["best_trial"] = pd.Series({n: trial for n, (trial, _) in best.items()}, dtype="Int64")
    rows["best"] = pd.Series({n: value for n, (_, value) in best.items()}, dtype="float64")
    own = trials["shared_with"].isna()
    rows["epochs"] = _total(trials["epochs"].where(own, 0), trials, rows.index)
    rows["epochs_saved"] = _total(epochs_saved(tables), trials, rows.index)
    rows["epochs_shared"] = _total(trials["epochs"].where(~own, 0), trials, rows.index)
    rows["work_s"] = trials["duration_s"].where(own, 0.0).groupby(trials["study"]).sum()
    spans = (
        ended_at(tables).groupby(trials["study"]).max()
        - trials.groupby("study")["started_at"].min()
    )
    rows["wall_s"] = spans.dt.total_seconds()
    rows[["work_s", "wall_s"]] = rows[["work_s", "wall_s"]].fillna(0.0)
    return rows.reset_index()


def ended_at(tables: Tables) -> pd.Series:
    """When each trial ended: after its seconds of work, or, where it was paused in between, with
    its last report; in the order of the trials table."""
    trials = tables.trials
    worked = trials["started_at"] + pd.to_timedelta(trials["duration_s"].fillna(0.0), unit="s")
    keys = pd.MultiIndex.from_frame(trials[["study", "trial"]])
    last = tables.reports.groupby(["study", "trial"])["at"].max().reindex(keys)
    last = pd.to_datetime(last, utc=True).set_axis(trials.index)
    return worked.where(worked.isna() | ~(last > worked), last)


def cv_table(tables: Tables) -> pd.DataFrame:
    """Cross-validations as scikit-learn's `cv_results_` has them: one row a trial.

    study             string
    trial             int64
    param_<name>      as in the trials table
    split<i>_test_score                float64, of fold i; NaN where it was not finished
    mean_test_score, std_test_score    float64, over the folds (ddof 0); NaN if one is missing
    rank_test_score   int32, within the study: 1 for the best mean, equals share the better rank,
                      NaN ranks last

    A score is the searched metric as it was reported: where that is minimised, the lowest mean
    ranks first (scikit-learn would negate it). A diverged fold is NaN.
    """
    frames = [_cv_rows(tables.only(name)) for name in tables.studies["study"]]
    return pd.concat(frames, ignore_index=True)


def pivot(tables: Tables, index: str, columns: str, aggregate: str = "best") -> pd.DataFrame:
    """A grid of two parameters: the value over all trials that have one, by their values.

    Rows are the values of parameter `index`, columns those of `columns`, cells float64, NaN where
    no trial was. `aggregate` is "best", or any of pandas' ("mean", "median", "count", "std").
    Raises ResultsError for an unknown parameter, or studies that search different metrics.
    """
    for name in (index, columns):
        if name not in params_of(tables.trials):
            known = ", ".join(params_of(tables.trials))
            raise ResultsError(f"parameter {name!r} is not one of {known}")
    searched = tables.studies[["metric", "direction"]].drop_duplicates()
    if len(searched) != 1:
        raise ResultsError("the studies search different metrics; take one with tables.only(NAME)")
    if aggregate == "best":
        aggregate = BEST[searched["direction"].iloc[0]]
    named = {name: chosen(tables, name).rename(name) for name in (index, columns)}
    return tables.trials.assign(**named).pivot_table(
        index=index, columns=columns, values="value", aggfunc=aggregate
    )


def chosen(tables: Tables, name: str) -> pd.Series:
    """A parameter's column, with "None" where that is a choice: pandas would take it for no value.

    Of an axis with a condition a null stays one, since there it may not exist.
    """
    column = tables.trials[PARAM_PREFIX + name]
    axes = tables.studies.set_index("study")["space"].map(lambda text: json.loads(text).get(name))
    lists_none = {
        study: axis is not None and None in axis.get("choices", ()) and "when" not in axis
        for study, axis in axes.items()
    }
    none = column.isna() & tables.trials["study"].map(lists_none).astype(bool)
    return column.astype(object).mask(none, "None") if none.any() else column


def last_values(tables: Tables) -> pd.Series:
    """One study's value of each cell, by trial and fold: of its last epoch, or its best.

    Float64, with an index of `trial` and `fold`; the cells that were stopped are among them.
    """
    study = the_study(tables.studies)
    metric = study["metric"]
    if metric not in tables.reports:
        index = pd.MultiIndex.from_arrays([[], []], names=["trial", "fold"])
        return pd.Series([], index=index, dtype="float64")
    rule = BEST[study["direction"]] if study["value_rule"] == "best" else "last"
    reports = tables.reports.sort_values("epoch")
    cells = reports.groupby(["trial", "fold"])[metric]
    values = cells.agg(rule)
    if rule != "last":  # the folds of a trial have their best together, at the epoch of its value
        epoch = reports["trial"].map(tables.trials.set_index("trial")["best_epoch"])
        there = reports[reports["epoch"] == epoch].set_index(["trial", "fold"])[metric]
        values = there.reindex(values.index).fillna(values)
    # A cell that diverged has its best before; it has no score all the same.
    return values.where(cells.agg(lambda column: np.isfinite(column.iloc[-1])))


def best_first(values: pd.Series, direction: str, method: str) -> pd.Series:
    """Ranks of values, the best 1: pandas' `method`, NaN for NaN."""
    return values.rank(method=method, ascending=direction == "minimize")


def rungs(tables: Tables) -> list[int]:
    """The epochs before the last at which one study's scheduler judged, as the reports say it.

    A study of a version that did not keep them has those of successive halving, where its last
    epoch is known.
    """
    study = the_study(tables.studies)
    if not study["has_rungs"]:
        return []
    if tables.reports["rung"].notna().any():
        judged = sorted(map(int, tables.reports["rung"].dropna().unique()))
        return [rung for rung in judged if not rung >= study["epochs"]]
    if not np.isfinite(study["epochs"]):
        return []
    found = []
    rung = int(study["min_epochs"])
    while rung < study["epochs"]:
        found.append(rung)
        rung *= int(study["eta"])
    return found


def ranked(tables: Tables) -> pd.Series:
    """Whether each trial has a rank: a value on all of its folds. Bool, as the trials' index."""
    cells = tables.trials["study"].map(tables.studies.set_index("study")["cells"])
    return may_be_best(tables.trials, tables.reports, cells, by=("study", "trial"))


def _ranks(tables: Tables) -> pd.Series:
    minimized = tables.trials["study"].map(tables.studies.set_index("study")["direction"])
    losses = (
        tables.trials["value"]
        .where(minimized == "minimize", -tables.trials["value"])
        .where(ranked(tables))
    )
    return losses.groupby(tables.trials["study"]).rank(method="dense").astype("Int64")


def best_order(tables: Tables) -> pd.DataFrame:
    """One study's trials that have a rank, the best value first, the earliest of equals."""
    study, rows = the_study(tables.studies), tables.trials[ranked(tables)]
    losses = rows["value"] * (1.0 if study["direction"] == "minimize" else -1.0)
    return rows.assign(_loss=losses).sort_values(["_loss", "trial"]).drop(columns="_loss")


def choice(tables: Tables) -> Choice | None:
    """One study's best trial, by its own rule, as its run said it; None while none has a rank."""
    study = the_study(tables.studies)
    simplest = None if pd.isna(study["simplest"]) else str(study["simplest"])
    rule = Rule(study["choose"], simplest, int(study["cells"]))
    return choice_of(rule, best_order(tables), tables.reports, confirmed(study))


def confirmed(study: pd.Series) -> Confirmed | None:
    """What confirming a study has found; None where nobody has."""
    text = study["confirmed"]
    return None if pd.isna(text) else parse_confirmed(text.encode(), Path(study["path"]))


def _best(tables: Tables) -> tuple[int | None, float]:
    found = choice(tables)
    if found is None:
        return None, np.nan
    rows = tables.trials[tables.trials["trial"] == found.trial]
    return found.trial, float(rows["value"].iloc[0])


def epochs_saved(tables: Tables) -> pd.Series:
    """Epochs that each trial's early end saved: int64, with the index of the trials table."""
    trials = tables.trials
    studies = tables.studies.set_index("study")
    limit = trials["study"].map(studies["epochs"])
    if PARAM_PREFIX + "epochs" in trials:
        limit = trials[PARAM_PREFIX + "epochs"].astype("float64").fillna(limit)
    limit = limit * trials["study"].map(studies["cells"])
    early = trials["state"].isin([str(State.STOPPED), str(State.DIVERGED)])
    early &= trials["shared_with"].isna()
    if "why" in trials:  # another trial trains the epochs of one that was replaced
        early &= trials["why"].fillna("").eq("")
    saved = (limit - trials["epochs"]).where(early, 0.0)
    return saved.fillna(0.0).astype("int64")


def _total(values: pd.Series, trials: pd.DataFrame, studies: pd.Index) -> pd.Series:
    return values.groupby(trials["study"]).sum().reindex(studies, fill_value=0).astype("int64")


def _cv_rows(tables: Tables) -> pd.DataFrame:
    study = the_study(tables.studies)
    trials = tables.trials
    splits = last_values(tables).unstack("fold").reindex(trials["trial"])
    splits = splits.reindex(columns=range(study["cells"])).to_numpy(dtype="float64")
    rows = trials[["study", "trial", *(PARAM_PREFIX + n for n in params_of(trials))]].copy()
    scores = {f"split{fold}_test_score": splits[:, fold] for fold in range(study["cells"])}
    mean = splits.mean(axis=1)
    ranks = best_first(pd.Series(mean), study["direction"], "min")
    rank = ranks.fillna(ranks.notna().sum() + 1).to_numpy().astype("int32")
    moments = {"mean_test_score": mean, "std_test_score": splits.std(axis=1)}
    rows = rows.assign(**scores, **moments, rank_test_score=rank)
    return rows.reset_index(drop=True)
