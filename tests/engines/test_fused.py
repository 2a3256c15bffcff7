"""The fused engine on a real Ray and real Keras: every cell once, decided by the same study."""

from __future__ import annotations

import math
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from tests.brain import abandon, close, experiment, open_study
from tests.engines.jobs import job
from tests.sharing.local_ray import until
from tuner.cluster.session import Runtime, connect
from tuner.data.datasets import load as load_dataset
from tuner.data.splits import Splits, cell_data, cell_rows, judged_on_test
from tuner.engines.choice import Chosen, choose
from tuner.engines.fused import eligible
from tuner.engines.fused.eligible import LANES, lanes_of, some_cells
from tuner.engines.fused.engine import Fused
from tuner.engines.registry import make_engine
from tuner.errors import ExperimentError, TunerError
from tuner.experiment.experiment import KerasModel
from tuner.search_space.axes import Categorical, Float, Int
from tuner.study.study import Study
from tuner.trial.cells import State

DIGITS = load_dataset("digits")


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with connect(concurrency=1) as connected:
        yield connected


def sgd(trial: Any) -> Any:
    import keras

    return keras.optimizers.SGD(trial["rate"], momentum=trial["momentum"])


def breaks_for_some(trial: Any) -> Any:
    if trial["momentum"] > 0.5:
        raise ValueError("no such network")
    return network(trial)


