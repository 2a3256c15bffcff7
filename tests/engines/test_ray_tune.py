"""The Ray Tune engine on a real, local Ray; one Ray for the whole file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.jobs import job
from tests.engines.small_network import plain_sgd, small_network
from tuner.cluster.session import Runtime, connect
from tuner.data.datasets import Dataset
from tuner.data.splits import Splits, cell_data
from tuner.engines.ask_ahead import Proposals
from tuner.engines.choice import Chosen
from tuner.engines.ray_tune import tune_internals
from tuner.engines.ray_tune.adapters import AskTell
from tuner.engines.ray_tune.engine import RayTune
from tuner.engines.ray_tune.flights import Flights
from tuner.engines.shipping import needs_keras
from tuner.engines.worker_death import cause_of_death
from tuner.errors import EngineError
from tuner.experiment.experiment import KerasModel
from tuner.experiment.loading import Source
from tuner.testing.scripted import ScriptedStudy, cells
from tuner.trial.cells import Cell, Decision, Ending


def run(
    study: ScriptedStudy, runtime: Runtime, dataset: Dataset | None = None, **more: Any
) -> None:
    RayTune(job(study, dataset, **more), runtime).run(study)


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with connect(concurrency=2) as connected:
        yield connected


def three_epochs(trial: Any) -> None:
    for epoch in (1, 2, 3):
        if trial.report(epoch, {"v": trial["i"] * 10 + epoch, "pid": os.getpid()}):
            return


def stop_at_two(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
    return Decision.STOP if epoch == 2 else Decision.CONTINUE


def pids(study: ScriptedStudy) -> dict[int, set[float]]:
    """The workers' pids, by trial."""
    return {
        trial: {metrics["pid"] for _, metrics in reports if "pid" in metrics}
        for trial, reports in study.reports.items()
    }


def test_every_cell_runs_once_and_its_reports_come_in_order(runtime: Runtime) -> None:
    study = ScriptedStudy(three_epochs, cells(30), window=10)  # workers stand idle in between
    run(study, runtime)
    assert sorted(cell.trial for cell, _ in study.told) == list(range(30))
    for trial, reports in study.reports.items():
        assert [(epoch, metrics["v"]) for epoch, metrics in reports] == [
            (epoch, trial * 10 + epoch) for epoch in (1, 2, 3)
        ]
    for _, outcome in study.told:
        assert outcome.ending is Ending.FINISHED
        assert outcome.host == "127.0.0.1"
        assert 0 < outcome.duration_s < 60
        assert outcome.peak_rss_mb > 10
    assert len(set.union(*pids(study).values())) == 2  # both workers, used again and again


def test_a_study_that_is_finished_runs_nothing(runtime: Runtime) -> None:
    study = ScriptedStudy(three_epochs, [])
    Chosen("ray_tune", "asked for", RayTune(job(study), runtime)).run(study)
    assert study.told == []


# ------------------------------------------------------------------------------------ stops


def noting(trial: Any) -> None:
    """Write down when it began and ended; odd trials obey a stop, even ones ignore it."""
    with Path(trial["log"]).open("a") as log:
        began = time.monotonic()
        epoch = 0
        try:
            for epoch in (1, 2, 3):
                if trial.report(epoch, {"v": 0.0}) and trial["i"] % 2:
                    return
        finally:
            ended = time.monotonic()
            log.write(f"{os.getpid()} {began} {ended} {trial['i']} {epoch}\n")


