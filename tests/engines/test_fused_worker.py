"""A worker of the fused engine by itself: whatever ends when, each cell has its own epochs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data.datasets import Dataset
from tuner.data.splits import Splits
from tuner.engines.fused.messages import Finished, Trained
from tuner.engines.fused.worker import BUILDS_KEPT, LaneWorker
from tuner.engines.shipping import Shipment, pickled
from tuner.experiment.experiment import KerasModel
from tuner.experiment.loading import Source
from tuner.trial.cells import Cell, CellKey, Ending, Outcome

LANES = 3


def network(trial: Any) -> Any:
    import keras
    import tensorflow as tf

    class Counts(keras.layers.Layer):
        """A layer that no lane can have: its count is none of Keras' variables."""

        def build(self, shape: Any) -> None:
            self.count = tf.Variable(0.0)

        def call(self, x: Any) -> Any:
            self.count.assign_add(1.0)
            return x

    layers = [keras.Input((4,)), keras.layers.Dense(5, activation="relu")]
    if trial.get("dropout"):
        layers.append(keras.layers.Dropout(trial["dropout"]))
    if trial["plain"]:
        layers.append(Counts())
    return keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])


def sgd(trial: Any) -> Any:
    import keras

    return keras.optimizers.SGD(trial["rate"])


def adam(trial: Any) -> Any:
    import keras

    return keras.optimizers.Adam(trial["rate"])


@dataclass(frozen=True)
class Training:
    """What is to become of a cell: `epochs` at most, stopped by the study after `stop`."""

    epochs: int
    stop: int | None
    diverges: bool
    batch_size: int
    plain: bool

    @property
    def expected(self) -> int:
        ends = [self.epochs, *([self.stop] if self.stop else []), *([1] if self.diverges else [])]
        return min(ends)


TRAININGS = st.builds(
    Training,
    epochs=st.integers(1, 5),
    stop=st.none() | st.integers(1, 4),
    diverges=st.sampled_from([False, False, True]),
    batch_size=st.sampled_from([8, 8, 8, 12]),
    plain=st.sampled_from([False] * 7 + [True]),
)


@cache
def worker() -> LaneWorker:
    """One for all examples: what was trained before must not matter."""
    return made(sgd)


def made(optimizer: Any, **more: Any) -> LaneWorker:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    data = Dataset("made", x, y, x[:4], y[:4], 2, "of no matter")
    declared = KerasModel(build=network, optimizer=optimizer, batch_size=lambda p: p["batch_size"])
    source = Source("object", __name__)
    job = Shipment(source, pickled(declared), "val_loss", (), Splits(), 1, 0, True, **more)
    return LaneWorker(job, data, LANES)


@settings(max_examples=15, deadline=None)
@given(st.lists(TRAININGS, min_size=1, max_size=9), st.integers(1, 6))
def test_each_cell_has_exactly_its_own_epochs_and_reports(
    trainings: list[Training], depth: int
) -> None:
    """Cells are refilled as others end, up to `depth` at a time, as the driver does."""
    lanes = worker()
    reported: dict[int, list[int]] = defaultdict(list)
    values: dict[int, list[float]] = defaultdict(list)
    coming, held, freed = list(enumerate(trainings)), set[int](), list[CellKey]()
    while coming or held:
        new = []
        while coming and len(held) < depth:
            number, training = coming.pop(0)
            rate = 1e30 if training.diverges else 0.1
            params = {"rate": rate, "batch_size": training.batch_size, "plain": training.plain}
            new.append(Cell(number, 1, 0, params, number, training.epochs))
            held.add(number)
        messages, _ = lanes.work(new, freed)
        freed = []
        for message in messages:
            number = message.key[0]
            if number not in held:
                continue
            if isinstance(message, Finished):
                assert message.outcome.ending is Ending.FINISHED, message.outcome.error
                held.discard(number)
            elif isinstance(message, Trained):
                reported[number].append(message.epoch)
                values[number].append(message.metrics["val_loss"])
                diverged = not np.isfinite(list(message.metrics.values())).all()
                if diverged or message.epoch == trainings[number].stop:
                    held.discard(number)
                    freed.append(message.key)
    lanes.work([], freed)
    for number, training in enumerate(trainings):
        if training.diverges:
            assert len(reported[number]) <= training.expected + 1  # NaN may need a second epoch
        else:
            assert reported[number] == list(range(1, training.expected + 1))
            assert np.isfinite(values[number]).all()
    assert not lanes.busy
    assert not lanes.waiting
    assert not lanes.plain


def test_a_cell_has_the_same_numbers_whatever_trains_beside_it() -> None:
    params = {"rate": 0.1, "batch_size": 8, "plain": False}
    alone = Cell(0, 1, 0, params, 5, 3)
    beside = [Cell(n, 1, 0, {**params, "rate": 1e30 if n == 1 else 0.3}, n, n) for n in (1, 2)]
    results = []
    for cells in ([alone], [*beside, alone]):
        taken: list[float] = []
        messages, _ = worker().work(cells, [])
        while True:
            mine = [m for m in messages if m.key == (0, 0)]
            taken += [m.metrics["val_loss"] for m in mine if isinstance(m, Trained)]
            if any(isinstance(m, Finished) for m in mine):
                break
            messages, _ = worker().work([], [])
        worker().work([], [CellKey(n, 0) for n in (1, 2)])
        results.append(taken)
    assert results[0] == results[1]
    assert len(results[0]) == 3


