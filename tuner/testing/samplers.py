"""The promises of a sampler, a test each, for samplers of any author.

    class TestMine(SamplerSuite):
        @pytest.fixture
        def make(self):
            return lambda seed: MySampler(seed=seed)

A class may set `learns` to False (a sampler that looks at no value), and `remembers` to True (one
that keeps a state between asks: it cannot promise to go on alike in a new process).
"""

from __future__ import annotations

import json
import math
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from tuner.samplers.inside import broken_rule

Make = Callable[[int], BaseSampler]
SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "units": IntDistribution(8, 64, step=8),
    "drop": FloatDistribution(0.0, 0.5, step=0.1),
    "kind": CategoricalDistribution(["a", "b", None]),
}
LAST = 9


class SamplerSuite:
    """A proposal is a function of seed, trial number and what was told; it lies in the space."""

    learns: ClassVar[bool] = True
    remembers: ClassVar[bool] = False

    @pytest.fixture
    def make(self) -> Make:
        """Makes the sampler of a seed; it must be picklable for the test in a new process."""
        raise NotImplementedError("a suite needs the fixture `make`")

    def test_the_same_seed_proposes_the_same_points_and_another_seed_others(
        self, make: Make
    ) -> None:
        first, again, other = (searched(make(seed), 25) for seed in (1, 1, 2))
        assert points(first) == points(again)
        assert points(first) != points(other)

    def test_every_proposal_lies_in_the_space(self, make: Make) -> None:
        for trial in searched(make(3), 40).get_trials(deepcopy=False):
            assert trial.params.keys() == SPACE.keys()
            for name, value in trial.params.items():
                assert broken_rule(value, SPACE[name]) is None, (name, value)

    def test_a_study_gone_on_with_in_a_new_process_gets_the_same_next_point(
        self, make: Make, tmp_path: Path
    ) -> None:
        if self.remembers:
            pytest.skip("it keeps a state between asks, and says so")
        journal, copy, pickled = (tmp_path / name for name in ("one.log", "two.log", "sampler"))
        study = searched(make(4), 25, stored(journal))
        shutil.copy(journal, copy)
        pickled.write_bytes(pickle.dumps(make(4)))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", NEXT, str(copy), str(pickled)],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert json.loads(done.stdout) == asked(study).params

    def test_it_keeps_off_the_half_that_diverges(self, make: Make) -> None:
        if not self.learns:
            pytest.skip("it learns from nothing, and says so")
        late = []
        for seed in range(3):
            trials = searched(make(seed), 45, diverging=True).get_trials(deepcopy=False)
            late += [math.log10(trial.params["rate"]) > -2 for trial in trials[20:]]
        assert sum(late) / len(late) < 0.4

    def test_it_finds_better_points_than_chance(self, make: Make) -> None:
        if not self.learns:
            pytest.skip("it learns from nothing, and says so")

        def late_mean(sampler: Make) -> float:
            losses = []
            for seed in range(3):
                trials = searched(sampler(seed), 45).get_trials(deepcopy=False)
                losses += [loss(trial.params, LAST) for trial in trials[20:]]
            return sum(losses) / len(losses)

        assert late_mean(make) < late_mean(lambda seed: optuna.samplers.RandomSampler(seed=seed))

    def test_an_axis_may_exist_beside_one_choice_alone(self, make: Make) -> None:
        study = optuna.create_study(sampler=make(5))
        kinds = set()
        for _ in range(30):
            trial = study.ask()
            kinds.add(kind := trial.suggest_categorical("kind", ["a", "b"]))
            depth = trial.suggest_int("depth", 1, 5) if kind == "a" else 2
            rate = trial.suggest_float("rate", 0.0, 1.0) if kind == "b" else 0.5
            assert 1 <= depth <= 5
            assert 0.0 <= rate <= 1.0
            study.tell(trial, depth + rate)
        assert kinds == {"a", "b"}

    def test_points_that_others_told_break_nothing(self, make: Make) -> None:
        study = optuna.create_study(sampler=make(6))
        for number in range(25):
            rate = 10.0 ** (-4 * number / 24)
            params = {"rate": rate, "units": 8, "drop": 0.1, "kind": "b"}
            study.add_trial(create_trial(params=params, distributions=SPACE, value=rate))
        study.add_trial(create_trial(state=TrialState.FAIL))
        study.enqueue_trial({"units": 16})
        assert asked(study).params["units"] == 16
        assert asked(study).params.keys() == SPACE.keys()

    def test_stopped_running_and_failed_trials_break_nothing(self, make: Make) -> None:
        study = optuna.create_study(sampler=make(7), direction="maximize")
        for number in range(30):
            trial = asked(study)
            trial.report(-loss(trial.params, 1), 1)
            if number % 4 == 1:
                study.tell(trial, state=TrialState.PRUNED)
            elif number % 4 == 2:
                study.tell(trial, state=TrialState.FAIL)
            elif number % 4 == 3:
                study.tell(trial, -loss(trial.params, LAST))
        assert len(study.trials) == 30


def loss(params: Mapping[str, Any], epoch: int) -> float:
    """A curve that falls towards the distance from a good rate, on a good kind."""
    end = (math.log10(params["rate"]) + 3) ** 2 + params["units"] / 64 + params["drop"]
    return float(end + (params["kind"] != "a") + 4 * 0.7**epoch)


def searched(
    sampler: BaseSampler,
    trials: int,
    storage: optuna.storages.BaseStorage | None = None,
    *,
    diverging: bool = False,
) -> optuna.Study:
    """A study of so many trials, two of three stopped after epoch 3.

    With `diverging` the upper half of the rates ends in NaN.
    """
    study = optuna.create_study(sampler=sampler, storage=storage, study_name="suite")
    for number in range(trials):
        trial = asked(study)
        if diverging and math.log10(trial.params["rate"]) > -2:
            trial.set_constraint("diverged", 1.0)
            study.tell(trial, state=TrialState.PRUNED)
            continue
        last = LAST if number % 3 == 0 else 3
        for epoch in range(1, last + 1):
            trial.report(loss(trial.params, epoch), epoch)
        if last == LAST:
            study.tell(trial, loss(trial.params, LAST))
        else:
            study.tell(trial, state=TrialState.PRUNED)
    return study


def asked(study: optuna.Study) -> optuna.Trial:
    """The next trial of a study, with a value for each axis."""
    trial = study.ask()
    trial.suggest_float("rate", 1e-4, 1.0, log=True)
    trial.suggest_int("units", 8, 64, step=8)
    trial.suggest_float("drop", 0.0, 0.5, step=0.1)
    trial.suggest_categorical("kind", ["a", "b", None])
    return trial


def points(study: optuna.Study) -> list[dict[str, Any]]:
    """The parameters of a study's trials."""
    return [trial.params for trial in study.get_trials(deepcopy=False)]


def stored(journal: Path) -> optuna.storages.JournalStorage:
    """A storage in a file."""
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(str(journal)))


NEXT = """
import json, pickle, sys
from pathlib import Path
import optuna
from tuner.testing.samplers import asked, stored

optuna.logging.set_verbosity(optuna.logging.WARNING)
sampler = pickle.loads(Path(sys.argv[2]).read_bytes())
study = optuna.load_study(study_name="suite", storage=stored(Path(sys.argv[1])), sampler=sampler)
print(json.dumps(asked(study).params))
"""
