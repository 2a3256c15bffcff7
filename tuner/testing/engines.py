"""What every engine promises, a test each, for whoever writes one.

    class TestMine(EngineSuite):
        @pytest.fixture
        def make(self) -> Make:
            return lambda job: Mine(job, ...)

`tuner.engines.contract` says the promises in words. The trainings are real: a small declared
network on scikit-learn's digits. An engine whose workers are processes also passes `WorkersSuite`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tuner.data.datasets import Dataset
from tuner.data.datasets import load as load_dataset
from tuner.data.splits import Splits, cell_data
from tuner.engines.contract import Engine, Job
from tuner.engines.watched import Watched
from tuner.experiment.experiment import KerasModel
from tuner.experiment.loading import Source
from tuner.testing.scripted import ScriptedStudy
from tuner.trial.cells import Cell, Decision, Ending

Make = Callable[[Job], Engine]
"""Makes an engine for a job; the engine runs one study."""

ROWS = 240
METRIC = "val_loss"


def build(trial: Any) -> Any:
    """A small network; one that raises, or ends its process, where its parameters say so."""
    import keras

    if trial.get("raises"):
        raise ValueError("no such network")
    kills = trial.get("kills")
    if kills is not None and _first_time(Path(kills)):
        os._exit(1)
    return keras.Sequential(
        [
            keras.Input(trial.data.input_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(trial.data.n_classes, activation="softmax"),
        ]
    )


def _first_time(path: Path) -> bool:
    """Whether this is to kill: always, or, of a file that is not there yet, once."""
    if path.name == "always":
        return True
    there = path.exists()
    path.touch()
    return not there


def sgd(trial: Any) -> Any:
    """Its optimizer."""
    import keras

    return keras.optimizers.SGD(trial["rate"], momentum=0.9)


NETWORK = KerasModel(build=build, optimizer=sgd, batch_size=32)


@cache
def digits() -> Dataset:
    """A few hundred of scikit-learn's digits."""
    whole = load_dataset("digits")
    return replace(whole, x_train=whole.x_train[:ROWS], y_train=whole.y_train[:ROWS])


def cells(count: int, *, epochs: int = 3, **params: Any) -> list[Cell]:
    """`count` cells, one a trial, each of a rate and a seed of its own."""
    return [
        Cell(i, 1, 0, {"rate": 0.02 * (i + 1), **params}, seed=100 + i, epochs=epochs)
        for i in range(count)
    ]


def study_of(todo: list[Cell], **more: Any) -> ScriptedStudy:
    """A study of the network that hands out these cells."""
    return ScriptedStudy(NETWORK, todo, space={"rate": 0.1}, metric=METRIC, engine="auto", **more)


def job_of(study: ScriptedStudy) -> Job:
    """Its job, the objective shipped from memory."""
    return Job(study.experiment, Source("object", __name__), Splits(), digits())


def values(study: ScriptedStudy) -> dict[int, list[float]]:
    """The searched metric by trial, an epoch each."""
    return {
        trial: [metrics[METRIC] for _, metrics in reports]
        for trial, reports in sorted(study.reports.items())
    }


