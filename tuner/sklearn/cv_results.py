"""`cv_results_` as scikit-learn has it: its keys, their dtypes, and its ranks."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata
from sklearn.exceptions import FitFailedWarning

from tuner.errors import StudyError
from tuner.sklearn.objective import FIT_TIME, NOT_FINITE, SCORE_TIME
from tuner.study.record import Record
from tuner.trial.cells import State


class FitsFailed(StudyError, ValueError):
    """Fits failed, and there is nothing to go on with; scikit-learn raises ValueError here."""


Table = npt.NDArray[np.float64]
"""One row a candidate, one column a split."""


def cv_results(
    candidates: Sequence[Mapping[str, Any]],
    times: Mapping[str, Table],
    test: Mapping[str, Table],
    train: Mapping[str, Table],
) -> dict[str, Any]:
    """The dict of columns. `times` in seconds, scores by name; without `train`, none of its keys.

    A candidate whose mean is NaN ranks with the last.
    """
    results: dict[str, Any] = {}
    for name, table in times.items():
        results |= _moments(name, table)
    names = dict.fromkeys(name for candidate in candidates for name in candidate)
    for name in names:
        results[f"param_{name}"] = _param_column(name, candidates)
    results["params"] = list(candidates)
    for name, table in test.items():
        results |= _splits(f"test_{name}", table) | _moments(f"test_{name}", table)
        results[f"rank_test_{name}"] = _ranks(results[f"mean_test_{name}"])
        if name in train:
            results |= _splits(f"train_{name}", train[name])
            results |= _moments(f"train_{name}", train[name])
    return results


def tables(
    records: Sequence[Record], reports: pd.DataFrame, splits: int, error_score: Any
) -> dict[str, Table]:
    """A study's fits as tables: `fit_time`, `score_time`, `test_<name>` and `train_<name>`.

    A fit that failed or diverged has `error_score`, and so have the splits that its trial then
    left out. The splits that a scheduler or racing spared have NaN.
    """
    ended = reports[reports[FIT_TIME].notna()]
    at = ended["trial"].to_numpy(), ended["fold"].to_numpy()
    names = [name for name in ended if name.startswith(("test_", "train_"))]
    found = {
        name: np.full((len(records), splits), np.nan) for name in (FIT_TIME, SCORE_TIME, *names)
    }
    for name, table in found.items():
        table[at] = ended[name]
        if NOT_FINITE + name in ended:
            codes = ended[NOT_FINITE + name].to_numpy()
            scores = table[at]
            for code, score in ((0, np.nan), (1, np.inf), (-1, -np.inf)):
                scores[codes == code] = score
            table[at] = scores
    with np.errstate(invalid="ignore"):  # of infinite scores
        _warn_of_not_finite({n: t for n, t in found.items() if NOT_FINITE + n in ended})
    for record in records:
        for split in range(splits):
            cell = record.cells.get(split)
            if cell is not None and cell.state is State.COMPLETE:
                continue
            failed = record.state in (State.FAILED, State.DIVERGED)
            for name in names:
                found[name][record.trial, split] = error_score if failed else np.nan
            found[FIT_TIME][record.trial, split] = 0.0 if cell is None else cell.duration_s
            found[SCORE_TIME][record.trial, split] = 0.0
    return found


def check_fits(records: Sequence[Record], splits: int, error_score: Any) -> None:
    """Warn of fits that failed or diverged, as scikit-learn does.

    Raises StudyError where all did, and where the first was to raise.
    """
    fits = [(record, *fit) for record in records for fit in sorted(record.cells.items())]
    failed = [fit for fit in fits if fit[2].state in (State.FAILED, State.DIVERGED)]
    if not failed:
        return
    record, split, cell = failed[0]
    error = cell.error or "a metric was NaN or infinite"
    first = f"the first, {record.params} on split {split}: {error.strip().splitlines()[-1]}"
    if error_score == "raise" or not any(cell.state is State.COMPLETE for *_, cell in fits):
        raised = FitsFailed(f"{len(failed)} of {len(fits)} fits failed; {first}")
        raised.add_note(error)
        raise raised
    states = Counter(cell.state for _, _, cell in failed)
    warnings.warn(
        f"{states[State.FAILED]} failed and {states[State.DIVERGED]} diverged, out of "
        f"{len(records) * splits} fits; their score is {error_score}; {first}\n{error}",
        FitFailedWarning,
        stacklevel=4,
    )


def _warn_of_not_finite(tables_of: Mapping[str, Table]) -> None:
    """Warn of scores that are NaN or infinite, as scikit-learn does."""
    for part in ("test", "train"):
        shown = [table.mean(axis=1) for n, table in tables_of.items() if n.startswith(f"{part}_")]
        if shown:
            warnings.warn(
                f"One or more of the {part} scores are non-finite: {shown[0]}",
                UserWarning,
                stacklevel=5,
            )


def _splits(name: str, table: Table) -> dict[str, Any]:
    return {f"split{i}_{name}": column for i, column in enumerate(table.T)}


def _moments(name: str, table: Table) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):  # of infinite scores
        return {f"mean_{name}": table.mean(axis=1), f"std_{name}": table.std(axis=1)}


def _ranks(means: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """1 for the highest mean; equals share the better rank."""
    worst = np.nan if np.isnan(means).all() else np.nanmin(means) - 1
    if np.isnan(worst):
        return np.ones(len(means), dtype=np.int32)
    filled = np.where(np.isnan(means), worst, means)
    ranks: npt.NDArray[np.int32] = rankdata(-filled, method="min").astype(np.int32)
    return ranks


def _param_column(name: str, candidates: Sequence[Mapping[str, Any]]) -> Any:
    """A parameter's values, masked where a candidate lacks it; objects where NumPy has no dtype."""
    known = [candidate[name] for candidate in candidates if name in candidate]
    try:
        array = np.array(known)
        dtype = array.dtype if array.dtype.kind != "U" and array.ndim == 1 else np.dtype(object)
    except ValueError:  # lists of different lengths
        dtype = np.dtype(object)
    column = np.ma.MaskedArray(np.empty(len(candidates), dtype=dtype), mask=True)
    for row, candidate in enumerate(candidates):
        if name in candidate:
            column[row] = candidate[name]
    return column