def test_a_worker_holds_no_more_after_many_trials() -> None:
    lanes, params = worker(), {"rate": 0.1, "batch_size": 8, "plain": False}
    held = []
    for n in range(3 * BUILDS_KEPT):
        lanes.work([Cell(n, 1, 0, params, n, 1)], [])
        held.append(psutil.Process().memory_info().rss / 2**20)
    assert held[-1] - held[BUILDS_KEPT] < 8  # a hundred models that were kept would be 36 MB


Reports = list[tuple[int, dict[str, float]]]


def train(lanes: LaneWorker, cells: list[Cell], calls: int) -> dict[int, Reports]:
    """What each trial reports in so many calls."""
    reported: dict[int, Reports] = defaultdict(list)
    for call in range(calls):
        for message in lanes.work(cells if call == 0 else [], [])[0]:
            if isinstance(message, Finished):
                assert message.outcome.error is None, message.outcome.error
            elif isinstance(message, Trained):
                reported[message.key[0]].append((message.epoch, message.metrics))
    return reported


def test_a_lane_tells_what_went_by_before_it_trained() -> None:
    params = {"rate": 0.01, "batch_size": 8, "plain": False}
    lanes = made(sgd)

    def outcomes(cells: list[Cell]) -> list[Outcome]:
        told = lanes.work(cells, [])[0]
        return [message.outcome for message in told if isinstance(message, Finished)]

    first = outcomes([Cell(n, 1, 0, params, n, 1) for n in range(2)])
    assert len(first) == 2
    for outcome in first:
        assert outcome.setup_s is not None
        assert outcome.trace_s is not None
        assert outcome.setup_s > 0
        assert outcome.trace_s > 0  # one tracing, for which both waited
        assert outcome.setup_s + outcome.trace_s < outcome.duration_s
    [later] = outcomes([Cell(2, 1, 0, params, 2, 1)])
    assert later.setup_s is not None
    assert later.trace_s == 0.0


def test_a_lane_goes_on_from_its_checkpoint_as_if_its_worker_had_not_died(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    params = {"rate": 0.01, "batch_size": 8, "plain": False, "dropout": 0.3}
    cells = [Cell(n, 1, 0, {**params, "rate": 0.01 * (n + 1)}, n, 6) for n in range(2)]
    calm = train(made(adam), cells, 6)
    dying = made(adam, files=tmp_path, checkpoint_every=2)
    before = train(dying, cells, 4)  # the checkpoint of epoch 4 would come with the next call
    assert len(before[0]) == 4
    assert sorted(path.name for path in tmp_path.rglob("*.npz")) == ["checkpoint.npz"] * 2
    fresh = made(adam, files=tmp_path, checkpoint_every=2)
    other = Cell(2, 1, 0, params, 2, 3)
    again = train(fresh, [other, *[replace(cell, attempt=2) for cell in cells]], 4)
    assert [again[n] for n in (0, 1)] == [calm[n] for n in (0, 1)]  # to the bit
    assert [epoch for epoch, _ in again[2]] == [1, 2, 3]
    assert capfd.readouterr().out.count("training goes on after epoch 2") == 2
    assert fresh._lanes.program._put.experimental_get_tracing_count() == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lane_that_the_study_stops_leaves_no_checkpoint(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    params = {"rate": 0.1, "batch_size": 8, "plain": False}
    cell = Cell(0, 1, 0, params, 5, 9)
    lanes = made(sgd, files=tmp_path, checkpoint_every=1)
    train(lanes, [cell], 2)
    (path,) = tmp_path.rglob("*.npz")
    kept = path.read_bytes()
    lanes.work([], [CellKey(0, 0)])
    assert list(tmp_path.iterdir()) == []
    # Of another form, as if the experiment's file had changed: it starts anew, and says so.
    path.parent.mkdir()
    path.write_bytes(kept)
    wider = made(adam, files=tmp_path)
    reported = train(wider, [replace(cell, attempt=2)], 9)
    assert [epoch for epoch, _ in reported[0]] == list(range(1, 10))
    assert (
        "it is of another network or optimizer: training starts at epoch 1"
        in capfd.readouterr().out
    )
    assert list(tmp_path.iterdir()) == []


def test_a_plain_cell_beside_the_lanes_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    params = {"rate": 0.1, "batch_size": 8, "plain": True}
    cell = Cell(0, 1, 0, params, 5, 4)
    calm = train(made(sgd), [cell], 6)
    train(made(sgd, files=tmp_path, checkpoint_every=1), [cell], 4)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    again = train(made(sgd, files=tmp_path), [replace(cell, attempt=2)], 6)
    assert [epoch for epoch, _ in again[0]] == [1, 2, 3, 4]
    for (_, one), (_, other) in zip(again[0], calm[0], strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    assert list(tmp_path.iterdir()) == []
