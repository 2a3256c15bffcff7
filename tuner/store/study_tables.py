"""The tables of a study's folder, and its best trial, as all that looks at one reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import ResultsError
from tuner.search_space.space import SearchSpace
from tuner.store.choice import Choice, Rule, choice_of
from tuner.store.confirmed import Confirmed, read_confirmed
from tuner.store.damage import reading
from tuner.store.fronts import check_several, front_of, growth_of
from tuner.store.layout import PARAM_PREFIX, REPORTS_FOLDER, TRIALS_FILE
from tuner.store.ranking import may_be_best
from tuner.store.schedules import schedule_of
from tuner.store.study_json import StudyFile
from tuner.store.uris import is_uri


@dataclass(frozen=True)
class StudyTables:
    """What a study's folder holds.

    `study` is study.json, field by field; `trials` has one row a trial and `reports` one row a
    report, with the columns of `tuner.store.layout` (times in seconds, memory in MB).
    """

    path: Path
    study: StudyFile
    trials: pd.DataFrame
    reports: pd.DataFrame

    @cached_property
    def best_row(self) -> pd.Series | None:
        """The row of the best trial (the earliest of equals); None if there is none.

        As a run itself says it: the best of all that have a value on all of their folds, stopped
        ones too; by the rule of `choice`.
        """
        if self.choice is None:
            return None
        with reading(self.path):
            of = self.ranked()
            return of[of["trial"] == self.choice.trial].iloc[0]

    @cached_property
    def choice(self) -> Choice | None:
        """Which trial is the best, by what rule and why; None if there is none."""
        with reading(self.path):
            asked = self.study.experiment
            rule = Rule(asked.choose, asked.simplest, asked.cells)
            return choice_of(rule, self.ranked().query("ranks"), self.reports, self.confirmed)

    @cached_property
    def confirmed(self) -> Confirmed | None:
        """What confirming the best trials has found: `table`, and in words `lines()`.

        None where the study was not confirmed.
        """
        return read_confirmed(self.path)

    def ranked(self) -> pd.DataFrame:
        """The trials, the best first; behind those that rank (bool `ranks`) the others."""
        experiment = self.study.experiment
        cells = pd.Series(experiment.cells, index=self.trials.index)
        ranks = may_be_best(self.trials, self.reports, cells)
        return self.trials.assign(ranks=ranks).sort_values(
            ["ranks", "value", "trial"],
            ascending=[False, experiment.direction == "minimize", True],
            na_position="last",
        )

    def pareto_front(self) -> pd.DataFrame:
        """The trials that no other one beats in all goals, the best of the first goal first.

        Infeasible ones are not among them. Raises ResultsError for a study of one goal.
        """
        check_several(self.study.experiment.directions)
        with reading(self.path):
            rows = self.ranked().query("ranks").drop(columns="ranks")
            return front_of(rows, self.study.experiment.directions).reset_index(drop=True)

    def hypervolume(self, reference: Sequence[float] | None = None) -> pd.DataFrame:
        """`hypervolume` after each `trial`: the share of a box that the trials so far dominate.

        The box goes from the best of each goal to `reference`, or to the worst of each goal. Raises
        ResultsError for a study of one goal.
        """
        check_several(self.study.experiment.directions)
        with reading(self.path):
            rows = self.ranked().query("ranks")
            return growth_of(rows, self.study.experiment.directions, reference)

    def schedule(self, trial: int | None = None) -> pd.DataFrame:
        """What the best trial, or another, lived through: `trial`, `from_epoch`, `to_epoch`, `seed`
        and parameters, a row for each trial that trained a part of its weights (`pbt`).

        Raises ResultsError where there is no such trial.
        """
        with reading(self.path):
            if trial is None:
                if self.best_row is None:
                    raise ResultsError(f"no trial of {self.path} has a value to choose it by")
                trial = int(self.best_row["trial"])
            return schedule_of(self.trials, trial)

    @property
    def best_params(self) -> dict[str, Any]:
        """The best trial's parameters, those it has; empty if there is no best trial."""
        with reading(self.path):
            return {} if self.best_row is None else self.params(int(self.best_row["trial"]))

    def params(self, trial: int) -> dict[str, Any]:
        """A trial's parameters as the training function saw them."""
        with reading(self.path):
            rows = self.trials[self.trials["trial"] == trial]
            if rows.empty:
                raise ResultsError(
                    f"{self.path} has no trial {trial}; it has 0 to {len(self.trials) - 1}"
                )
            return row_params(self.study.settled_space(), rows.iloc[0])


def read_study(path: str | Path) -> StudyTables:
    """A study's folder, or its URI (fetched to this machine's cache).

    Raises ResultsError where it is not a study's, or a table is broken.
    """
    folder = Path(path)
    if is_uri(str(path)):
        from tuner.store.copying import local_copy

        folder = local_copy(str(path))
    with reading(folder):
        study = StudyFile.read(folder)
        return StudyTables(
            path=folder,
            study=study,
            trials=_read(folder / TRIALS_FILE),
            reports=_read(folder / REPORTS_FOLDER),
        )


def row_params(space: SearchSpace, row: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a row of the trials table as the training function saw them."""
    labels = {name: row[PARAM_PREFIX + name] for name in space}
    return space.decode({name: None if pd.isna(v) else v for name, v in labels.items()})


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise ResultsError(f"{path} is missing; run the study again with `resume`") from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ResultsError(
            f"{path} cannot be read ({reason}); `resume` writes it anew from the ledger"
        ) from None
