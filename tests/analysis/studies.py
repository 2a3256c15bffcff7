"""Study folders made on the simulated engine, shared by the tests of analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.loading import load as load_tables
from analysis.spans import rows_of, spans
from tests.brain import experiment, half_diverging, simulate
from tuner.engines.simulated import Curve
from tuner.experiment.loading import Loaded, Source
from tuner.results.results import Results, load
from tuner.store.study_json import describe


def saved(path: Path, curve: Curve = half_diverging, *, workers: int = 3, **fields: Any) -> Results:
    """A study's folder, made on the simulated engine."""
    path.mkdir(parents=True, exist_ok=True)
    settled = experiment(**fields)
    simulate(settled, curve, folder=path, workers=workers).ledger.disconnect()
    loaded = Loaded(settled, Source("object", "tests"))
    describe(loaded, settled, None, name=path.name).write(path)
    return load(path)


def timed(folder: Path) -> None:
    """Give a simulated study's tables the workers and phases that those of a real run have.

    A worker started for 4 s; of each trial's first second .3 went into its setup, .4 into tracing.
    """
    tables = load_tables(folder)
    legs = spans(tables)
    legs["worker"] = [str(100 + row) for row in rows_of(legs)[0]]
    first = legs.drop_duplicates("trial").set_index("trial")
    begins = first.drop_duplicates("worker").index
    trials = pd.read_parquet(folder / "trials.parquet")
    own = trials["shared_with"].isna()
    phases = {"setup_s": 0.3, "trace_s": 0.4, "train_s": trials["duration_s"] - 0.7}
    trials = trials.assign(**phases, worker=trials["trial"].map(first["worker"]))
    trials["waited_s"] = trials["trial"].isin(begins).map({True: 4.0, False: 0.1})
    trials.loc[~own, [*phases, "waited_s"]] = float("nan")
    trials.to_parquet(folder / "trials.parquet")
    part = folder / "reports.parquet" / "part-00001.parquet"
    reports = pd.read_parquet(part).sort_values(["trial", "fold", "epoch"])
    paused = (reports["decision"] == "PAUSE").groupby([reports["trial"], reports["fold"]])
    reports["leg"] = paused.shift(fill_value=False).astype(int)
    reports["leg"] = reports.groupby(["trial", "fold"])["leg"].cumsum()
    keys = ["trial", "fold", "leg"]
    named = reports.drop(columns="worker").merge(legs[[*keys, "worker"]], on=keys, how="left")
    named.drop(columns="leg").to_parquet(part)
