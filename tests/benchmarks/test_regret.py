"""TPE with ASHA beats random search without stopping, at equal epochs spent."""

from __future__ import annotations

import statistics

from benchmarks.regret import regret

SEEDS = range(10)
BUDGET = 400


def test_the_default_beats_random_without_stopping_at_equal_epochs() -> None:
    ours = [regret("rung_gp", "rung_gp", seed, BUDGET, workers=4) for seed in SEEDS]
    theirs = [regret("random", "none", seed, BUDGET, workers=4) for seed in SEEDS]
    print("rung_gp      ", [round(value, 4) for value in ours])
    print("random + none", [round(value, 4) for value in theirs])
    assert statistics.fmean(ours) < statistics.fmean(theirs)
    assert statistics.median(ours) < statistics.median(theirs)
