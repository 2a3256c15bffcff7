"""The worker's side of the fused engine: it trains cells in lanes, an epoch a call."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.engines.fused import members
from tuner.engines.fused.checkpoints import checkpoint_of
from tuner.engines.fused.intake import network_of, prepared
from tuner.engines.fused.messages import Began, Busy, Finished, Message, Trained, Waiting
from tuner.engines.fused.plain import PlainCells
from tuner.engines.fused.seconds import Seconds
from tuner.engines.fused.worker_data import WorkerData
from tuner.engines.process import loaded
from tuner.engines.shipping import Shipment
from tuner.errors import EveryTrialError
from tuner.experiment.experiment import KerasModel
from tuner.tracebacks import failure_text
from tuner.training.checkpoint import Checkpoint
from tuner.training.inherit import OTHER_SLOTS, is_due
from tuner.training.kept_models import Keeper
from tuner.training.output import Captured, captured
from tuner.training.process import kept_type_policy, peak_rss_mb
from tuner.trial.cells import By, Cell, CellKey, Ending, Outcome
from tuner.trial.checks import check_searched
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    import keras

    from tuner.data.datasets import Dataset
    from tuner.lanes.lane import Lane
    from tuner.lanes.lanes import Lanes

FORMS_KEPT = 3
"""Programs that a worker keeps for networks of other forms, which may come again."""
BUILDS_KEPT = 50
"""Of how many networks Keras and TensorFlow may keep traces: forgetting takes kernels along."""


class LaneWorker:
    """Trains up to `lanes` cells at a time. One call at a time, from the driver by its actor. What
    cannot be trained in lanes is trained by `fit`, a cell after the other, an epoch a call."""

    def __init__(self, shipped: Shipment, dataset: Dataset, lanes: int, host: str = "") -> None:
        declaration = shipped.objective()
        self.set_type_policy = kept_type_policy()
        assert isinstance(declaration, KerasModel)  # the driver saw to it
        self.declaration, self.count, self.built = declaration, lanes, 0
        self.by = By(host, "lanes", worker=str(os.getpid()))
        self.programs: dict[Any, Lanes] = {}
        self._begin(shipped, WorkerData(declaration, shipped, dataset))

    def serve(self, shipped: Shipment, dataset: Any, host: str, lanes: int) -> None:
        """Train for another run of the same objective, in the same programs if its data are."""
        data = WorkerData(self.declaration, shipped, loaded(dataset))
        if not data.shares_pool(self.data):
            self.programs.clear()
        for lanes_of_form in self.programs.values():
            lanes_of_form.lanes[:] = [None] * lanes
        self._begin(shipped, data)

    def _begin(self, shipped: Shipment, data: WorkerData) -> None:
        self.shipped, self.data = shipped, data
        self.waiting: dict[CellKey, Waiting] = {}
        self.busy: dict[CellKey, Busy] = {}
        self.kept: dict[CellKey, Checkpoint] = {}
        self.said: dict[CellKey, Captured] = {}
        self.unfit: set[Any] = set()
        self.keeper = Keeper(shipped.keeping)
        self.plain = PlainCells(self.declaration, shipped, data, self.keeper, self.by.host)
        self.group: Any = None
        self.seconds = Seconds()

    def look(self, cells: Sequence[Cell]) -> tuple[str | None, int]:
        """Why the first of some cells cannot be trained in lanes, and how many forms they have."""
        from tuner.lanes.rules import looked_at

        return looked_at(self.declaration, map(self.data.trial, cells))

    def work(
        self,
        cells: Sequence[Cell],
        freed: Sequence[CellKey],
        kept: Mapping[CellKey, Checkpoint] | None = None,
    ) -> tuple[list[Message], dict[str, float]]:
        """Let go of the freed cells, take the new ones, train an epoch of what has a lane.

        `kept` is what those of them go on from that were set aside. The epochs' reports come back,
        the outcomes of cells that had their last one or that raised, and where the seconds went.
        """
        from tuner.training.process import clear_worker

        for key in freed:
            self.said.pop(key, None)
            self.waiting.pop(key, None)
            if key in self.busy:
                lane = self.busy.pop(key).lane
                checkpoint_of(self.shipped, self._held(lane).trial.cell).remove()
                self._lanes.free(lane)
            if key in self.plain:
                self.plain.stop(key)
        self.kept |= kept or {}
        self._keep()
        with self.seconds.timed("build"):
            self.built += len(cells)
            if self.built >= BUILDS_KEPT and not self.plain:  # a `fit` goes on in the next call
                clear_worker()
                self.set_type_policy()
                self.built = 0
            messages = [message for cell in cells if (message := self._take(cell)) is not None]
        messages += self._lanes_epoch()
        if self.plain:
            with self.seconds.timed("fit"):
                messages.append(self.plain.epoch())
        return messages, dict(self.seconds)

    def set_aside(self, key: CellKey) -> Checkpoint | None:
        """Let go of a cell that goes on later; from what, or None where it is parked here."""
        if key in self.plain:
            self.plain.set_aside(key)
            return None
        lane = self.busy.pop(key).lane
        kept = Checkpoint(list(self._held(lane).trial.reports), self._lanes.state(lane))
        self._lanes.free(lane)
        return kept

    def _lanes_epoch(self) -> list[Message]:
        try:
            messages = self._fill()
            if not self.busy:
                return messages
            before, at = dict(self._lanes.seconds), time.monotonic()
            first = [busy for busy in self.busy.values() if not self._held(busy.lane).epochs]
            reports = self._lanes.epoch()
            traced = self._lanes.seconds["compile"] - before.get("compile", 0.0)
            for busy in first:
                busy.by = By(*self.by[:4], setup_s=at - busy.began, trace_s=traced)
            for what, seconds in self._lanes.seconds.items():
                self.seconds[what] += seconds - before.get(what, 0.0)
        except Exception:  # noqa: BLE001  # a user's layer, say, of which no rule knew
            program = self.programs.pop(self.group[0], None)
            self.unfit.add(self.group[0])
            cells = [w.trial.cell for w in self.waiting.values() if w.form in self.unfit]
            held = [] if program is None else [lane for lane in program.lanes if lane is not None]
            for cell in [*(lane.trial.cell for lane in held), *cells]:
                self.plain.add(cell)
                self.waiting.pop(cell.key, None)
            self.busy.clear()
            return []
        for key, busy in list(self.busy.items()):
            messages += self._reported(key, reports[busy.lane], self._held(busy.lane))
        return messages

    def _keep(self) -> None:
        """Write the checkpoints that are due, of the lanes that the study has let go on."""
        for busy in self.busy.values():
            held = self._held(busy.lane)
            checkpoint = checkpoint_of(self.shipped, held.trial.cell)
            if checkpoint.due(held.epochs):
                with self.seconds.timed("checkpoint"):
                    checkpoint.write(held.trial.reports, self._lanes.state(busy.lane))

    def _go_on(self, key: CellKey, lane: int, trial: Trial) -> list[Message]:
        """Let a lane go on from what was kept of its cell, or a checkpoint, and report anew."""
        kept = found = self.kept.pop(key, None)
        if found is None:
            with captured() as said:
                checkpoint = checkpoint_of(self.shipped, trial.cell)
                found = checkpoint.read(lambda: self._lanes.state(lane))
            self.said[key].text += said.text
        if found is None:
            return []
        self._lanes.go_on(lane, found.arrays, found.epoch)
        trial.reports.extend(found.reports)
        self.busy[key].began = time.monotonic() - found.reports[-1][2]
        if kept is not None:  # the study has heard them
            return []
        return [Trained(key, *report, self.by) for report in found.reports]

    @property
    def _lanes(self) -> Lanes:
        return self.programs[self.group[0]]

    def _held(self, lane: int) -> Lane:
        held = self._lanes.lanes[lane]
        assert held is not None  # it is busy
        return held

    def _take(self, cell: Cell) -> Message | None:
        key = cell.key
        if self.plain.take_back(key):
            return Began(key)
        try:
            with captured() as said:
                self.said[key] = said
                trial = self.data.trial(cell)
                waiting = prepared(
                    self.declaration, trial, self.data, self.unfit, goes_on=key in self.kept
                )
        except Exception as error:  # noqa: BLE001  # whatever a user's code raises
            checkpoint_of(self.shipped, cell).remove()
            outcome = self._outcome(Ending.RAISED, failure_text(error), self.by)
            outcome = replace(outcome, hopeless=isinstance(error, EveryTrialError))
            return Finished(key, replace(outcome, log=self.said.pop(key, Captured()).text))
        if waiting is None:
            self.plain.add(cell)
            return Began(key)
        self.waiting[key] = waiting
        return None

    def _fill(self) -> list[Message]:
        """Give free lanes to waiting cells of the group that trains now, or of the largest one."""
        from tuner.lanes.lanes import Lanes

        if not self.busy and self.waiting:
            groups = Counter(cell.group for cell in self.waiting.values())
            self.group = groups.most_common(1)[0][0]
            first = next(cell for cell in self.waiting.values() if cell.group == self.group)
            if first.form not in self.programs:
                while len(self.programs) >= FORMS_KEPT:
                    self.programs.pop(next(iter(self.programs)))
                with self.seconds.timed("compile"):
                    self.programs[first.form] = Lanes(
                        self.declaration, first.trial, self.data.pool, self.count
                    )
        taken = {busy.lane for busy in self.busy.values()}
        free = [lane for lane in range(self.count) if lane not in taken]
        began: list[Message] = []
        for key, cell in list(self.waiting.items()):
            if free and cell.group == self.group:
                lane = free.pop(0)
                self.busy[key] = Busy(lane, time.monotonic(), self.by)
                with self.seconds.timed("build"):
                    self._lanes.put(lane, cell.trial, *cell.rows, cell.model)
                    self._inherit(key, lane, cell)
                    anew = self._go_on(key, lane, cell.trial)
                del self.waiting[key]
                began += [Began(key), *anew]
        return began

    def _inherit(self, key: CellKey, lane: int, cell: Waiting) -> None:
        if cell.inherited is not None and not self._lanes.inherit(
            lane, cell.inherited.slots, cell.inherited.epochs
        ):
            self.said[key].text += f"{OTHER_SLOTS}\n"

    def _reported(self, key: CellKey, metrics: dict[str, float], lane: Lane) -> list[Message]:
        busy = self.busy[key]
        seconds = time.monotonic() - busy.began
        try:
            if lane.epochs == 1:
                check_searched(self.shipped.metric, metrics)
            self._keep_network(key, metrics, lane)
        except Exception as error:  # noqa: BLE001  # the user's network is built again to be kept
            hopeless = isinstance(error, EveryTrialError)
            return [self._ended(key, failure_text(error), hopeless=hopeless)]
        lane.trial.reports.append((lane.epochs, metrics, seconds))
        trained = Trained(key, lane.epochs, metrics, seconds, busy.by)
        ended = lane.epochs >= (lane.trial.cell.epochs or 0)
        return [trained, self._ended(key)] if ended else [trained]

    def _keep_network(self, key: CellKey, metrics: dict[str, float], lane: Lane) -> None:
        """Keep what may be the best of this worker, and hand on what its kin wait for."""
        ended = lane.epochs >= (lane.trial.cell.epochs or 0)
        with self.seconds.timed("keep"):
            self.keeper.consider(
                lane.trial.cell, lane.epochs, metrics, lambda: self._model(key), ended=ended
            )
        if is_due(lane.trial, lane.epochs):
            with self.seconds.timed("checkpoint"):
                at = self.busy[key].lane
                members.hand_on(lane.trial, lane.epochs, self._model(key), self._lanes, at)

    def _model(self, key: CellKey) -> keras.Model:
        lane = self.busy[key].lane
        self.built += 1
        return network_of(self.declaration, self._held(lane).trial, self._lanes, lane)

    def _ended(self, key: CellKey, error: str | None = None, *, hopeless: bool = False) -> Message:
        busy, lanes = self.busy.pop(key), self._lanes
        held, ending = lanes.lanes[busy.lane], Ending.FINISHED
        if error is not None:
            ending = Ending.RAISED
            self.keeper.forget(key.trial)
        seconds = time.monotonic() - busy.began
        outcome = replace(self._outcome(ending, error, busy.by, seconds), hopeless=hopeless)
        if held is not None:
            outcome = replace(outcome, read_epochs=held.trial.read_epochs)
            checkpoint_of(self.shipped, held.trial.cell).remove()
        lanes.free(busy.lane)
        return Finished(key, replace(outcome, log=self.said.pop(key, Captured()).text))

    def _outcome(self, ending: Ending, error: str | None, by: By, seconds: float = 0.0) -> Outcome:
        return Outcome(ending, error, seconds, peak_rss_mb(), **by.named())
