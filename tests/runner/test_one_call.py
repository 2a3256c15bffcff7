"""`tuner.run` in a process that has its own use for Ray, and the mistakes of a first call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.brain import abandon, experiment, open_study
from tuner.errors import EveryTrialError, ExperimentError, NoEpochsError, SearchSpaceError
from tuner.experiment.functions import experiment_of
from tuner.search_space.axes import Float
from tuner.trial.cells import Ending, Outcome, State
from tuner.trial.checks import check_searched

SPACE = {"x": Float(0.0, 1.0)}


def parabola(trial: Any) -> float:
    return float((trial["x"] - 0.3) ** 2)


def search(results: Path, **fields: Any) -> tuner.Results:
    given = {"space": SPACE, "metric": "loss", "dataset": None, "trials": 2, **fields}
    return tuner.run(parabola, results=results, **given)


@pytest.fixture
def no_ray() -> Iterator[None]:
    yield
    import ray

    from tuner.cluster.ray_internals import forget_token

    ray.shutdown()
    forget_token()  # else the next Ray of this process keeps the one that HOME had here


@pytest.mark.usefixtures("no_ray")
def test_a_process_may_use_ray_before_beside_and_after_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray's own start keeps its token there
    found = []
    thread = threading.Thread(target=lambda: found.append(search(tmp_path)))
    thread.start()
    thread.join()
    again = search(tmp_path)
    import ray

    quiet: Any = {"include_dashboard": False, "log_to_driver": False}
    # "local": without it Ray would join a cluster that another test has started on this machine.
    ray.init(address="local", num_cpus=1, logging_level=logging.ERROR, **quiet)
    beside = search(tmp_path, concurrency=2)
    assert ray.get(ray.remote(lambda: 5).remote()) == 5  # it is left as it was
    names = [results.path.name for results in (*found, again, beside)]
    assert names == ["parabola", "parabola-2", "parabola-3"]
    assert {len(results.trials) for results in (*found, again, beside)} == {2}
    with pytest.raises(tuner.TunerError, match="address: this process is connected to Ray"):
        search(tmp_path, address="auto")


@pytest.mark.parametrize(
    ("call", "kind", "line"),
    [
        (
            lambda: tuner.run(parabola({"x": 1.0}), metric="loss"),  # type: ignore[arg-type]
            ExperimentError,
            r"0\.48.* is neither an Experiment, a name nor a function; name the function without",
        ),
        (
            lambda: experiment_of(parabola, {"units": [8, 16]}),
            SearchSpaceError,
            r"axis 'units': \[8, 16\] may be .* write Categorical\(\[8, 16\]\) for one of these",
        ),
        (
            lambda: experiment_of(parabola, ["x"]),  # type: ignore[arg-type]
            ExperimentError,
            r"space: \['x'\] is not a dict of axes; give",
        ),
        (lambda: experiment_of(parabola), ExperimentError, "space: there is nothing to search"),
        (
            lambda: check_searched("val_acc", ["loss", "val_accuracy"]),
            EveryTrialError,
            "'val_acc' is searched .* has: loss, val_accuracy; did you mean 'val_accuracy'",
        ),
    ],
)
def test_a_mistake_is_a_line_with_its_way_out(call: Any, kind: type, line: str) -> None:
    with pytest.raises(kind, match=line):
        call()


def test_what_every_trial_would_do_wrong_ends_the_run_with_the_first() -> None:
    study = open_study(experiment(trials=9))
    cell = study.ask()
    assert cell is not None
    text = f"EveryTrialError: {NoEpochsError()}"
    study.tell(cell, Outcome(Ending.RAISED, text, hopeless=True))
    assert study.records[0].state is State.FAILED
    assert study.records[0].attempt == 1
    assert study.finished
    assert str(study.abort) == (
        "trial 0 ended as every other one would: epochs: nothing says how many epochs to train; "
        'give the space an axis or a constant, "epochs": Int(1, 9) say, or `epochs`'
    )
    abandon(study)


def test_once_a_trial_has_reported_such_an_end_is_its_own() -> None:
    study = open_study(experiment(trials=9, scheduler="none"))
    first, second = study.ask(), study.ask()
    assert first is not None
    assert second is not None
    study.report(first, 1, {"val_accuracy": 0.5}, 1.0)
    study.tell(second, Outcome(Ending.RAISED, "no", hopeless=True))
    assert study.abort is None
    assert study.records[1].attempt == 1
    abandon(study)
