"""What a run does before its search and after it: it learns from earlier studies, and confirms.

The cells are carried in this process, by the simulated engine: what is shown is the run around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any

import pytest
from rich.console import Console

import tuner
from tests.brain import never
from tuner.cli.app import run_command
from tuner.cluster.kept import kept_ray
from tuner.cluster.session import connect
from tuner.engines.simulated import Simulated, Step, VirtualClock
from tuner.errors import ExperimentError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.models.chosen import trial_number
from tuner.runner.confirm import run_and_confirm
from tuner.runner.display import Display
from tuner.runner.finished import Interrupted
from tuner.runner.request import Request
from tuner.search_space.axes import Categorical, Float
from tuner.store.layout import LEARNED_FILE
from tuner.trial.cells import Cell

BASES = [0.5, 0.6, 0.7, 0.705, 0.71]
FAILS: set[float] = set()
"""Bases whose trials have no value."""
STOPS: list[int] = []
"""After so many more cells the user presses Ctrl-C."""


def curve(cell: Cell) -> Iterator[Step]:
    if STOPS:
        STOPS[0] -= 1
        if STOPS[0] < 0:
            STOPS.clear()
            raise KeyboardInterrupt
    if cell.params["base"] in FAILS:
        raise ValueError("a base that fails")
    value = cell.params["base"] + Random(cell.seed).gauss(0, 0.1)
    yield Step(1, {"val_accuracy": value})


def engine(job: Any, cluster: Any) -> Simulated:
    """Carries the cells of a job in this process."""
    return Simulated(curve, workers=1, clock=VirtualClock())


@pytest.fixture(scope="module", autouse=True)
def _one_ray() -> Iterator[None]:
    """All runs of these tests join it, which none of them uses."""
    with connect(concurrency=1) as runtime:
        runtime.ready()
        yield


def declared() -> Experiment:
    return Experiment(
        "lucky",
        {"base": Categorical(BASES), "epochs": 1},
        never,
        dataset=None,
        sampler="random",
        scheduler="none",
        trials=5,
        first=[{"base": base} for base in BASES],
        engine=engine,  # type: ignore[arg-type]
        concurrency=1,
        seed=1,
    )


def search(folder: Path, **fields: Any) -> tuner.Results:
    return tuner.run(declared(), results=folder, quiet=True, **fields)


def test_the_best_mean_of_the_leaders_is_the_best_wherever_it_is_asked_for(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"confirm": 3, "confirm_seeds": 4}
    request = Request(declared(), results=str(tmp_path), overrides=asked)
    finished, said = run_and_confirm(request, Display(None)), StringIO()
    finished.show(Console(file=said, width=200))
    results = tuner.load(finished.path)
    leaders = results.ranked()["trial"].head(3).tolist()
    confirmed = results.confirmed
    assert confirmed is not None
    assert sorted(confirmed.trials) == sorted(leaders)
    means = confirmed.table["mean"]
    assert means.is_monotonic_decreasing
    assert results.best is not None
    assert results.choice is not None
    assert confirmed.best != leaders[0]  # by this seed's luck: else the test would show nothing
    assert (
        confirmed.best == results.best.trial == results.choice.trial == trial_number(results, None)
    )
    assert finished.summary()["best"]["trial"] == confirmed.best
    assert f"chosen: {confirmed.why}; by its value trial {leaders[0]} led" in said.getvalue()
    assert results.best_params == results.params(confirmed.best)
    assert results.choice.why.startswith(f"trial {confirmed.best}, by the mean of 4 new trainings")
    again = tuner.load(tmp_path / "lucky-confirmed")
    assert again.reports.groupby("trial")["fold"].nunique().tolist() == [4, 4, 4]
    assert not set(again.trials["seed"]) & set(results.trials["seed"])


def test_mlflow_is_told_the_best_of_the_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    results = search(tmp_path, confirm=3, confirm_seeds=4, log="mlflow")
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    kept = client.get_experiment_by_name("lucky")
    assert kept is not None
    [run] = [r for r in client.search_runs([kept.experiment_id]) if "tuner.study" in r.data.tags]
    assert results.best is not None
    assert results.best.trial != results.ranked()["trial"].iloc[0]  # else it would show nothing
    assert run.data.tags["tuner.best_trial"] == str(results.best.trial)
    assert run.data.tags["tuner.best_by"] == "confirmed"
    assert run.data.metrics["best_val_accuracy"] == results.best.value
    assert run.info.status == "FINISHED"


def test_an_interruption_keeps_the_search_and_a_resume_goes_on(tmp_path: Path) -> None:
    STOPS.append(5 + 7)
    with pytest.raises(Interrupted, match="while its best trials were confirmed: the results of"):
        search(tmp_path, confirm=3, confirm_seeds=4)
    kept = tuner.load(tmp_path / "lucky")
    assert kept.confirmed is None
    assert kept.best is not None
    assert kept.best.trial == kept.ranked()["trial"].iloc[0]
    before = tuner.load(tmp_path / "lucky-confirmed").reports
    assert 0 < len(before) < 12
    results = search(tmp_path, study="lucky", resume=True)
    assert results.confirmed is not None
    assert results.trials["value"].tolist() == kept.trials["value"].tolist()
    after = tuner.load(tmp_path / "lucky-confirmed").reports
    assert len(after) == 12
    ended = before.groupby("trial")["fold"].nunique() == 4
    first = before[before["trial"].isin(ended.index[ended])]
    both = first.merge(after, on=["trial", "fold", "epoch"])
    assert both["val_accuracy_x"].tolist() == both["val_accuracy_y"].tolist()
    assert both["at_x"].tolist() == both["at_y"].tolist()  # these were not trained again


def test_what_a_search_finds_later_is_not_held_down_by_older_leaders(tmp_path: Path) -> None:
    began: dict[str, Any] = {"first": [{"base": 0.5}, {"base": 0.6}]}
    older = search(tmp_path, confirm=2, trials=3, **began).confirmed
    began |= {"study": "lucky", "resume": True, "trials": 30}
    results = search(tmp_path, confirm=0, **began)
    assert results.choice is not None
    assert results.choice.by == "value"
    assert results.confirmed == older
    results = search(tmp_path, confirm=2, **began)
    assert results.choice is not None
    assert results.choice.by == "confirmed"
    assert results.confirmed is not None
    assert results.confirmed.path.name == "lucky-confirmed-2"


def test_more_than_there_are_values_is_one_line_and_the_search_stays(tmp_path: Path) -> None:
    FAILS.update(BASES[1:])
    try:
        with pytest.raises(StudyError, match=r"confirm: 2 are more than the 1 trials of .*m 1 or"):
            search(tmp_path, confirm=2, retries=0)
    finally:
        FAILS.clear()
    assert len(tuner.load(tmp_path / "lucky").trials) == 5


def test_what_can_be_refused_before_a_search_is(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"confirm: 6 are more than the 5 trials .*confirm 5"):
        search(tmp_path, confirm=6)
    with pytest.raises(ExperimentError, match="confirm_seeds: 1 must be a whole number"):
        search(tmp_path, confirm_seeds=1)
    with pytest.raises(ExperimentError, match="confirm: 2 would be compared by their means, and 2"):
        search(tmp_path, confirm=2, metric=["val_accuracy", "loss"])
    assert not list(tmp_path.iterdir())


def test_the_last_lines_say_who_is_the_simplest_and_why(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"repeats": 3, "choose": "one_se", "simplest": "-base", "seed": 11}
    request = Request(declared(), results=str(tmp_path), overrides=fields)
    finished, said = run_and_confirm(request, Display(None)), StringIO()
    assert finished.choice is not None
    simplest, led = finished.choice.trial, finished.study.best()
    assert led is not None
    assert led.trial != simplest  # by this seed's luck: else the test would show nothing
    assert finished.summary()["best"]["trial"] == simplest
    finished.show(Console(file=said, width=200))
    assert f"best: trial {simplest}, val_accuracy" in said.getvalue()
    assert f"chosen: trial {simplest}, the simplest (base 0.71) of 2 " in said.getvalue()
    assert f"of the best value, {led.value:.4f} of trial {led.trial}" in said.getvalue()


def test_a_study_at_a_uri_is_confirmed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    place: Any = f"memory://{tmp_path.name}/r"
    ran = search(place, confirm=3, confirm_seeds=4)
    assert ran.confirmed is not None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    results, again = tuner.load(f"{place}/lucky"), tuner.load(f"{place}/lucky-confirmed")
    assert results.confirmed is not None
    assert results.confirmed.rows == ran.confirmed.rows
    assert results.best is not None
    assert results.best.trial == ran.confirmed.best
    assert len(again.reports) == 12
    assert run_command(["report", f"{place}/lucky", "--out", str(tmp_path / "page.html")]) == 0
    assert f"Trial {results.best.trial}, by the mean of 4" in (tmp_path / "page.html").read_text()
    assert run_command(["confirm", f"{place}/lucky"]) == 2
    assert "is a study of an Experiment made in memory" in capsys.readouterr().err


def test_a_search_and_what_confirms_it_use_one_ray() -> None:
    with kept_ray() as via:
        with via(1, 1.0, address=None) as first:
            first.ready()
        with via(1, 1.0, address=None) as second:
            assert second is first
        with via(1, 0.5, address=None) as other:
            assert other is not first


def test_a_run_learns_from_an_earlier_one_and_goes_on_when_that_is_gone(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"space": {"base": Float(0.0, 1.0), "epochs": 1}, "first": []}
    fields["sampler"] = "rung_gp"
    earlier = search(tmp_path, study="earlier", trials=14, seed=1, **fields)
    fields |= {"study": "new", "learn_from": [earlier.path], "seed": 2}
    new = search(tmp_path, trials=6, **fields)
    assert (new.path / LEARNED_FILE).is_file()
    assert sum(new.trials["param_base"] > 0.8) >= 3  # of six, a third of which is drawn at random
    rmtree(earlier.path)
    more = search(tmp_path, trials=8, resume=True, **fields)
    assert more.trials["param_base"].head(6).tolist() == new.trials["param_base"].tolist()
    assert len(more.trials) == 8
