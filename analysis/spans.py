"""When trainings ran, as their reports tell it."""

from __future__ import annotations

import pandas as pd

from analysis.loading import Tables


def spans(tables: Tables) -> pd.DataFrame:
    """When each cell that reported ran, a row a leg: columns trial, fold, state, begin, seconds.

    A leg goes from one pause to the next: between them nobody trained it.
    """
    trials = tables.trials[tables.trials["shared_with"].isna()].set_index("trial")
    reports = tables.reports[tables.reports["trial"].isin(trials.index)]
    reports = reports.sort_values(["trial", "fold", "epoch"])
    cells = [reports["trial"], reports["fold"]]
    begins = (reports["decision"] == "PAUSE").groupby(cells).shift(fill_value=False)
    leg = begins.groupby(cells).cumsum()
    before = reports["time_s"].groupby(cells).shift(fill_value=0.0)  # trained in earlier legs
    trained = reports["time_s"] - before.groupby([*cells, leg]).transform("first")
    began = reports["at"] - pd.to_timedelta(trained, unit="s")
    legs = reports.assign(began=began, leg=leg).groupby(["trial", "fold", "leg"])
    found = pd.DataFrame({"began": legs["began"].min(), "ended": legs["at"].max()})
    found = found.dropna().reset_index()
    return pd.DataFrame(
        {
            "trial": found["trial"],
            "fold": found["fold"],
            "state": found["trial"].map(trials["state"]),
            "begin": (found["began"] - found["began"].min()).dt.total_seconds(),
            "seconds": (found["ended"] - found["began"]).dt.total_seconds(),
        }
    )
