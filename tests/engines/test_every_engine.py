"""One suite that every engine passes: the same study, whoever carries it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.brain import close, experiment, open_study
from tests.engines.jobs import job
from tuner.engines.simulated import Step, VirtualClock
from tuner.engines.simulated import run as run_simulated
from tuner.experiment.experiment import Experiment
from tuner.search_space.axes import Categorical, Float, Int
from tuner.study.study import Study
from tuner.trial.cells import Cell, Decision, State
from tuner.trial.trial import Trial

Run = Callable[[Experiment, Path], Study]
ENGINES = ["simulated", "ray_tune"]


def rising(trial: Any) -> None:
    for epoch in range(1, trial.epochs + 1):
        if trial.report(epoch, {"val_accuracy": trial["x"] * (1 - 0.5**epoch)}):
            return


def half_diverges(trial: Any) -> None:
    if trial["x"] > 0.5:
        trial.report(1, {"val_accuracy": math.nan})
    else:
        rising(trial)


def raises_at_first(trial: Any) -> None:
    if trial.cell.attempt == 1 and trial["x"] > 0.5:
        raise ValueError("once")
    rising(trial)


def always_raises_for_some(trial: Any) -> None:
    if trial["a"] == 2:
        raise ValueError("always")
    trial.report(1, {"val_accuracy": trial["a"] + trial.fold / 10})


def returns_a_number(trial: Any) -> float:
    return float(trial["x"])


def reports_nothing(trial: Any) -> None:
    return None


def steps_of(objective: Callable[[Any], Any], metric: str) -> Callable[[Cell], Iterator[Step]]:
    """What a training function reports, as a curve."""

    def curve(cell: Cell) -> Iterator[Step]:
        steps: list[Step] = []

        def send(epoch: int, metrics: Mapping[str, float], time_s: float) -> Decision:
            steps.append(Step(epoch, dict(metrics)))
            return Decision.CONTINUE

        returned = objective(Trial(cell, send, lambda: None))  # type: ignore[arg-type, return-value]
        yield from steps or ([Step(1, {metric: returned})] if returned is not None else [])

    return curve


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Run]]:
    """Every engine as a function that runs a whole study in a folder; one Ray for all tests."""
    from tuner.cluster.session import connect
    from tuner.engines.ray_tune.engine import RayTune

    with connect(concurrency=2) as runtime:

        def on_ray(settled: Experiment, folder: Path) -> Study:
            study = open_study(settled, folder)
            RayTune(job(settled), runtime).run(study)
            close(study)
            return study

        def simulated(settled: Experiment, folder: Path) -> Study:
            clock = VirtualClock()
            study = open_study(settled, folder, clock)
            curve = steps_of(settled.objective, settled.metric)  # type: ignore[arg-type]
            run_simulated(study, curve, workers=2, clock=clock)
            close(study)
            return study

        yield {"simulated": simulated, "ray_tune": on_ray}


@pytest.fixture(params=ENGINES)
def run(request: pytest.FixtureRequest, engines: dict[str, Run]) -> Run:
    return engines[request.param]


def ended(study: Study) -> None:
    """Whatever the engine, an ended study has nothing open, and its tables agree with it."""
    assert study.finished
    assert study.counts()[State.RUNNING] == 0
    assert [record.trial for record in study.records] == list(range(study.total))


def reports(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "reports.parquet")
    assert not frame.duplicated(["trial", "fold", "epoch"]).any()
    return frame


def test_every_trial_comes_to_its_end_with_all_its_reports(run: Run, tmp_path: Path) -> None:
    study = run(experiment(objective=rising, scheduler="none", trials=12), tmp_path)
    ended(study)
    assert study.counts() == {State.COMPLETE: 12}
    frame = reports(tmp_path)
    for record in study.records:
        epochs = frame[frame["trial"] == record.trial]["epoch"].tolist()
        assert epochs == list(range(1, record.params["epochs"] + 1))


def test_stopped_and_diverged_trials_report_no_more(run: Run, tmp_path: Path) -> None:
    study = run(
        experiment(objective=half_diverges, scheduler="asha_stopping", eta=2, trials=20, seed=3),
        tmp_path,
    )
    ended(study)
    assert set(study.counts()) == {State.COMPLETE, State.STOPPED, State.DIVERGED}
    frame = reports(tmp_path)
    for record in study.records:
        mine = frame[frame["trial"] == record.trial].sort_values("epoch")
        assert len(mine) == record.epochs
        assert (mine["decision"].iloc[:-1] == "CONTINUE").all()
        early = record.state is not State.COMPLETE
        assert (mine["decision"].iloc[-1] == "STOP") == early


def test_a_raise_is_tried_again_and_its_reports_are_not_doubled(run: Run, tmp_path: Path) -> None:
    settled = experiment(objective=raises_at_first, scheduler="none", trials=8, sampler="random")
    study = run(settled, tmp_path)
    ended(study)
    assert study.counts() == {State.COMPLETE: 8}
    assert {record.attempt for record in study.records} == {1, 2}
    assert len(reports(tmp_path)) == sum(record.epochs for record in study.records)


def test_cv_runs_every_cell_once_and_failed_cells_are_named(run: Run, tmp_path: Path) -> None:
    space = {"a": Categorical([1, 2, 3])}
    fields = {"objective": always_raises_for_some, "mode": "cv", "folds": 3, "retries": 0}
    study = run(experiment(space=space, **fields), tmp_path)
    ended(study)
    assert study.counts() == {State.COMPLETE: 2, State.FAILED: 1}
    assert study.records[0].value == pytest.approx(1.1)
    assert "always" in (study.records[1].error or "")
    assert len(reports(tmp_path)) == 6


def test_a_returned_number_is_a_report(run: Run, tmp_path: Path) -> None:
    settled = experiment(
        objective=returns_a_number, space={"x": Float(0, 1)}, scheduler="none", trials=4
    )
    study = run(settled, tmp_path)
    ended(study)
    assert [record.value for record in study.records] == [r.params["x"] for r in study.records]


def test_a_function_that_reports_nothing_fails_and_three_of_them_end_the_run(
    run: Run, tmp_path: Path
) -> None:
    study = run(experiment(objective=reports_nothing, retries=0, trials=9), tmp_path)
    assert study.finished
    assert "the first 3 trials all failed" in str(study.abort)
    failed = [record for record in study.records if record.state is State.FAILED]
    assert len(failed) >= 3  # one that is still in flight on another worker stays RUNNING
    assert all("ended without reporting" in (record.error or "") for record in failed)


def test_random_search_gives_the_same_table_on_every_engine(
    engines: dict[str, Run], tmp_path: Path
) -> None:
    space = {"x": Float(0, 1), "epochs": Int(1, 5)}
    fields = {"objective": rising, "scheduler": "none", "sampler": "random", "seed": 5}
    tables = []
    for name, run in engines.items():
        folder = tmp_path / name
        folder.mkdir()
        run(experiment(space=space, trials=10, **fields), folder)
        table = pd.read_parquet(folder / "trials.parquet")
        tables.append(table[["trial", "state", "param_x", "param_epochs", "value", "seed"]])
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_a_deterministic_study_is_the_same_on_every_engine(
    engines: dict[str, Run], tmp_path: Path
) -> None:
    fields = {"objective": half_diverges, "deterministic": True, "window": 4, "eta": 2}
    tables = []
    for name, run in engines.items():
        folder = tmp_path / name
        folder.mkdir()
        run(experiment(trials=16, seed=8, **fields), folder)
        table = pd.read_parquet(folder / "trials.parquet")
        tables.append(table[["trial", "state", "param_x", "value", "epochs", "rung", "seed"]])
    pd.testing.assert_frame_equal(tables[0], tables[1])
