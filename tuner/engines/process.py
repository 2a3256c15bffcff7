"""The process that trains for an actor: forked from its node's server, or the actor's own.

A fork takes some hundredths of a second, and shares TensorFlow with all others of its node; an
actor whose trainer has died, or is to be ended, has another one at once, and lives on itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tuner.engines.shipping import Shipment, needs_keras
from tuner.errors import EngineError
from tuner.forks import start
from tuner.forks.folder import own_folder, shared_folder
from tuner.forks.forked import named
from tuner.forks.kind import Kind
from tuner.forks.mapped import Mapped, mapped
from tuner.forks.process import CannotFork, Forked

if TYPE_CHECKING:
    from ray import ObjectRef

    from tuner.experiment.experiment import Objective

HEAR_S = 0.5
"""How long a call of an actor waits for its trainer, before it lets the driver's others in."""
_ALL = ("numpy", "tuner.engines.trainer", "tuner.engines.ray_tune.trainings")
_KERAS = ("tensorflow", "keras", *_ALL, "tuner.lanes.lanes", "tuner.engines.fused.worker")


class Trains(Protocol):
    """A process with an object whose methods are called, one at a time."""

    def ask(self, method: str, *args: Any) -> None:
        """Have a method called."""
        ...

    def hear(self, wait_s: float | None = None) -> Any:
        """What it returned. Raises TimeoutError after `wait_s`, and ProcessDied."""
        ...

    def call(self, method: str, *args: Any) -> Any:
        """Both."""
        ...

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        ...

    def end(self) -> None:
        """Kill it, where it is not this process."""
        ...


class Here:
    """The object in this process, which cannot be ended by itself."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self._asked: Callable[[], Any] = lambda: None

    def ask(self, method: str, *args: Any) -> None:
        self._asked = lambda: getattr(self._made, method)(*args)

    def hear(self, wait_s: float | None = None) -> Any:
        return self._asked()

    def call(self, method: str, *args: Any) -> Any:
        self.ask(method, *args)
        return self.hear()

    def is_alive(self) -> bool:
        return True

    def end(self) -> None:
        """Nothing: the driver ends the actor."""


class Processes:
    """Makes the trainers of an actor, each by `function` of a shipment, a dataset, this node's
    address, and `more`. `here` says why they are this process itself; it is empty where they are
    forked."""

    def __init__(
        self, function: str, shipped: Shipment, dataset: ObjectRef[Any] | None, *more: Any
    ) -> None:
        import ray

        self._function = function
        self._shipped = shipped
        self._dataset = dataset
        self._more = more
        self._host = str(ray.util.get_node_ip_address())
        self.here = start.why_not() or ""

    def new(self) -> Trains:
        """A trainer. What its making raises comes out here."""
        if not self.here:
            try:
                return self._forked()
            except CannotFork as error:
                if self._shipped.isolate:
                    raise
                self.here = str(error)
        return Here(named(self._function)(self._shipped, self._data(), self._host, *self._more))

    def leave(self, trainer: Trains) -> None:
        """Let go of a trainer that has nothing to do: to the run that follows, where one does, with
        all that it has imported and traced."""
        if self._shipped.leaves and isinstance(trainer, Forked):
            trainer.leave(self._name)
        else:
            trainer.end()

    @property
    def _name(self) -> str:
        """Equal where a trainer of the run before can serve this one."""
        content = (
            self._function,
            self._more,
            self._shipped.name,
            os.environ.get("CUDA_VISIBLE_DEVICES"),
        )
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]

    def _forked(self) -> Forked:
        folder = self._folder()
        data = None
        if self._dataset is not None:
            data = mapped(folder, self._dataset.hex(), self._data)
        kind = kind_of(self._shipped.keras)
        if self._shipped.name and (left := Forked.left(folder, kind, self._name)) is not None:
            try:
                left.call("serve", self._shipped, data, self._host, *self._more)
            except EngineError:  # it has died, or cannot: another one can
                left.end()
            else:
                return left
        forked = Forked(folder, kind, self._function, self._shipped, data, self._host, *self._more)
        forked.hear()
        return forked

    def _folder(self) -> Path:
        import ray

        if self._shipped.forks is not None:
            return self._shipped.forks
        # A node's raylet is the parent of its workers.
        return shared_folder(ray.get_runtime_context().get_node_id(), os.getppid())

    def _data(self) -> Any:
        import ray

        return None if self._dataset is None else ray.get(self._dataset)


def start_ahead(objective: Objective) -> None:
    """Let this node's fork server import what a training needs, while Ray starts."""
    if start.why_not() is None:
        start.start(own_folder(), kind_of(needs_keras(objective)))


def kind_of(keras: bool) -> Kind:
    """What the server has imported whose forks train."""
    return Kind(_KERAS if keras else _ALL)


def loaded(dataset: Any) -> Any:
    """A trainer's dataset, as it was given or mapped."""
    return dataset.load() if isinstance(dataset, Mapped) else dataset
