"""What stands for a model's compiled train or test function, and runs a program.

It stays with the model after a fit, as Keras' own would: a second fit goes on with what the first
one traced, and `compile` forgets both. Called with anything but Rows (a callback that evaluates a
dataset, a loop of the user's own) it is Keras' function, made then.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.programs import keras_internals
from tuner.programs.cache import Known, Programs
from tuner.programs.graph_hash import NotShareable
from tuner.programs.identity import Identity, identity_of
from tuner.programs.program import Numbers, Program, numbers_of
from tuner.programs.rows import Rows
from tuner.programs.trace import Name, Trace, logs_of, trace


@dataclass(frozen=True)
class Prepared:
    """A program, and what it runs with for one model's variables. `how`: it was made "new", found
    by a full trace ("traced"), or by the cheap identity ("recalled")."""

    program: Program
    numbers: Numbers
    outside: list[Any]
    names: tuple[Name, ...]
    how: str


class StepFunction:
    """A model's train or test function."""

    def __init__(self, model: Any, *, training: bool, programs: Programs, lift: bool) -> None:
        self.model, self.training = model, training
        self.programs, self.lift = programs, lift
        self.why_not = ""
        """Why Keras' own function runs in place of a program, once it does."""
        self.prepared: dict[Any, Prepared] = {}
        self.traced_s = 0.0
        self._own: Callable[..., Any] | None = None

    def __call__(self, iterator: Any) -> Any:
        """The logs of the iterator's next batch; with Rows, those of an epoch's last."""
        if not isinstance(iterator, Rows):
            return self._keras_own(iterator)
        ready = self._prepare(iterator)
        if ready is None:
            logs: Any = {}
            for _, _, batch in iterator.usual():
                logs = self._keras_own(batch)
            return logs
        assert iterator.rows is not None  # Keras' loop has begun to iterate
        values = ready.program.run(
            ready.outside, ready.numbers, iterator.data, iterator.rows, iterator.batch_size
        )
        return logs_of(ready.names, values)

    @property
    def _step(self) -> Callable[..., Any]:
        step: Callable[..., Any] = self.model.train_step if self.training else self.model.test_step
        return step

    def _keras_own(self, iterator: Any) -> Any:
        if self._own is None:
            self._own = keras_internals.own_function(self.model, self._step)
        return self._own(iterator)

    def _prepare(self, rows: Rows) -> Prepared | None:
        """What to run for rows of these specs; None once Keras' own function runs.

        It traces at the first call, as fit does. What cannot be traced for a program, for whatever
        reason, is Keras' to train or to fail; its Python then finds the generators as they were.
        """
        if self.why_not:
            return None
        if rows.specs not in self.prepared:
            generators = random.getstate(), np.random.get_state()
            began = time.monotonic()
            try:
                self.prepared[rows.specs] = self._made(rows)
            except Exception as error:  # noqa: BLE001  # a user's code runs in a trace
                self.why_not = _reason(error)
                random.setstate(generators[0])
                np.random.set_state(generators[1])
                return None
            finally:
                self.traced_s += time.monotonic() - began
        return self.prepared[rows.specs]

    def _made(self, rows: Rows) -> Prepared:
        import keras

        self._create_variables(rows)
        generators = random.getstate(), np.random.get_state()
        count = self._count()
        identity = identity_of(self.model, rows, training=self.training)
        if self._count() > count:  # what is made in a trace counts from the next one on
            identity = identity_of(self.model, rows, training=self.training)
        if identity is not None:
            known = self.programs.recall(identity, lift=self.lift)
            if known is not None:
                outside = [identity.tensors[place] for place in known.places]
                return Prepared(known.program, known.numbers, outside, known.names, "recalled")
            random.setstate(generators[0])  # the step's Python runs once more
            np.random.set_state(generators[1])
        batches = [batch for _, batch in rows.specs]

        def step(*flat: Any) -> Any:
            return self._step(rows.pack(flat))

        count = self._count()
        traced = trace(step, batches)
        if self._count() > count:
            traced = trace(step, batches)
        numbers = numbers_of(traced)
        program, found = self.programs.find(
            (traced.structure, rows.specs, keras.config.floatx()),
            numbers,
            lambda lifted: Program(traced, rows.specs, lifted),
            lift=self.lift,
        )
        if identity is not None:
            self._remember(identity, traced, program, numbers)
        how = "traced" if found else "new"
        return Prepared(program, numbers, traced.outside, traced.names, how)

    def _remember(
        self, identity: Identity, traced: Trace, program: Program, numbers: Numbers
    ) -> None:
        """Let the identity lead to the program, if it knows all tensors that the program reads."""
        places = {id(t): index for index, t in reversed(list(enumerate(identity.tensors)))}
        found = [places.get(id(tensor)) for tensor in traced.outside]
        known = [place for place in found if place is not None]
        if len(known) == len(found) and traced.names == identity.names:
            self.programs.remember(
                identity, traced.structure, Known(program, numbers, traced.names, tuple(known))
            )

    def _create_variables(self, rows: Rows) -> None:
        import keras

        specs = [keras.KerasTensor(batch.shape, batch.dtype.name) for _, batch in rows.specs]
        keras_internals.create_variables(self.model, rows.pack(specs), training=self.training)

    def _count(self) -> int:
        return len(self.model.variables) + len(self.model.optimizer.variables)


def _reason(error: Exception) -> str:
    if isinstance(error, NotShareable):
        return str(error)
    line = str(error).strip().partition("\n")[0]
    return f"its step cannot be traced apart from fit ({type(error).__name__}: {line[:200]})"
