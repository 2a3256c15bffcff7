"""`sampler=`, `scheduler=` and `engine=` take objects, factories and installed packages' names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import BruteForceSampler, RandomSampler
from optuna.trial import TrialState

import tuner
from tests.brain import experiment, half_diverging, simulate
from tests.plugged import install
from tuner.cli.app import run_command
from tuner.engines.contract import Job
from tuner.engines.registry import make_engine
from tuner.errors import ExperimentError, StudyError
from tuner.experiment.loading import Loaded, Source
from tuner.registry import ENGINES, Registry, said
from tuner.runner.repair import repair
from tuner.samplers.registry import SAMPLERS
from tuner.schedulers.asha_stopping import AshaStopping
from tuner.schedulers.registry import SCHEDULERS
from tuner.search_space.axes import Categorical, Int
from tuner.store.resume_checks import resumed
from tuner.store.study_json import describe
from tuner.trial.cells import State

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SMALL = {"x": Categorical([0.1, 0.3, 0.7, 0.9]), "n": Int(1, 3), "epochs": 9}
BRUTE = "optuna.samplers:BruteForceSampler"


def small(**fields: Any) -> Any:
    return experiment(space=SMALL, trials=12, **fields)


def test_any_sampler_of_optunas_proposes_and_is_told_the_states() -> None:
    study = simulate(
        small(sampler=BruteForceSampler(seed=3), scheduler="asha_stopping"), half_diverging
    )
    assert len({json.dumps(record.params) for record in study.records}) == 12
    assert study.counts()[State.DIVERGED] == 6  # x above a half
    assert study.counts()[State.STOPPED] > 0
    told = {attempt.user_attrs["trial"]: attempt for attempt in study.ledger.attempts()}
    for record in study.records:
        diverged = record.state is State.DIVERGED
        complete = record.state is State.COMPLETE
        state = TrialState.COMPLETE if complete else TrialState.PRUNED
        assert told[record.trial].state is state
        assert bool(told[record.trial].constraints) == diverged
        assert bool(told[record.trial].intermediate_values) != diverged


def test_a_factory_is_given_the_studys_seed() -> None:
    def points(seed: int) -> list[Any]:
        return [r.params for r in simulate(small(sampler=BRUTE, seed=seed)).records]

    assert points(1) == points(1)
    assert points(1) != points(2)


class Outside(RandomSampler):
    def sample_independent(self, *asked: Any) -> Any:
        return 99


def test_a_sampler_object_that_leaves_the_space_ends_the_run_with_its_name() -> None:
    with pytest.raises(StudyError, match=r"sampler Outside proposed 99 for axis 'x'"):
        simulate(small(sampler=Outside()))


def test_a_resumed_study_goes_on_with_the_object_of_the_experiments_file() -> None:
    declared = small(sampler=BruteForceSampler(), scheduler=AshaStopping(eta=2))
    kept = describe(Loaded(declared, Source("object", "tests")), declared, None, name="brain")
    assert kept.experiment.sampler == "optuna.samplers._brute_force.BruteForceSampler"
    loaded_again = Loaded(
        small(sampler=BruteForceSampler(), scheduler=AshaStopping(eta=2)), Source("object", "t")
    )
    again = resumed(loaded_again, kept, {})
    assert again.sampler is loaded_again.experiment.sampler
    gone = Loaded(small(scheduler=AshaStopping(eta=2)), Source("object", "tests"))
    with pytest.raises(StudyError, match=r"sampler: the study began with .*BruteForceSampler, an"):
        resumed(gone, kept, {})
    other = Loaded(small(sampler=BruteForceSampler()), Source("object", "tests"))
    with pytest.raises(StudyError, match=r"scheduler: .* AshaStopping\(eta=2, min_epochs=1\), an"):
        resumed(other, kept, {})


def test_a_study_of_objects_can_be_looked_at_and_repaired_without_them(tmp_path: Path) -> None:
    settled = small(sampler=BruteForceSampler(seed=3), scheduler=AshaStopping(eta=2))
    simulate(settled, folder=tmp_path)
    loaded = Loaded(settled, Source("object", "tests"))
    describe(loaded, settled, None, name=settled.name).write(tmp_path)
    before = tuner.load(tmp_path).trials
    assert run_command(["show", str(tmp_path)]) == 0
    repair(tmp_path)
    assert tuner.load(tmp_path).trials.equals(before)


ENTRY_POINTS = """
[tuner.samplers]
brute = optuna.samplers:BruteForceSampler
broken = plugged_broken:Sampler
tpe = optuna.samplers:TPESampler

[tuner.schedulers]
halving = tuner.schedulers.asha_stopping:AshaStopping

[tuner.engines]
mine = plugged_engine:Mine
"""


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that adds names to the three registries."""
    install(tmp_path, ENTRY_POINTS, monkeypatch)
    for registry in (SAMPLERS, SCHEDULERS, ENGINES):
        monkeypatch.setattr(registry, "_places", Registry.places(registry), raising=False)


