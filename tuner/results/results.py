"""The object that a user gets back: a study's tables, its best trial and model, plots, a report."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import ResultsError, StudyError
from tuner.gain import MORE, expected_gain
from tuner.results.shown_html import html_of
from tuner.shown import shown
from tuner.store.choice import BY_VALUE
from tuner.store.damage import reading
from tuner.store.one_se import simplest_of_equals
from tuner.store.study_tables import StudyTables, read_study
from tuner.store.uris import is_uri

if TYPE_CHECKING:
    import keras
    import pandas as pd
    import plotly.graph_objects as go

    from tuner.experiment.experiment import Experiment
    from tuner.models.refit import Refit


@dataclass(frozen=True)
class Best:
    """The best trial: its value, at which epoch it had it, its parameters, and what became of it.

    `epoch` is None where the folds' values are of several epochs.
    """

    trial: int
    value: float
    params: dict[str, Any]
    state: str
    epoch: int | None


@dataclass(frozen=True)
class Results(StudyTables):
    """A study's results.

    `study` is study.json, field by field; `trials` has one row a trial and `reports` one row a
    report, with the columns of `tuner.store.layout` (times in seconds, memory in MB). `experiment`
    is the one that ran, where it was made in memory, and `uri` where the study lies, of which
    `path` is this machine's copy then.
    """

    experiment: Experiment | None = None
    uri: str | None = None

    @cached_property
    def best(self) -> Best | None:
        """The best trial, the earliest of equals, as a run itself says it: the best of all that
        have a value on all of their folds, stopped ones too. None if there is none.

        Where leaders were confirmed it is the best of their means, with `choose="one_se"` the
        simplest of the equals: `choice` says by what rule, and why."""
        with reading(self.path):
            return None if self.best_row is None else _best(self, self.best_row)

    def one_se(self, simplest: str | None = None) -> Best:
        """The simplest trial within one standard error of the best, for `refit(trial=...)`.

        In a cross-validation, or with repeats; `choose="one_se"` makes it the `best`. `simplest`
        names a parameter or a metric of which less is simpler (-NAME: more). Without it, and
        without the study's own, the simplest has the fewest `parameters`, where trials report them
        (`trial.model_stats`), else it has trained the fewest epochs.
        """
        asked = self.study.experiment
        with reading(self.path):
            ranked = self.ranked().query("ranks")
            by = simplest or asked.simplest
            found = simplest_of_equals(ranked, self.reports, asked.cells, by)
            return _best(self, ranked[ranked["trial"] == found.trial].iloc[0])

    def best_model(self) -> keras.Model:
        """The best trial's network as its best epoch left it, without training again.

        It is not compiled. Raises StudyError where no weights were kept: of what is no Keras model,
        say, or with `keep_models=0`.
        """
        from tuner.models.kept import kept_model

        return kept_model(self._place)

    def expected_gain(self, trials: int = MORE) -> float:
        """By how much so many more trials of the search would better its best value, about.

        Infinite where it has too few values to say. Raises StudyError for what is no search of one
        metric.
        """
        study = self.study.experiment
        if study.mode != "search" or len(study.directions) > 1:
            raise StudyError(
                f"{self.path} is not a search of one metric, and what more of it would gain is "
                "not known",
                field="expected_gain",
            )
        rows = self.trials[self.trials["state"].isin(["COMPLETE", "STOPPED", "DIVERGED"])]
        losses = rows["value"] * (1 if study.direction == "minimize" else -1)
        lost = rows["state"].eq("DIVERGED")
        if "feasible" in rows:
            lost |= rows["feasible"].eq(False)
        return expected_gain(losses.mask(lost, math.inf).dropna().tolist(), trials)

    def refit(self, **options: Any) -> Refit:
        """Train the best trial, or another, on all training data, and test it.

        The options are those of `tuner.models.refit.refit`: trial, params, epochs, seed, data ...
        """
        from tuner.models.refit import refit

        place = self.uri or self._place
        return refit(place, **{"experiment": self.experiment, **options})

    def test_score(self, *, data: str | None = None, trust: bool = False) -> dict[str, float]:
        """What `best_model` scores on the test part, which the search has not seen.

        The names are those of a refit's metrics: `loss` and the declared metrics, `accuracy` for
        classes, and `r2`.
        """
        from tuner.models.kept import kept_scores

        return kept_scores(self._place, experiment=self.experiment, data=data, trust=trust)

    def plot(self, kind: str = "history", **options: Any) -> go.Figure:
        """A figure of the study (Plotly's): "history", "curves", "importance", "parallel", ...

        Raises ResultsError for an unknown kind, with those that there are.
        """
        from tuner.results.plot import plot

        return plot(self._place, kind, **options)

    def report(self, out: str | Path | None = None) -> Path:
        """Write the report, one HTML file; its path. It lies in the study's folder, or at `out`."""
        from analysis.report import write_report

        return write_report([self._place], None if out is None else Path(out))

    @property
    def _place(self) -> Path:
        """The study's folder. Raises ResultsError where it is there no more."""
        if not self.path.is_dir():
            raise ResultsError(
                f"the study is no longer in {self.path}; its tables are here as they were read",
                way_out="load it where it lies now; a TunerSearchCV keeps its study with `results`",
            )
        return self.path

    def __repr__(self) -> str:
        states = self.trials["state"].value_counts()
        counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        name, best = self.study.name, self.best
        if best is None:
            found = f"no best trial{_first_failure(self.trials)}"
            return shown(f"Results({name!r}, {counts or 'no trial yet'}, {found})", keep="")
        metric = self.study.experiment.metric
        by = "" if self.choice is None or self.choice.by == BY_VALUE else f", {self.choice.by}"
        found = f"best {metric} {best.value:.4g} (trial {best.trial}{by})"
        return shown(f"Results({name!r}, {counts}, {found})", keep="")

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, the five best trials, the search's course."""
        with reading(self.path):
            return html_of(self)


def _first_failure(trials: pd.DataFrame) -> str:
    """Why the first trial that failed did, in a line; empty where none did."""
    from analysis.facts.words import last_line

    for row in trials[trials["error"].notna()].to_dict("records"):
        if line := last_line(row["error"]):
            return f"; trial {row['trial']}: {line}"
    return ""


def _best(tables: StudyTables, row: pd.Series) -> Best:
    """A row of the trials table, as a Best."""
    trial, epoch = int(row["trial"]), row.get("best_epoch")
    known = epoch is not None and epoch == epoch  # else null
    return Best(
        trial=trial,
        value=float(row["value"]),
        params=tables.params(trial),
        state=str(row["state"]),
        epoch=int(epoch) if known else None,
    )


def load(path: str | Path, experiment: Experiment | None = None) -> Results:
    """Load a study's folder, or its URI (fetched to this machine's cache).

    `experiment` is the one that ran, where it was made in memory and is to be refitted. Raises
    ResultsError where it is not a study's, or a table is broken.
    """
    tables = read_study(path)
    known = {field.name: getattr(tables, field.name) for field in fields(tables)}
    uri = str(path) if is_uri(str(path)) else None
    return Results(**known, experiment=experiment, uri=uri)
