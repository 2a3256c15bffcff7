"""Lanes: many trainings of one network as one program, each with its own numbers and data order.

    lanes = Lanes(declaration, trial, pool, count=6)     # traced for this trial's network
    lanes.put(0, trial, rows)                            # a lane trains `trial` on these rows
    reports = lanes.epoch()                              # one epoch of all lanes: {0: {...}, ...}

A small network leaves a core idle between its tiny kernels. Here the weights of K networks are
stacked, `[K, ...]`, and a step of all is one program: the forward pass is vectorised over lanes
(or unrolled, for convolutions, which do not vectorise), the gradient taken outside of it, and the
update is the optimizer's own, `stateless_apply`, vectorised too. Learning rate, momentum and the
other numbers of an optimizer and its schedule are tensors with one value a lane. The epoch is a
loop in the graph over samples that stay in memory, gathered by each lane's own order.

Numbers are those of `fit` but for rounding. The nearest work is HFTA (Wang
et al., "Horizontally Fused Training Array", MLSys 2021) for PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.lanes.lane import Lane, Pool, Rows, data_order
from tuner.lanes.program import LaneProgram
from tuner.lanes.rules import judges_in_any_batches
from tuner.training.declared import (
    batch_size_of,
    build_model,
    create_variables,
    loss_of,
    metrics_of,
    optimizer_of,
    validation_batch_size,
)

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel
    from tuner.trial.trial import Trial


class Lanes:
    """`count` lanes over one network. Not for several threads."""

    def __init__(
        self,
        declaration: KerasModel,
        trial: Trial,
        pool: Pool,
        count: int,
    ) -> None:
        """Prepare lanes for the network that `trial` declares; nothing is traced yet."""
        self.declaration = declaration
        self.lanes: list[Lane | None] = [None] * count
        model = compiled(declaration, trial, pool.y)
        self._judges_anyhow = judges_in_any_batches(model, pool.x[:1])
        self.program = LaneProgram(model, pool, count)

    def put(
        self, lane: int, trial: Trial, train: Rows, val: Rows, model: keras.Model | None = None
    ) -> None:
        """Let a lane train `trial`, from the initial weights that any engine gives it.

        `train` and `val` are rows of the pool; `model` is the trial's network, if it is built
        already. It must be of the form of the lanes'.
        """
        model = model or build_model(self.declaration, trial)
        optimizer = optimizer_of(self.declaration, trial)
        batch_size = batch_size_of(self.declaration, trial)
        self.program.put(lane, model, optimizer)
        size = batch_size
        if self._judges_anyhow:
            one = self.program.samples[:1].numpy()
            size = validation_batch_size(self.declaration, batch_size, one)
        self.lanes[lane] = Lane(trial, train, val, batch_size, size, optimizer)

    def state(self, lane: int) -> list[Any]:
        """All that a lane's training goes on from, as NumPy arrays, its numbers aside."""
        return self.program.state(lane)

    def go_on(self, lane: int, state: Sequence[Any], epochs: int) -> None:
        """Let a lane that was put go on from the `state` of its trial after so many epochs."""
        held = self.lanes[lane]
        assert held is not None
        self.program.go_on(lane, state)
        self._begin(held, lane, epochs)

    def inherit(self, lane: int, slots: Sequence[Any], epochs: int) -> bool:
        """Let a lane that was put with another's weights go on from its optimizer's slots too,
        after so many epochs; False where they are another optimizer's."""
        held = self.lanes[lane]
        assert held is not None
        fits = self.program.put_slots(lane, slots)
        self._begin(held, lane, epochs)
        return fits

    def slots(self, lane: int) -> list[Any]:
        """A lane's variables of the optimizer, the rate aside, as NumPy arrays."""
        return self.program.slots(lane)

    def _begin(self, held: Lane, lane: int, epochs: int) -> None:
        held.epochs = epochs
        held.began = epochs, self.program.steps(lane)

    def free(self, lane: int) -> None:
        """Forget what a lane trains."""
        self.lanes[lane] = None

    @property
    def traced(self) -> bool:
        """Whether an epoch has been trained: what cannot be traced raises at the first."""
        return self.seconds["train"] > 0

    @property
    def seconds(self) -> dict[str, float]:
        """What tracing, training and judging took so far."""
        return self.program.seconds

    def epoch(self) -> dict[int, dict[str, float]]:
        """Train every lane that has a trial for an epoch, and judge it; its metrics by lane.

        The names are those of `fit`: loss, the metrics, val_loss, val_..., and learning_rate, the
        one of the next update where no metric has its name. All lanes must be of one `shape`.
        """
        busy = {k: lane for k, lane in enumerate(self.lanes) if lane is not None}
        first = next(iter(busy.values()))
        # A lane without a trial does the first one's work on what it has: nobody looks at it.
        rows = [self.lanes[k] or first for k in range(len(self.lanes))]
        orders = [data_order(lane.trial.seed, lane.train) for lane in rows]
        trained = self.program.train(np.stack(orders), first.batch_size)
        judged = self.program.judge(np.stack([lane.val for lane in rows]), first.val_batch_size)
        values = {**trained, **{f"val_{name}": column for name, column in judged.items()}}
        reports = {}
        for k, lane in busy.items():
            lane.epochs += 1
            lane.optimizer.iterations.assign(lane.steps)
            report = {name: float(column[k]) for name, column in values.items()}
            reports[k] = {"learning_rate": float(lane.optimizer.learning_rate), **report}
        return reports


def compiled(declaration: KerasModel, trial: Trial, y: Any) -> keras.Model:
    """The trial's network compiled with all its variables, the optimizer's aside."""
    model = build_model(declaration, trial)
    model.compile(
        optimizer=optimizer_of(declaration, trial),
        loss=loss_of(declaration, trial),
        metrics=metrics_of(declaration, trial),
    )
    create_variables(model, y)
    return model