@pytest.mark.usefixtures("plugged")
def test_the_names_of_installed_packages_are_names_like_ours() -> None:
    by_name = simulate(small(sampler="brute", scheduler="halving", eta=2))
    by_object = simulate(small(sampler=BRUTE, scheduler=AshaStopping(eta=2)))
    assert [r.params for r in by_name.records] == [r.params for r in by_object.records]
    assert by_name.counts() == by_object.counts()
    assert small(engine="mine").engine == "mine"
    with pytest.raises(ExperimentError, match=r"sampler: 'broken', plugged_broken:Sampler, cannot"):
        simulate(small(sampler="broken"))
    with pytest.raises(
        ExperimentError, match=r"sampler: 'tpe' is the name of optuna\.samplers:TPE"
    ):
        simulate(small(sampler="tpe"))


def test_what_cannot_be_an_engine_is_refused_by_its_name(tmp_path: Path) -> None:
    job: Any = Job(small(), Source("object", "tests"), None)  # type: ignore[arg-type]
    for given, message in [
        (object(), r"builtins\.object gives a object, which has no method why_not; give a name"),
        (
            "builtins:dict",
            r"engine: builtins:dict cannot be called with a job and a cluster",
        ),
        (lambda: None, r"cannot be called with a job and a cluster \(too many positional"),
        ("nosuch", r"engine: 'nosuch' is not one of ray_tune, fused"),
    ]:
        with pytest.raises(ExperimentError, match=message):
            make_engine(given, job, None)  # type: ignore[arg-type]


def test_an_object_is_called_by_its_repr_or_its_class() -> None:
    assert said("tpe") == "tpe"
    assert said(AshaStopping(eta=4)) == "AshaStopping(eta=4, min_epochs=1)"
    assert said(optuna.samplers.RandomSampler()) == "optuna.samplers._random.RandomSampler"
    assert said(BruteForceSampler) == "optuna.samplers._brute_force.BruteForceSampler"


MINE = '''
import optuna
from dataclasses import dataclass
from typing import ClassVar

from tuner import Categorical, Experiment, Int
from tuner.extend import GO_ON, Decision, Ended, Ending, Outcome, Reported, Verdict, drive


@dataclass(frozen=True)
class HalfWay:
    has_rungs: ClassVar[bool] = True
    pauses: ClassVar[bool] = False

    def judge(self, cell, epoch, loss, board):
        if epoch != 2 or not any(other < loss for other in board.seen(cell.fold, 2)):
            return GO_ON if epoch != 2 else Verdict(Decision.CONTINUE, 2, "none is better")
        return Verdict(Decision.STOP, 2, "another is better")


class OneSlot:
    """Carries one cell at a time, and computes where others train."""

    def __init__(self, job, cluster):
        self.cell, self.epoch = None, 0

    def why_not(self):
        return None

    def run(self, study):
        drive(study, self)

    def has_room(self):
        return self.cell is None

    def start(self, cell):
        self.cell, self.epoch = cell, 0

    def wait(self):
        cell = self.cell
        if self.epoch == cell.epochs:
            self.cell = None
            return [Ended(cell, self._outcome())]
        self.epoch += 1
        return [Reported(cell, self.epoch, {"loss": cell.params["x"] / self.epoch}, 1.0)]

    def is_stale(self, event):
        return False

    def stop(self, last):
        self.cell = None
        return self._outcome()

    def _outcome(self):
        return Outcome(Ending.FINISHED, None, 1.0, host="here", read_epochs=False)


def train(trial):
    raise AssertionError("the engine computes")


SPACE = {"x": Categorical([0.1, 0.3, 0.7, 0.9]), "n": Int(1, 3), "epochs": 4}
EXPERIMENT = Experiment(
    "doors", SPACE, train, metric="loss", dataset=None, trials=6,
    sampler=optuna.samplers.BruteForceSampler(seed=1), scheduler=HalfWay(), engine="mine:OneSlot",
)
'''


def test_a_run_with_three_of_ones_own_and_its_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run_command(["run", "mine.py", "--quiet"]) == 0, capsys.readouterr().err
    assert run_command(["run", "mine.py", "--resume", "--trials", "12", "--quiet"]) == 0
    results = tuner.load("results/doors")
    assert len(results.trials) == 12
    points = results.trials[["param_x", "param_n"]].drop_duplicates()
    assert len(points) == 12  # every point of the space, across the resume
    assert set(results.trials["state"]) == {"COMPLETE", "STOPPED"}
    assert set(results.trials["engine"]) == {"mine:OneSlot"}
    assert results.study.experiment.scheduler == "HalfWay()"
    assert results.study.scheduler.has_rungs
    assert run_command(["show", "results/doors", "1"]) == 0
    assert "epoch 2: " in capsys.readouterr().out
