"""What is printed of a benchmark's searches: means at each budget, and paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

REFERENCE = "random + stopping"


def paired(
    rows: Sequence[Mapping[str, Any]], method: str, reference: str
) -> tuple[float, float, float]:
    """Mean difference in regret to another method, and its 95% interval by bootstrap over tasks."""
    tasks = sorted({row["task"] for row in rows})

    def means(name: str) -> np.ndarray:
        of = [[r["seen"] for r in rows if (r["task"], r["method"]) == (t, name)] for t in tasks]
        return np.array([np.mean(each) for each in of])

    apart = means(method) - means(reference)
    drawn = np.random.default_rng(0).integers(0, len(tasks), (2000, len(tasks)))
    low, high = np.percentile(apart[drawn].mean(1), [2.5, 97.5])
    return float(apart.mean()), float(low), float(high)


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is printed of one family's rows."""
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        seen = np.array([row["seen"] for row in mine])
        budgets = " ".join(f"{value:.3f}" for value in seen.mean(0))
        apart = ""
        if method != REFERENCE and any(row["method"] == REFERENCE for row in rows):
            apart = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*paired(rows, method, REFERENCE))
        returned, trials = (np.mean([row[key] for row in mine]) for key in ("any", "trials"))
        lines.append(
            f"{method:24} {budgets}  mean {seen.mean():.3f}  5-20 {seen[:, 1:4].mean():.3f}  "
            f"{apart:25} any {returned:.3f}  {trials:.0f} trials"
        )
    return lines