def network(trial: Any) -> Any:
    import keras

    classes = trial.data.n_classes
    return keras.Sequential(
        [
            keras.Input(trial.data.input_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )


DECLARED = KerasModel(build=network, optimizer=sgd, batch_size=128)
SPACE = {"rate": Float(0.01, 0.5, log=True), "momentum": Float(0.0, 0.9), "epochs": Int(1, 9)}


def studied(
    runtime: Runtime, folder: Path | None = None, engine: str = "fused", **more: Any
) -> Study:
    fields = {"space": SPACE, "objective": DECLARED, "sampler": "random", "dataset": "digits"}
    given = {**fields, "trials": 16, **more}
    if given.get("mode", "search") != "search":
        del given["sampler"]
    settled = experiment(**given)
    study = open_study(settled, folder, clock=time.time)
    splits = Splits(mode=settled.mode, folds=settled.folds, seed=settled.seed)
    work = job(settled, DIGITS, splits=splits)
    Chosen(engine, "asked for", make_engine(engine, work, runtime)).run(study)
    close(study)
    return study


def test_asha_stops_lanes_and_each_trial_has_its_own_epochs(
    runtime: Runtime, tmp_path: Path
) -> None:
    study = studied(runtime, tmp_path, scheduler="asha", trials=24, seed=2)
    states = {record.state for record in study.records}
    assert states == {State.COMPLETE, State.STOPPED}
    reports = pd.read_parquet(tmp_path / "reports.parquet")
    trials = pd.read_parquet(tmp_path / "trials.parquet").set_index("trial")
    assert (reports.groupby("trial")["epoch"].max() == trials["epochs"]).all()
    assert (reports.groupby("trial").size() == trials["epochs"]).all()
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} <= set(reports)
    assert reports["val_accuracy"].max() > 0.85
    assert set(trials.loc[trials["state"] == "COMPLETE", "epochs"]) == {9}


def test_every_engine_gives_the_same_start_and_a_run_is_the_same_again(runtime: Runtime) -> None:
    """Of full batches: the order of the data does not matter then, the initial weights do."""
    one_batch = KerasModel(build=network, optimizer=sgd, batch_size=2000)
    space = {**SPACE, "epochs": Int(1, 4)}
    more: dict[str, Any] = {
        "objective": one_batch,
        "space": space,
        "scheduler": "none",
        "trials": 7,
    }
    first, again = studied(runtime, **more), studied(runtime, **more)
    assert [r.value for r in first.records] == [r.value for r in again.records]  # to the bit
    other = studied(runtime, engine="ray_tune", **more)
    for one, two in zip(first.records, other.records, strict=True):
        assert one.params == two.params
        assert one.value == pytest.approx(two.value, abs=0.02)


def test_every_fold_of_a_cross_validation_is_its_own_training(runtime: Runtime) -> None:
    space = {"rate": Categorical([0.1, 0.3]), "momentum": 0.5, "epochs": 4}
    study = studied(runtime, space=space, mode="cv")
    assert [len(record.cells) for record in study.records] == [3, 3]
    values = [cell.value for record in study.records for cell in record.cells.values()]
    assert len(set(values)) > 2
    other = studied(runtime, engine="ray_tune", space=space, mode="cv")
    for one, two in zip(study.records, other.records, strict=True):
        assert one.value is not None
        assert one.value > 0.5
        spread = max(one.value_std or 0.0, two.value_std or 0.0)
        assert one.value == pytest.approx(two.value, abs=2 * spread)


def test_what_diverges_or_cannot_be_built_leaves_the_others_alone(runtime: Runtime) -> None:
    broken = KerasModel(build=breaks_for_some, optimizer=sgd, batch_size=128)
    momenta = Categorical([0.1, 0.4, 0.8])
    space = {"rate": Categorical([0.1, 1e30]), "momentum": momenta, "epochs": 3}
    study = studied(
        runtime, space=space, objective=broken, mode="grid", retries=0, metric="val_loss"
    )
    states = {(r.params["rate"], r.params["momentum"]): r.state for r in study.records}
    assert states == {
        **{(0.1, m): State.COMPLETE for m in (0.1, 0.4)},
        **{(1e30, m): State.DIVERGED for m in (0.1, 0.4)},
        **{(rate, 0.8): State.FAILED for rate in (0.1, 1e30)},
    }
    for record in study.records:
        if record.state is State.COMPLETE:
            assert record.value is not None
            assert math.isfinite(record.value)
            assert record.epochs == 3
        if record.state is State.FAILED:
            assert "no such network" in str(record.error)


class DriverDied(BaseException):
    """Stands for a SIGKILL of the driver."""


def taken_up(
    runtime: Runtime, folder: Path, engine: str, build: Any, dies: Any, trials: int
) -> pd.DataFrame:
    """The trials of a study with checkpoints, of which `dies` ends something as it reports."""
    settled = experiment(
        space={**SPACE, "epochs": 6}, sampler="random", scheduler="none", dataset="digits",
        objective=KerasModel(build=build, optimizer=sgd, batch_size=128), trials=trials,
        checkpoint_every=1,
    )  # fmt: skip

    class Dies(Study):
        def report(self, *taken: Any) -> Any:
            dies(self.order)
            return super().report(*taken)

    work = job(settled, DIGITS, files=folder / "files")
    plain = open_study(settled, folder)
    study: Study = Dies(settled, plain.ledger, recorder=plain.recorder)
    try:
        make_engine(engine, work, runtime).run(study)
    except DriverDied:
        abandon(study)
        study = open_study(settled, folder)
        make_engine(engine, work, runtime).run(study)
    close(study)
    assert [record.state for record in study.records] == [State.COMPLETE] * trials
    reports = pd.read_parquet(folder / "reports.parquet").sort_values(["trial", "epoch"])
    epochs = list(zip(reports["trial"], reports["epoch"], strict=True))
    assert epochs == [(trial, epoch) for trial in range(trials) for epoch in range(1, 7)]
    assert (reports.groupby("trial")["time_s"].diff().dropna() > 0).all()
    assert list((folder / "files").iterdir()) == []
    return pd.read_parquet(folder / "trials.parquet")


def goes_on_after(folder: Path, trial: int) -> list[int]:
    log = folder / "logs" / f"{trial}.log"
    said = log.read_text() if log.exists() else ""  # a trial that said nothing has none
    return [int(epoch) for epoch in re.findall(r"goes on after epoch (\d)", said)]


@pytest.mark.parametrize(
    ("at", "trials", "lost"),
    [(14, 14, range(1, LANES + 1)), (35, 8, range(1))],
    ids=["in the third epoch of six lanes", "as six lanes end, and others are to begin"],
)
def test_a_killed_worker_loses_nothing_and_its_lanes_go_on(
    runtime: Runtime, tmp_path: Path, at: int, trials: int, lost: range
) -> None:
    pids, killed = tmp_path / "pids", list[int]()

    def noted(trial: Any) -> Any:
        with pids.open("a") as file:
            print(os.getpid(), file=file)
        return network(trial)

    def dies(order: int) -> None:
        if not killed and order == at:
            killed.append(int(pids.read_text().split()[-1]))
            os.kill(killed[0], signal.SIGKILL)
            until(lambda: not psutil.pid_exists(killed[0]))  # between two calls, not in one

    table = taken_up(runtime, tmp_path, "fused", noted, dies, trials)
    assert killed
    assert table["attempt"].tolist() == [1] * trials  # none of them is to blame
    again = [trial for trial in range(trials) if goes_on_after(tmp_path, trial)]
    assert len(again) in lost
    assert {epoch for trial in again for epoch in goes_on_after(tmp_path, trial)} <= {2, 3}


def test_a_fit_goes_on_from_its_checkpoint_when_the_driver_dies(
    runtime: Runtime, tmp_path: Path
) -> None:
    def dies(order: int) -> None:
        if order == 9:  # the fourth epoch of the second trial
            raise DriverDied

    trials = taken_up(runtime, tmp_path, "ray_tune", network, dies, 2)
    assert trials["attempt"].tolist() == [1, 2]
    assert goes_on_after(tmp_path, 1) == [3]


def test_a_worker_for_which_no_node_has_place_holds_up_nobody(runtime: Runtime) -> None:
    """One whose node went as it started waits for another that may never come."""
    space = {**SPACE, "epochs": 2}
    settled = experiment(space=space, objective=DECLARED, scheduler="none", trials=4)
    engine = Fused(job(settled, DIGITS), runtime)
    engine.crew.kind = engine.crew.kind.options(num_cpus=99)
    engine.crew.workers.insert(0, engine.crew.new_worker())
    study = open_study(settled)
    engine.run(study)
    assert [record.state for record in study.records] == [State.COMPLETE] * 4


def test_what_lanes_cannot_train_is_refused_before_anything_is_asked(runtime: Runtime) -> None:
    def wide(trial: Any) -> Any:
        import keras

        return keras.Sequential(
            [keras.layers.Flatten(), keras.layers.Dense(512), keras.layers.Dense(300)]
        )

    with pytest.raises(
        TunerError, match=r"engine: 'fused' cannot train this.*not a declared Keras"
    ):
        studied(runtime, objective=print)
    with pytest.raises(TunerError, match=r"wide \(512 x 300\): no gain; take 'ray_tune'"):
        studied(runtime, objective=KerasModel(build=wide, optimizer=sgd))


def test_auto_takes_the_fused_engine_where_it_gains_and_says_why(runtime: Runtime) -> None:
    def widths(trial: Any) -> Any:
        import keras

        return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(trial["width"])])

    def chosen(objective: Any = DECLARED, **more: Any) -> Chosen:
        given = {"space": SPACE, "objective": objective, "engine": "auto", "scheduler": "none"}
        settled = experiment(**{**given, **more})
        return choose(job(settled, DIGITS), runtime)

    fused_one = chosen()
    assert (fused_one.name, fused_one.lanes) == ("fused", LANES)
    fused_one.engine.kill()  # type: ignore[attr-defined]  # its CPU is the only one
    assert str(chosen(print)) == "ray_tune (its training is a function, not a declared KerasModel)"
    assert "2 trainings do not fill" in chosen(trials=2).why
    assert (
        "ends most trials early, and their lanes would stand empty" in chosen(scheduler="asha").why
    )
    batches = {**SPACE, "batch_size": Categorical([32, 64])}
    assert "batch_size is searched" in chosen(space=batches).why
    form = chosen(KerasModel(build=widths, optimizer=sgd), space={**SPACE, "width": Int(4, 200)})
    assert form.name == "ray_tune"
    assert "4 of 4 of its points are networks of different forms" in form.why


