"""The schedule that a trial lived through: whose weights, what parameters; and its lineage."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tuner.errors import ResultsError
from tuner.store.layout import PARAM_PREFIX


def schedule_of(trials: pd.DataFrame, trial: int) -> pd.DataFrame:
    """A row for each part of a trial's training, the earliest first; a usual trial has one.

    Columns: `trial` (int64) whose part it is, `from_epoch` and `to_epoch` (int64): it trained the
    epochs after the one up to the other; `seed` (string), and `param_<name>`. Raises ResultsError
    for a trial that there is not.
    """
    rows = trials.set_index("trial", drop=False)
    if trial not in rows.index:
        raise ResultsError(f"there is no trial {trial}; there are 0 to {len(rows) - 1}")
    params = [name for name in trials if name.startswith(PARAM_PREFIX)]
    parts: list[dict[str, Any]] = []
    until: int | None = None
    number: int | None = trial
    while number is not None:
        row = rows.loc[number]
        born = int(row.get("from_epoch", 0))
        parts.append(
            {
                "trial": number,
                "from_epoch": born,
                "to_epoch": born + int(row["epochs"]) if until is None else until,
                "seed": row["seed"],
                **{name: row[name] for name in params},
            }
        )
        parent = row.get("parent")
        number, until = None if parent is None or pd.isna(parent) else int(parent), born
    return pd.DataFrame(parts[::-1])


def lineage_of(trials: pd.DataFrame, trial: int) -> str:
    """Where a member of a population comes from and who went on from it, in a line.

    Empty for a trial that took nothing over and handed nothing on.
    """
    if "parent" not in trials or trials["parent"].isna().all():
        return ""
    parts = list(schedule_of(trials, trial).itertuples())
    said = []
    if len(parts) > 1:
        chain = [
            f"{part.trial} (epochs {part.from_epoch + 1} to {part.to_epoch})" for part in parts
        ]
        said.append(" > ".join(chain))
    heirs = trials.loc[trials["parent"].eq(trial).fillna(False).astype(bool)]
    if len(heirs):
        each = [f"{heir.trial} after epoch {int(heir.from_epoch)}" for heir in heirs.itertuples()]
        said.append(f"went on from it: {', '.join(each)}")
    return "; ".join(said)
