"""An experiment: what is searched, with what, and how. The only configuration there is.

An `Experiment` is declared in a file (`EXPERIMENT = Experiment(...)`); the command line and
`tuner.run` override its fields; `settle` gives the one that a study runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from tuner.errors import ExperimentError
from tuner.search_space.space import SearchSpace

if TYPE_CHECKING:
    import keras

    from tuner.data.datasets import Dataset
    from tuner.trial.trial import Trial

DIRECTIONS = ("minimize", "maximize")
MODES = ("search", "grid", "cv")
VALUES = ("last", "best")
VALIDATIONS = ("split", "test")
TARGETS = ("labels", "one_hot")
PRECISIONS = ("float32", "float64", "mixed_bfloat16", "mixed_float16")
FOLD_RACING = ("none", "forgiving", "aggressive")
SAMPLERS = ("tpe", "random", "cmaes", "qmc", "gp")
SCHEDULERS = ("asha", "median", "hyperband", "none")
ENGINES = ("auto", "ray_tune", "fused")
GRID = "grid"
"""The sampler of the modes that run every point of the grid."""

NAME_RULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")


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
        for name in ("build", "optimizer"):
            if not callable(getattr(self, name)):
                raise ExperimentError(f"{name} {getattr(self, name)!r} is no function of the trial")
        if self.targets not in TARGETS:
            raise ExperimentError(f"targets {self.targets!r} is not one of {_listed(TARGETS)}")
        if self.precision is not None and self.precision not in PRECISIONS:
            raise ExperimentError(
                f"precision {self.precision!r} is not one of {_listed(PRECISIONS)}"
            )


Objective = KerasModel | Callable[..., Any]


def _free(default: Any) -> Any:
    """A field that may change when a study is resumed."""
    return field(default=default, metadata={"free": True})


@dataclass(frozen=True)
class Experiment:
    """A search to run. Raises ExperimentError or SearchSpaceError naming field, value and rule.

    `objective` is `train(trial)` or a `KerasModel`. `metric` is the reported name that is searched
    in its `direction`, "minimize" or "maximize". `mode` is "search", "grid" or "cv". `dataset` is a
    name, the path of an .npz, a function that returns a `Dataset`, or None. `epochs` sets the high
    end of the axis `epochs`. `engine` "auto" takes "fused" where it can and gains, else "ray_tune";
    `lanes` is how many cells a worker of "fused" trains at a time (None: as it sees fit). Times are
    in seconds; `trials` counts points, not attempts. `trial_timeout` is that of a cell.
    `memory_per_trial`, in MB, is what Ray sets aside for a worker; one that held more is replaced
    after its trial. `checkpoint_every` so many epochs a declared training is kept on disk: one
    whose worker or driver dies goes on from there. `tensorboard` writes event files beside the
    tables.
    """

    name: str
    space: Mapping[str, Any]
    objective: Objective
    metric: str = "val_accuracy"
    direction: str = "maximize"
    mode: str = "search"
    sampler: str = "tpe"
    multivariate: bool = True
    scheduler: str = "asha"
    eta: int = 3
    min_epochs: int = 1
    epochs: int | None = None
    sample_epochs: bool = False
    value: str = "last"
    seed: int = 0
    dataset: str | Callable[[], Dataset] | None = "digits"
    validation: str = "split"
    folds: int = 3
    repeats: int = 1
    shuffle: bool = False
    fold_racing: str = "none"
    deterministic: bool = False
    window: int = 8
    engine: str = "auto"
    lanes: int | None = None
    trials: int = _free(24)
    retries: int = _free(1)
    time_limit: float | None = _free(None)
    trial_timeout: float | None = _free(None)
    concurrency: int | None = _free(None)
    cpus_per_trial: float = _free(1.0)
    gpus_per_trial: float = _free(0.0)
    memory_per_trial: float | None = _free(None)
    checkpoint_every: int | None = _free(None)
    tensorboard: bool = _free(False)
    description: str = _free("")

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", SearchSpace(self.space))
        if not isinstance(self.name, str) or not NAME_RULE.match(self.name):
            raise ExperimentError(
                f"name {self.name!r} may hold letters, digits, '_', '-' and '.' only, "
                "100 at most, and starts with none of '-' and '.'"
            )
        if not isinstance(self.objective, KerasModel) and not callable(self.objective):
            raise ExperimentError(
                f"objective {self.objective!r} is neither a function train(trial) nor a KerasModel"
            )
        if not isinstance(self.metric, str) or not self.metric:
            raise ExperimentError(f"metric {self.metric!r} is no name of a metric")
        if self.mode in ("max", "min"):
            raise ExperimentError(
                f"mode {self.mode!r} is not one of {_listed(MODES)}; which way the metric is "
                f"searched is direction='{self.mode}imize'"
            )
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ExperimentError(
                    f"{name} {getattr(self, name)!r} is not one of {_listed(known)}"
                )
        for name, least in _WHOLE.items():
            _check_number(name, getattr(self, name), least, whole=True)
        for name, least in _REAL.items():
            _check_number(name, getattr(self, name), least, whole=False)
        _check_checkpoints(self)


_CHOICES: dict[str, Sequence[str]] = {
    "direction": DIRECTIONS,
    "mode": MODES,
    "sampler": (*SAMPLERS, GRID),
    "scheduler": SCHEDULERS,
    "value": VALUES,
    "validation": VALIDATIONS,
    "fold_racing": FOLD_RACING,
    "engine": ENGINES,
}
_WHOLE: dict[str, float] = {
    "trials": 1,
    "eta": 2,
    "min_epochs": 1,
    "epochs": 1,
    "seed": 0,
    "window": 1,
    "folds": 2,
    "repeats": 1,
    "retries": 0,
    "concurrency": 1,
    "lanes": 1,
    "checkpoint_every": 1,
}
_REAL: dict[str, float] = {
    "time_limit": 0.0,
    "trial_timeout": 0.0,
    "cpus_per_trial": 0.0,
    "gpus_per_trial": 0.0,
    "memory_per_trial": 1.0,
}
FREE_FIELDS = frozenset(f.name for f in fields(Experiment) if f.metadata.get("free"))
"""The fields that may differ when a study is resumed: trials, limits, resources."""


def _check_number(name: str, value: Any, least: float, *, whole: bool) -> None:
    if value is None and _is_optional(name):
        return
    fits = isinstance(value, int) if whole else isinstance(value, int | float)
    if isinstance(value, bool) or not fits or not value >= least:
        noun = "a whole number" if whole else "a number"
        raise ExperimentError(f"{name} {value!r} must be {noun} of at least {least:g}")


def _check_checkpoints(experiment: Experiment) -> None:
    """Refuse checkpoints of a training whose whole state is not ours to restore."""
    every, model = experiment.checkpoint_every, experiment.objective
    if every is None:
        return
    if not isinstance(model, KerasModel):
        raise ExperimentError(
            f"checkpoint_every {every} is for a declared KerasModel, and {experiment.name} trains "
            "by a function: declare it, or let the function keep its state in trial.folder"
        )
    if model.callbacks is not None:
        raise ExperimentError(
            f"checkpoint_every {every} is for a KerasModel without callbacks of its own, as what "
            "they remember cannot be restored: drop one or the other"
        )


def _is_optional(name: str) -> bool:
    return any(f.name == name and f.default is None for f in fields(Experiment))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
