"""A search that ends once more trials would gain next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.brain import abandon, experiment, half_diverging, open_study, rising, simulate
from tuner.engines.simulated import VirtualClock, run
from tuner.errors import ExperimentError
from tuner.experiment.loading import Loaded, Source
from tuner.gain import MORE, TRAININGS
from tuner.store.study_json import describe
from tuner.study.progress import progress_of
from tuner.study.study import Study
from tuner.testing.kept_studies import dying

FIELDS: dict[str, Any] = {"sampler": "random", "trials": 250, "epochs": 3, "stop": "converged"}
WINDOWS: dict[str, Any] = {**FIELDS, "deterministic": True, "window": 4}


def trials(study: Study) -> list[tuple[Any, ...]]:
    return [(record.params["x"], record.state, record.value) for record in study.records]


@pytest.mark.parametrize("scheduler", ["none", "asha", "asha_stopping", "rung_gp"])
def test_it_ends_before_its_trials_and_not_before_twenty_trainings(scheduler: str) -> None:
    study = simulate(experiment(**FIELDS, scheduler=scheduler), workers=4)
    assert len(study.records) < 250
    assert sum(record.epochs for record in study.records) >= TRAININGS * 3
    outlook = study.outlook()
    assert outlook is not None
    assert outlook.converged
    assert not study.board.paused
    assert study.total_ended() == len(study.records)
    assert study.left() == 0
    assert progress_of(study).left_s == 0


def test_it_is_the_same_search_up_to_its_end() -> None:
    whole = simulate(experiment(**{**FIELDS, "stop": "trials"}, scheduler="none"))
    ended = simulate(experiment(**FIELDS, scheduler="none"))
    assert trials(whole)[: len(ended.records)] == trials(ended)
    assert whole.outlook() is None
    assert progress_of(whole).outlook is None


def test_a_gain_that_never_comes_is_waited_for_to_the_last_trial() -> None:
    study = simulate(experiment(**{**FIELDS, "trials": 60}, scheduler="none", min_gain=0))
    assert len(study.records) == 60


def test_a_larger_gain_asked_for_ends_it_earlier() -> None:
    ends = [
        len(simulate(experiment(**FIELDS, scheduler="none", min_gain=gain)).records)
        for gain in (0.002, 0.1)
    ]
    assert ends == sorted(ends, reverse=True)
    assert TRAININGS < ends[-1] < ends[0]


def test_in_windows_it_ends_the_same_at_any_concurrency() -> None:
    ends = [trials(simulate(experiment(**WINDOWS, eta=2), workers=n)) for n in (1, 8)]
    assert ends[0] == ends[1]
    assert len(ends[0]) < 250


@pytest.mark.parametrize("steps", [7, 60])
def test_a_killed_search_ends_where_an_undisturbed_one_does(tmp_path: Path, steps: int) -> None:
    settled = experiment(**WINDOWS, eta=2)
    calm = simulate(settled, half_diverging)
    clock = VirtualClock()
    killed = open_study(settled, tmp_path, clock)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        run(killed, dying(half_diverging, steps, KeyboardInterrupt), workers=1, clock=clock)
    abandon(killed)
    assert trials(simulate(settled, half_diverging, folder=tmp_path)) == trials(calm)


def test_a_resume_of_what_has_converged_has_nothing_to_do_until_it_may(tmp_path: Path) -> None:
    settled = experiment(**FIELDS, scheduler="none")
    ended = len(simulate(settled, folder=tmp_path).records)
    again = simulate(settled, folder=tmp_path)
    assert len(again.records) == ended
    more = experiment(**{**FIELDS, "stop": "trials", "trials": ended + 5}, scheduler="none")
    assert len(simulate(more, folder=tmp_path).records) == ended + 5


def test_repeats_count_by_their_mean() -> None:
    study = simulate(experiment(**FIELDS, scheduler="none", repeats=2))
    assert TRAININGS <= len(study.records) < 250


def test_it_is_stated_while_it_runs() -> None:
    study = simulate(experiment(**{**FIELDS, "trials": 4}, scheduler="none"), rising)
    outlook = progress_of(study).outlook
    assert str(outlook) == f"too early to say what another {MORE} trials would gain"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "grid", "sampler": "grid"}, "mode 'grid' runs the points"),
        ({"mode": "cv", "sampler": "grid"}, "or save folds by `fold_racing`"),
        (
            {"metric": ["loss", "error"], "sampler": "tpe"},
            "2 are searched; search one, or end by `trials` or `time_limit`",
        ),
    ],
)
def test_where_it_does_not_hold_it_says_what_does(fields: dict[str, Any], said: str) -> None:
    given = {"trials": 10, "scheduler": "none", **fields, "stop": "converged"}
    with pytest.raises(ExperimentError, match=said):
        experiment(**given)


def test_another_rule_is_refused() -> None:
    with pytest.raises(ExperimentError, match="did you mean 'converged'"):
        experiment(stop="converge")


def test_the_results_say_what_more_would_gain(tmp_path: Path) -> None:
    settled = experiment(**FIELDS, scheduler="none")
    loaded = Loaded(settled, Source("object", __name__))
    describe(loaded, settled, None, name="brain").write(tmp_path)
    outlook = simulate(settled, half_diverging, folder=tmp_path).outlook()
    results = tuner.load(tmp_path)
    assert outlook is not None
    assert results.expected_gain() == pytest.approx(outlook.gain)
    assert results.expected_gain(100) > results.expected_gain()
