"""A Keras training that is declared, not written: what any engine can carry out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.errors import ExperimentError

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial

TARGETS = ("labels", "one_hot")
PRECISIONS = ("float32", "float64", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class KerasModel:
    """A Keras training, declared, so that any engine can carry it out.

    Every function takes the trial: `trial["learning_rate"]`, `trial.seed`, `trial.data`.
    `build` returns a model that is not compiled; `optimizer` a Keras optimizer. `loss` and
    `metrics` are Keras names, or functions of the trial that return what `compile` takes.
    `batch_size` and `epochs` are numbers, or functions of the parameters; without `epochs` a trial
    trains `trial.epochs`. `targets` says what the labels become: "labels" leaves the class
    numbers, "one_hot" gives float32 rows of zeros and a one. `callbacks` returns Keras callbacks,
    ModelCheckpoint(trial.folder / "best.keras", save_best_only=True), say. `precision` is the
    policy by which layers compute, "mixed_bfloat16" say (None: Keras' own, as it is configured).
    """

    build: Callable[[Trial], keras.Model]
    optimizer: Callable[[Trial], keras.optimizers.Optimizer]
    loss: str | Callable[[Trial], Any] = "sparse_categorical_crossentropy"
    metrics: Sequence[str] | Callable[[Trial], Sequence[Any]] = ("accuracy",)
    batch_size: int | Callable[[Mapping[str, Any]], int] = 32
    epochs: int | Callable[[Mapping[str, Any]], int] | None = None
    targets: str = "labels"
    callbacks: Callable[[Trial], Sequence[keras.callbacks.Callback]] | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        for name in ("build", "optimizer", "callbacks", "loss", "metrics"):
            given = getattr(self, name)
            plain = name in ("loss", "metrics") or (name == "callbacks" and given is None)
            if not (callable(given) or plain) or not _takes(given):
                raise ExperimentError(
                    f"{given!r:.200} must be a function of the trial",
                    field=name,
                    way_out=f"give {name}=lambda trial: ...",
                )
        if isinstance(self.metrics, str):
            raise ExperimentError(
                f"{self.metrics!r} must be a list of names",
                field="metrics",
                way_out=f"give [{self.metrics!r}]",
            )
        for name, known in (("targets", TARGETS), ("precision", (None, *PRECISIONS))):
            if getattr(self, name) not in known:
                names = ", ".join(one for one in known if one is not None)
                raise ExperimentError(f"{getattr(self, name)!r} is not one of {names}", field=name)


def _takes(given: Any) -> bool:
    """Whether a callable can be called with the trial alone.

    Keras' losses cannot, which want targets and predictions, nor is a model that was built a
    function of the trial.
    """
    if not callable(given):
        return True
    if hasattr(given, "layers"):
        return False
    try:
        inspect.signature(given).bind(None)
    except TypeError:
        return False
    except ValueError:  # it does not tell
        return True
    return True
