"""The best trials' weights, kept while a study goes: `models/<trial>.npz` in its folder.

A worker knows its own trials alone, and keeps the best of those, on its node's disk; at the end the
driver keeps the best of all (`tuner.runner.best_weights`). A file holds plain arrays, and the
network as Keras' JSON; no pickle.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.errors import StudyError
from tuner.trial.cells import Cell

if TYPE_CHECKING:
    import keras

ABOUT, LOGITS = "about", "from_logits"
COMPILED = "compile_config"
"""Where Keras writes a network's loss, metrics and optimizer."""
SPARE = 1
"""Files of a worker beside those asked for: a training that leads may yet diverge."""


@dataclass(frozen=True)
class Keeping:
    """What a worker is to keep in a folder: the weights of its best `count` trials.

    The metric times `sign` is a loss. `takes_best` says that a trial's value is its best epoch's,
    else it is its last one's.
    """

    folder: Path
    count: int
    metric: str
    sign: float
    takes_best: bool


@dataclass
class Keeper:
    """What a worker has kept: the losses of the trials whose files it has written."""

    keeping: Keeping | None
    losses: dict[int, float] = field(default_factory=dict)

    def consider(
        self,
        cell: Cell,
        epoch: int,
        metrics: Mapping[str, Any],
        model: Callable[[], keras.Model],
        *,
        ended: bool,
    ) -> None:
        """Keep a trial's weights after an epoch if they are among the best so far.

        `model` gives the network as that epoch left it; `ended` says that no other will follow. One
        that Keras cannot write as JSON is left out: its refit trains again.
        """
        keeping, value = self.keeping, metrics.get(self.keeping.metric if self.keeping else "")
        if keeping is None or value is None or not (keeping.takes_best or ended):
            return
        loss = keeping.sign * float(value)
        if not math.isfinite(loss):
            self.forget(cell.trial)
        elif self._is_among_best(cell.trial, loss):
            try:
                content = packed(model(), cell.trial, epoch, float(value))
            except (NotImplementedError, TypeError, ValueError) as error:
                print(f"no weights are kept: {error}", flush=True)
                self.keeping = None
                return
            self._write(cell.trial, content)
            self.losses[cell.trial] = loss
            for trial in sorted(self.losses, key=self._rank)[keeping.count + SPARE :]:
                self.forget(trial)

    def forget(self, trial: int) -> None:
        """A trial has no value after all, or better ones have come."""
        if self.losses.pop(trial, None) is not None and self.keeping is not None:
            model_file(self.keeping.folder, trial).unlink(missing_ok=True)

    def _is_among_best(self, trial: int, loss: float) -> bool:
        assert self.keeping is not None
        others = sorted(loss for other, loss in self.losses.items() if other != trial)
        room = self.keeping.count + SPARE
        better = loss < self.losses.get(trial, math.inf)
        return better and (len(others) < room or loss < others[room - 1])

    def _rank(self, trial: int) -> tuple[float, int]:
        return self.losses[trial], trial

    def _write(self, trial: int, content: bytes) -> None:
        from tuner.files import put_bytes  # imports PyArrow, which a worker needs for this alone

        assert self.keeping is not None
        path = model_file(self.keeping.folder, trial)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            put_bytes(path, content)
        except OSError as error:  # a disk that takes no more ends no training
            print(f"no weights are kept of trial {trial}: {error}", flush=True)


def model_file(folder: Path, trial: int) -> Path:
    """Where a trial's weights lie in the folder of models."""
    return folder / f"{trial}.npz"


def packed(model: keras.Model, trial: int, epoch: int, value: float) -> bytes:
    """A network and its weights as bytes; of what it was compiled with, whether it gives logits."""
    network = json.loads(model.to_json())
    network.pop(COMPILED, None)  # losses and metrics of the user's own, that no reader knows
    about = {"trial": trial, "epoch": epoch, "value": value, "network": network}
    about[LOGITS] = bool(getattr(model.loss, "from_logits", False))
    content = io.BytesIO()
    members: dict[str, Any] = {str(i): weight.numpy() for i, weight in enumerate(model.weights)}
    members[ABOUT] = np.array(json.dumps(about))
    np.savez(content, **members)
    return content.getvalue()


def unpacked(path: Path) -> keras.Model:
    """The network that a file holds, not compiled. Raises StudyError where Keras cannot make it.

    Keras' safe mode refuses one that carries code of its own.
    """
    import keras

    try:
        with np.load(path, allow_pickle=False) as archive:
            about = _about(archive)
            about["network"].pop(COMPILED, None)  # of a file that an earlier tuner wrote
            arrays = [archive[str(index)] for index in range(len(archive.files) - 1)]
        # runs code: no code of the network's: safe mode refuses it
        model = keras.models.model_from_json(json.dumps(about["network"]))
        model.set_weights(arrays)
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StudyError(
            f"{path} cannot be made a model again ({reason})", way_out="refit the trial"
        ) from error
    return model


def gives_logits(path: Path) -> bool:
    """Whether the loss that a kept network was trained on took its outputs as logits."""
    with np.load(path, allow_pickle=False) as archive:
        about = _about(archive)
    if LOGITS in about:
        return bool(about[LOGITS])
    loss = (about["network"].get(COMPILED) or {}).get("loss")  # an earlier tuner wrote it
    config = loss.get("config") if isinstance(loss, Mapping) else None
    return bool(config.get(LOGITS)) if isinstance(config, Mapping) else False


def _about(archive: Mapping[str, Any]) -> dict[str, Any]:
    """What `packed` wrote of a network beside its weights."""
    about: dict[str, Any] = json.loads(str(archive[ABOUT]))
    return about