def test_a_stopped_fit_ends_before_its_workers_next_trial_begins(
    runtime: Runtime, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    study = ScriptedStudy(noting, cells(16, log=str(log)), decide=stop_at_two)
    run(study, runtime)
    lines = [tuple(map(float, line.split())) for line in log.read_text().splitlines()]
    assert len(lines) == 16
    assert all(len(reports) == 2 for reports in study.reports.values())
    assert {trial: epoch for _, _, _, trial, epoch in lines} == {
        i: 2 if i % 2 else 3
        for i in range(16)  # one that ignores it ends at its next report
    }
    assert Counter(outcome.ending for _, outcome in study.told) == {Ending.FINISHED: 16}
    for worker in {line[0] for line in lines}:
        spans = sorted((began, ended) for pid, began, ended, *_ in lines if pid == worker)
        for (_, ended), (began, _) in pairwise(spans):
            assert ended <= began


# --------------------------------------------------------------------------------- failures


def chaotic(trial: Any) -> None:
    i = trial["i"]
    for epoch in (1, 2, 3):
        if i == 5:
            raise ValueError("user bug")
        if i == 7:
            raise SystemExit("leaving")
        if trial.report(epoch, {"v": float(epoch), "pid": os.getpid()}) and i % 2:
            return


def test_chaos_loses_nothing(runtime: Runtime) -> None:
    """Raises, SIGKILLs and ignored stops, together; a dead worker's cell is asked again."""
    again: list[Cell] = []

    def decide(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
        if cell.trial in (3, 11) and cell.attempt == 1 and epoch == 1:
            os.kill(int(metrics["pid"]), signal.SIGKILL)
            again.append(replace(cell, attempt=2))
        return Decision.STOP if cell.trial % 3 == 0 and epoch == 2 else Decision.CONTINUE

    def hear(event: str, cell: Cell) -> None:
        if event == "tell" and cell.attempt == 1 and cell.trial in (3, 11):
            study.todo.append(again.pop(0))

    study = ScriptedStudy(chaotic, cells(24), decide=decide, hear=hear)
    run(study, runtime)
    outcomes = study.outcomes()
    assert {trial: [outcome.ending for outcome in of] for trial, of in outcomes.items()} == {
        **{trial: [Ending.FINISHED] for trial in range(24)},
        3: [Ending.DIED, Ending.FINISHED],
        11: [Ending.DIED, Ending.FINISHED],
        5: [Ending.RAISED],
        7: [Ending.RAISED],
    }
    assert "ValueError: user bug" in (outcomes[5][0].error or "")
    assert "SystemExit: leaving" in (outcomes[7][0].error or "")
    assert (outcomes[3][0].error or "").startswith("the worker died (killed, crashed, or out")
    assert "\n" not in (outcomes[3][0].error or "")
    # Two workers at first, and one more for each that was killed: an exception costs none.
    assert len(set.union(*pids(study).values())) == 4


def test_a_death_that_ray_says_little_about_keeps_its_last_words() -> None:
    assert cause_of_death("Failure # 1\n  RuntimeError:   gone") == (
        "the worker died: Failure # 1 RuntimeError: gone"
    )


def test_what_the_study_raises_ends_the_run_and_comes_out(runtime: Runtime) -> None:
    def decide(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
        if cell.trial == 3:
            raise RuntimeError("disk full")
        return Decision.CONTINUE

    with pytest.raises(RuntimeError, match="disk full"):
        run(ScriptedStudy(three_epochs, cells(50), decide=decide), runtime)


def test_an_ask_that_raises_finishes_the_search_and_is_kept() -> None:
    def hear(event: str, cell: Cell) -> None:
        raise TimeoutError("storage gone")

    study = ScriptedStudy(three_epochs, cells(5), hear=hear)
    flights = Flights(study, Proposals(study, ahead=False), concurrency=2)
    suggested: Any = AskTell(flights).suggest("first")  # a string, whatever is declared
    assert suggested == AskTell.FINISHED
    assert isinstance(flights.error, TimeoutError)


def endless(trial: Any) -> None:
    trial.report(1, {"v": 0.0})
    time.sleep(600)


def test_a_limit_ends_the_cells_in_flight_untold_and_frees_their_workers(
    runtime: Runtime,
) -> None:
    reported: set[int] = set()
    study = ScriptedStudy(
        endless,
        cells(9),
        hear=lambda event, cell: reported.add(cell.trial) if event == "report" else None,
        limit=lambda: len(reported) == 2,
    )
    run(study, runtime)
    assert study.told == []


def test_an_interrupt_comes_out_at_once_and_tells_nothing(runtime: Runtime) -> None:
    def hear(event: str, cell: Cell) -> None:
        if event == "report":
            raise KeyboardInterrupt

    study = ScriptedStudy(endless, cells(9), hear=hear)
    with pytest.raises(KeyboardInterrupt):
        run(study, runtime)
    assert study.told == []


# --------------------------------------------------------------------------- what is shipped


def test_a_file_is_loaded_in_the_worker_and_its_cells_get_the_data_of_their_folds(
    runtime: Runtime, tmp_path: Path
) -> None:
    (tmp_path / "beside.py").write_text("def total(x):\n    return float(x.sum())\n")
    path = tmp_path / "mine.py"
    path.write_text(
        "import threading\nfrom beside import total\nfrom tuner import Experiment\n"
        "LOCK = threading.Lock()\n"  # a global that cannot be pickled
        "def train(trial):\n"
        "    with LOCK:\n"
        "        sums = total(trial.data.x_train), total(trial.data.x_val)\n"
        # What a user calls a metric is no business of Tune's, nor whether it is finite.
        "    trial.report(1, {'done': sums[0], 'config': sums[1], 'pid': float('nan')})\n"
        "EXPERIMENT = Experiment(name='mine', space={'i': 1}, objective=train, dataset=None)\n"
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
    dataset = Dataset("made up", x, y, x[:6], y[:6], 3, "0" * 16)
    splits = Splits(mode="cv", folds=3)
    todo = [replace(cell, fold=cell.trial % 3) for cell in cells(6)]
    study = ScriptedStudy(three_epochs, todo, metric="done")
    run(study, runtime, dataset, source=Source("file", str(path)), splits=splits)
    for cell in todo:
        expected = cell_data(dataset, splits, cell.fold)
        [(_, metrics)] = study.reports[cell.trial]
        assert metrics["done"] == pytest.approx(float(expected.x_train.sum()))
        assert metrics["config"] == pytest.approx(float(expected.x_val.sum()))
        assert np.isnan(metrics["pid"])


def test_a_declared_model_trains_stops_and_gives_the_same_numbers_on_a_warm_worker(
    runtime: Runtime,
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3, 2)).astype("float32"), np.arange(50) % 2
    dataset = Dataset("made up", x, y, x[:10], y[:10], 2, "0" * 16)
    model = KerasModel(build=small_network, optimizer=plain_sgd)
    todo = [replace(cell, seed=5) for cell in cells(4)]
    study = ScriptedStudy(
        model,
        todo,
        decide=lambda cell, epoch, _: Decision.STOP if epoch == cell.trial else Decision.CONTINUE,
        metric="val_loss",
    )
    run(study, runtime, dataset)
    assert {trial: len(reports) for trial, reports in study.reports.items()} == {
        0: 3,
        1: 1,
        2: 2,
        3: 3,
    }
    assert all(outcome.ending is Ending.FINISHED for _, outcome in study.told)
    for reports in study.reports.values():
        for (_, metrics), (_, first) in zip(reports, study.reports[0], strict=False):
            assert metrics["val_loss"] == pytest.approx(first["val_loss"], rel=1e-5)


def test_keras_is_warmed_up_only_where_it_is_imported() -> None:
    assert needs_keras(KerasModel(build=small_network, optimizer=plain_sgd))
    assert needs_keras(small_network)
    assert not needs_keras(three_epochs)  # whose file only names it: import keras


# ------------------------------------------------------------------------------- internals


def test_rays_private_parts_are_where_tuner_looks_for_them() -> None:
    tune_internals.check()


def test_a_run_imports_no_tracker_that_is_installed(tmp_path: Path) -> None:
    code = (
        "import sys, tuner; tuner.run('beale', trials=1, concurrency=1, results=sys.argv[1]);"
        "print(sorted({'mlflow', 'wandb', 'ray.tune'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['ray.tune']"


def test_a_ray_without_them_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import worker

    monkeypatch.delattr(worker, "_worker_logs_enabled")
    with pytest.raises(EngineError, match=r"it lacks ray\._private\.worker\._worker_logs_enabled"):
        tune_internals.check()


def test_a_controller_without_an_actor_cache_is_refused() -> None:
    with pytest.raises(EngineError, match="_actor_cache"):
        tune_internals.prepare(
            type("Wrapped", (), {"_tune_controller": object()})(), None, 2, object
        )
