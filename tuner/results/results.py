"""Results as users read them: the tables of a study's folder, and its best trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import ResultsError
from tuner.search_space.space import SearchSpace
from tuner.store.damage import reading
from tuner.store.layout import PARAM_PREFIX, REPORTS_FOLDER, TRIALS_FILE
from tuner.store.study_json import read_study_json
from tuner.store.uris import is_uri


@dataclass(frozen=True)
class Results:
    """A study's results.

    `study` is study.json; `trials` has one row a trial and `reports` one row a report, with the
    columns of `tuner.store.layout` (times in seconds, memory in MB).
    """

    path: Path
    study: dict[str, Any]
    trials: pd.DataFrame
    reports: pd.DataFrame

    @cached_property
    def best(self) -> pd.Series | None:
        """The row of the best trial (the earliest of equals); None if there is none.

        As a run itself says it: in a search the best of all that have a value, stopped ones too;
        where every point gets all its epochs, the best COMPLETE one.
        """
        with reading(self.path):
            experiment = self.study["experiment"]
            states = ["COMPLETE"]
            if experiment["mode"] == "search":
                states += ["STOPPED", "RUNNING"]
            of = self.trials[self.trials["state"].isin(states) & self.trials["value"].notna()]
            if of.empty:
                return None
            rising = experiment["direction"] == "minimize"
            return of.sort_values(["value", "trial"], ascending=[rising, True]).iloc[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The best trial's parameters, those it has; empty if there is no best trial."""
        with reading(self.path):
            return {} if self.best is None else self.params(int(self.best["trial"]))

    def params(self, trial: int) -> dict[str, Any]:
        """A trial's parameters as the training function saw them."""
        with reading(self.path):
            rows = self.trials[self.trials["trial"] == trial]
            if rows.empty:
                raise ResultsError(
                    f"{self.path} has no trial {trial}; it has 0 to {len(self.trials) - 1}"
                )
            return row_params(SearchSpace.from_json(self.study["space"]), rows.iloc[0])


def load(path: str | Path) -> Results:
    """Load a study's folder, or its URI (fetched to this machine's cache).

    Raises ResultsError where it is no study's, or a table is broken.
    """
    folder = Path(path)
    if is_uri(str(path)):
        from tuner.store.copying import local_copy

        folder = local_copy(str(path))
    with reading(folder):
        study = read_study_json(folder)
        return Results(
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