class EngineSuite:
    """Any engine. `tolerance` is what its numbers may differ by from a plain `fit`'s."""

    tolerance = 1e-4

    @pytest.fixture
    def make(self) -> Iterator[Make]:
        """The engine under test."""
        raise NotImplementedError("a suite needs a fixture `make` that makes an engine of a job")

    def run(self, make: Make, study: ScriptedStudy) -> ScriptedStudy:
        """Run a study on the engine, which is held to its promises meanwhile."""
        engine = make(job_of(study))
        assert engine.why_not() is None
        watched = Watched(study, type(engine).__name__)
        engine.run(watched)
        watched.check_nothing_lost()
        return study

    def test_a_cell_is_told_once_and_its_reports_come_in_order(self, make: Make) -> None:
        study = self.run(make, study_of(cells(8), window=4))
        assert sorted(cell.trial for cell, _ in study.told) == list(range(8))
        assert {outcome.ending for _, outcome in study.told} == {Ending.FINISHED}
        for reports in study.reports.values():
            assert [epoch for epoch, _ in reports] == [1, 2, 3]

    def test_nothing_is_reported_after_a_stop(self, make: Make) -> None:
        def decide(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
            return Decision.STOP if epoch == 1 + cell.trial % 3 else Decision.CONTINUE

        study = self.run(make, study_of(cells(6, epochs=4), decide=decide))
        assert {t: len(reports) for t, reports in study.reports.items()} == {
            trial: 1 + trial % 3 for trial in range(6)
        }
        assert sorted(cell.trial for cell, _ in study.told) == list(range(6))

    def test_a_raise_is_told_with_its_text_and_harms_nobody(self, make: Make) -> None:
        todo = cells(4)
        todo[1] = replace(todo[1], params={**todo[1].params, "raises": True})
        study = self.run(make, study_of(todo))
        endings = {cell.trial: outcome.ending for cell, outcome in study.told}
        assert endings == {0: Ending.FINISHED, 1: Ending.RAISED, 2: Ending.FINISHED,
                           3: Ending.FINISHED}  # fmt: skip
        [error] = [outcome.error for cell, outcome in study.told if cell.trial == 1]
        assert "no such network" in (error or "")

    def test_a_pause_frees_the_slot_and_the_cell_goes_on_to_the_same_numbers(
        self, make: Make
    ) -> None:
        began: list[tuple[int, int]] = []

        def decide(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
            return Decision.PAUSE if epoch in (1, 3) else Decision.CONTINUE

        def hear(event: str, cell: Cell) -> None:
            if event == "ask":
                began.append((cell.trial, cell.start))

        paused = self.run(make, study_of(cells(7, epochs=4), decide=decide, hear=hear))
        assert [start for _, start in began[:7]] == [0] * 7  # others begin before one goes on
        assert sorted(began) == [(trial, start) for trial in range(7) for start in (0, 1, 3)]
        whole = self.run(make, study_of(cells(7, epochs=4)))
        assert {len(reports) for reports in paused.reports.values()} == {4}
        for trial, numbers in values(whole).items():
            assert values(paused)[trial] == pytest.approx(numbers, abs=self.tolerance)
        assert paused.again == 0  # one node, and room for all: no epoch is trained twice

    def test_its_numbers_are_those_of_a_plain_fit(self, make: Make) -> None:
        todo = cells(3)
        study = self.run(make, study_of(list(todo)))
        for cell in todo:
            assert values(study)[cell.trial] == pytest.approx(
                [metrics[METRIC] for _, metrics in plain_fit(cell)], abs=self.tolerance
            )

    def test_what_the_study_raises_comes_out(self, make: Make) -> None:
        def decide(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
            if cell.trial == 1:
                raise RuntimeError("disk full")
            return Decision.CONTINUE

        with pytest.raises(RuntimeError, match="disk full"):
            self.run(make, study_of(cells(6), decide=decide))


class WorkersSuite(EngineSuite):
    """An engine whose workers are processes, which die."""

    def test_a_lost_workers_cells_go_back_and_come_to_their_end(
        self, make: Make, tmp_path: Path
    ) -> None:
        todo = cells(7)
        todo[2] = replace(todo[2], params={**todo[2].params, "kills": str(tmp_path / "once")})
        study = self.run(make, with_retries(study_of(todo)))
        finished = [cell.trial for cell, o in study.told if o.ending is Ending.FINISHED]
        assert sorted(finished) == list(range(7))
        died = [cell.trial for cell, o in study.told if o.ending is Ending.DIED]
        assert set(died) <= {2}

    def test_what_kills_its_worker_costs_its_own_trial_alone(
        self, make: Make, tmp_path: Path
    ) -> None:
        todo = cells(7)
        todo[2] = replace(todo[2], params={**todo[2].params, "kills": "always"})
        study = self.run(make, with_retries(study_of(todo)))
        told = [(cell.trial, outcome.ending) for cell, outcome in study.told]
        assert sorted(told) == sorted(
            [(trial, Ending.FINISHED) for trial in range(7) if trial != 2] + [(2, Ending.DIED)] * 3
        )


def with_retries(study: ScriptedStudy) -> ScriptedStudy:
    """A study that asks for a cell that died twice more."""
    tell = study.tell

    def tell_and_retry(cell: Cell, outcome: Any) -> None:
        if outcome.ending is Ending.DIED and cell.attempt < 3:
            study.todo.insert(0, replace(cell, attempt=cell.attempt + 1, start=0))
        tell(cell, outcome)

    study.tell = tell_and_retry  # type: ignore[method-assign]
    return study


@cache
def _data() -> Any:
    return cell_data(digits(), Splits(), 0)


def plain_fit(cell: Cell) -> list[tuple[int, dict[str, float]]]:
    """What a cell reports when it is trained in this process. Raises what its training raised."""
    return _trained(cell.seed, cell.epochs, tuple(sorted(cell.params.items())))


@cache
def _trained(
    seed: int, epochs: int | None, params: tuple[tuple[str, Any], ...]
) -> list[tuple[int, dict[str, float]]]:
    from tuner.training.run_cell import run_cell

    reports: list[tuple[int, dict[str, float]]] = []

    def send(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
        reports.append((epoch, metrics))
        return Decision.CONTINUE

    cell = Cell(0, 1, 0, dict(params), seed, epochs)
    outcome = run_cell(NETWORK, METRIC, cell, send, _data)
    if outcome.error is not None:
        raise RuntimeError(outcome.error)
    return reports