def test_lanes_with_the_ray_tune_engine_are_refused() -> None:
    with pytest.raises(ExperimentError, match=r"lanes: 4 lanes belong to the fused engine"):
        experiment(space=SPACE, engine="ray_tune", lanes=4)


def test_a_worker_holds_enough_cells_of_each_batch_size_of_a_grid() -> None:
    grid = {**SPACE, "batch_size": Categorical([32, 64, 128])}
    assert eligible.batch_sizes(experiment(space=grid, mode="grid")) == 3
    nine = experiment(space=SPACE, trials=9, scheduler="none")
    assert eligible.no_gain(nine, DIGITS) is None
    x, y = np.zeros((eligible.LONG_EPOCHS + 1, 1), "float32"), np.zeros(eligible.LONG_EPOCHS + 1)
    long = replace(DIGITS, x_train=x, y_train=y)
    assert eligible.no_gain(nine, long) == "epochs of 10001 samples are as fast one by one"
    assert eligible.no_gain(replace(nine, lanes=4), long) is None
    assert eligible.no_gain(replace(nine, gpus_per_trial=1.0), long) is None
    searched = experiment(space={**SPACE, "batch_size": Int(16, 64)})
    assert (
        eligible.no_gain(searched)
        == "batch_size is searched, so that few trials would train together"
    )


def test_lanes_follow_from_the_experiment_alone() -> None:
    assert lanes_of(experiment(space=SPACE, trials=40)) == LANES
    assert lanes_of(experiment(space=SPACE, trials=4)) == 4
    assert lanes_of(experiment(space=SPACE, lanes=9)) == 9
    kind = Categorical(["a", "b"])
    when = {**SPACE, "kind": kind, "k": Float(0, 1, when={"kind": "b"})}
    point = some_cells(experiment(space=when), 1)[0].params
    assert point == {"rate": 0.01, "momentum": 0.0, "epochs": 9, "kind": "a"}


@pytest.mark.parametrize(
    "splits", [Splits(), Splits(validation="test"), Splits(mode="cv", folds=3)]
)
def test_rows_are_the_data_of_a_cell(splits: Splits) -> None:
    x = DIGITS.x_train
    if judged_on_test(splits):
        x = np.concatenate([x, DIGITS.x_test])
    train, val = cell_rows(DIGITS, splits, 0)
    data = cell_data(DIGITS, splits, 0)
    np.testing.assert_array_equal(x[train], data.x_train)
    np.testing.assert_array_equal(x[val], data.x_val)
