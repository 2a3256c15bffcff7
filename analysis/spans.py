"""When trainings ran, on which worker, and what their time went into."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.loading import Tables

SLACK, MOST_SLACK_S = 0.2, 1.0
"""Reports take their time to arrive: by such a share of a leg's length, and so many seconds at
most, two legs of one worker may seem to overlap that followed each other."""
MOST_ROWS = 32
"""Workers that have a row each."""


@dataclass(frozen=True)
class Row:
    """A row of a timeline: its short name, and the worker that it is of, empty where none is known.

    A worker that trains several at once (in lanes) has several rows. Where no worker is known the
    rows are slots, worked out from the times.
    """

    name: str
    worker: str


def spans(tables: Tables) -> pd.DataFrame:
    """When each cell ran, a row a leg, in the order in which they began; the columns are

    trial, fold  int64
    leg          int64, from 0: a leg goes from one pause to the next, between them nobody trained
    state        string, the trial's
    worker       string, "number on host", empty where it is not known
    begin        float64, seconds since the first leg began
    seconds      float64, how long it ran
    waited_s     float64, how long the trial waited for its worker before that
    setup_s, trace_s, after_s   float64, what of `seconds` came before it trained, and after

    The last four are known of trials of one cell, and 0 elsewhere; after_s follows the last report.
    A trial that ended without a report has one leg.
    """
    trials = tables.trials[tables.trials["shared_with"].isna()].set_index("trial")
    found = _reported(tables.reports[tables.reports["trial"].isin(trials.index)])
    silent = _unreported(trials.drop(index=found["trial"].unique()))
    found = pd.concat([one for one in (found, silent) if len(one)] or [found], ignore_index=True)
    of = trials.reindex(found["trial"]).reset_index(drop=True)
    whole = found.groupby("trial")["fold"].transform("nunique") == 1
    first = whole & (found["leg"] == 0)
    last = whole & (found["leg"] == found.groupby("trial")["leg"].transform("max"))
    last &= of["state"] != "RUNNING"
    phases = {
        **{name: of[name].where(first) for name in ("waited_s", "setup_s", "trace_s")},
        "after_s": (of["duration_s"] - found["trained_s"]).where(last),
    }
    phases = {name: known.fillna(0.0).clip(lower=0.0) for name, known in phases.items()}
    seconds = (found["ended"] - found["began"]).dt.total_seconds() + phases["after_s"]
    table = pd.DataFrame(
        {
            "trial": found["trial"].astype("int64"),
            "fold": found["fold"].astype("int64"),
            "leg": found["leg"].astype("int64"),
            "state": of["state"],
            "worker": _workers(
                found["worker"].where(found["worker"].notna(), of["worker"]), of["host"]
            ),
            "begin": (found["began"] - found["began"].min()).dt.total_seconds(),
            "seconds": seconds,
            **phases,
        }
    )
    return table.sort_values(["begin", "trial", "fold"], ignore_index=True)


def rows_of(found: pd.DataFrame) -> tuple[list[int], list[Row]]:
    """Of each leg of `spans` the number of its row in a timeline, and the rows.

    More than MOST_ROWS workers (as of trials that each have a process of their own) share slots.
    """
    share = found["worker"].nunique() > MOST_ROWS
    free: dict[str, list[float]] = {}
    places: list[tuple[str, int]] = []
    for leg in found.itertuples():
        worker = "" if share else leg.worker
        ends = free.setdefault(worker, [])
        slack = min(SLACK * leg.seconds, MOST_SLACK_S) if leg.worker else 0.0
        begin = leg.begin + slack + 1e-3
        place = next((i for i, end in enumerate(ends) if end <= begin), len(ends))
        ends[place : place + 1] = [leg.begin + leg.seconds]
        places.append((worker, place))
    rows: dict[tuple[str, int], Row] = {}
    for number, (worker, ends) in enumerate(free.items(), 1):
        for place in range(len(ends)):
            lane = f", lane {place + 1}" if len(ends) > 1 else ""
            name = f"worker {number}{lane}" if worker else f"slot {place}"
            rows[worker, place] = Row(name, worker)
    number_of = {key: at for at, key in enumerate(rows)}
    return [number_of[key] for key in places], list(rows.values())


def _reported(reports: pd.DataFrame) -> pd.DataFrame:
    """The legs of cells that reported: trial, fold, leg, began, ended, worker, trained_s."""
    reports = reports.sort_values(["trial", "fold", "epoch"])
    cells = [reports["trial"], reports["fold"]]
    begins = (reports["decision"] == "PAUSE").groupby(cells).shift(fill_value=False)
    leg = begins.groupby(cells).cumsum()
    before = reports["time_s"].groupby(cells).shift(fill_value=0.0)  # trained in earlier legs
    trained = reports["time_s"] - before.groupby([*cells, leg]).transform("first")
    began = reports["at"] - pd.to_timedelta(trained, unit="s")
    legs = reports.assign(began=began, leg=leg).groupby(["trial", "fold", "leg"])
    found = {
        "began": legs["began"].min(),
        "ended": legs["at"].max(),
        "worker": legs["worker"].first(),
        "trained_s": legs["time_s"].max(),
    }
    return pd.DataFrame(found).dropna(subset=["began", "ended"]).reset_index()


def _unreported(trials: pd.DataFrame) -> pd.DataFrame:
    """The same of trials that have no report with a time, and ended."""
    silent = trials[trials["started_at"].notna() & (trials["duration_s"] > 0)]
    return pd.DataFrame(
        {
            "trial": silent.index,
            "fold": 0,
            "leg": 0,
            "began": silent["started_at"],
            "ended": silent["started_at"] + pd.to_timedelta(silent["duration_s"], unit="s"),
            "worker": silent["worker"],
            "trained_s": silent["duration_s"],
        }
    )


def _workers(number: pd.Series, host: pd.Series) -> list[str]:
    """The workers' names; empty where several are named, as a trial of folds does.

    The host of a trial in flight is not in the tables yet: it is the one that other trials of a
    worker of this number name, if they agree.
    """
    numbers = ["" if pd.isna(one) or "," in one else str(one) for one in number]
    hosts = ["" if pd.isna(one) else str(one) for one in host]
    seen: dict[str, set[str]] = {}
    for one, at in zip(numbers, hosts, strict=True):
        if at:
            seen.setdefault(one, set()).add(at)
    named = []
    for one, at in zip(numbers, hosts, strict=True):
        known = seen.get(one, set())
        at = at or ("".join(known) if len(known) == 1 else "")
        named.append(f"{one} on {at}" if one and at else one)
    return named
