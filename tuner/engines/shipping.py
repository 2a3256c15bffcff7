"""What a run ships to its workers, so that a user's experiment works there as it does here."""

from __future__ import annotations

import hashlib
import inspect
import math
import re
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

from tuner.data.splits import Splits
from tuner.engines.contract import Job
from tuner.errors import ExperimentError
from tuner.experiment.experiment import KerasModel, Objective
from tuner.experiment.loading import Source, load_source
from tuner.experiment.words import ONE_SE
from tuner.forks.folder import own_folder
from tuner.store.layout import MODELS_FOLDER, cell_folder
from tuner.training.kept_models import Keeping
from tuner.trial.cells import Cell

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime

PARKED_SHARE = 0.8
"""Of a worker's memory so much may be full before a paused training is given up for the next."""
_IMPORTS_KERAS = re.compile(r"^\s*(import|from)\s+(keras|tensorflow|tf_keras)\b", re.MULTILINE)


@dataclass(frozen=True)
class Shipment:
    """What every worker of a run needs; put into the object store once.

    `source` says where to load the objective; `pickled` is the function itself, for an experiment
    made in memory. `paths` are the driver's folders of modules; `files` is the folder below which
    each cell has its own, its checkpoints among them. `keras`: whether to import it ahead. The
    metric times `sign` is a loss. `keeping` says whose weights to keep. `memory_mb` is what a
    worker may fill with paused trainings, and one that has held more than `most_mb` is replaced.
    `forks` is the folder of the fork servers, where the driver's is the only node. `name` is
    that of a trainer's process that a run of the same objective in the same Ray `leaves` to the
    one that follows; empty where none does.
    """

    source: Source
    pickled: bytes | None
    metric: str
    paths: tuple[str, ...]
    splits: Splits
    cpus: float
    gpus: float
    keras: bool
    sign: float = 1.0
    memory_mb: float = math.inf
    most_mb: float = math.inf
    forks: Path | None = None
    files: Path | None = None
    checkpoint_every: int | None = None
    fit: str = "auto"
    exact: bool = False
    isolate: bool = False
    keeping: Keeping | None = None
    name: str = ""
    leaves: bool = False

    def folder(self, cell: Cell) -> Path | None:
        """Where a cell's own files lie."""
        if self.files is None:
            return None
        several = self.splits.mode == "cv" or self.splits.repeats > 1
        fold = cell.fold if several else None
        return cell_folder(self.files, cell.trial, fold)

    def objective(self) -> Objective:
        """The objective of a run, loaded or unpickled in this process, a worker."""
        sys.path.extend(path for path in self.paths if path not in sys.path)
        if self.pickled is not None:
            # runs code: the user's objective, as the driver sent it
            objective: Objective = cloudpickle.loads(self.pickled)
            return objective
        return load_source(self.source).objective


def shipment(job: Job, cluster: Runtime) -> Shipment:
    """What the workers of a job need."""
    experiment = job.experiment
    in_memory = job.source.kind == "object"
    by_value = pickled(experiment.objective) if in_memory else None
    name = "" if experiment.isolate else _name_of(job, by_value, cluster)
    return Shipment(
        source=job.source,
        pickled=by_value,
        metric=experiment.goals[0].metric,
        paths=user_paths(),
        splits=job.splits,
        cpus=cluster.cpus_per_trial,
        gpus=cluster.gpus_per_trial,
        keras=needs_keras(experiment.objective),
        sign=experiment.goals[0].sign,
        memory_mb=PARKED_SHARE * cluster.memory_mb,
        most_mb=experiment.memory_per_trial or math.inf,
        forks=own_folder() if cluster.local else None,
        files=job.files,
        checkpoint_every=experiment.checkpoint_every,
        fit=experiment.fit,
        exact=experiment.exact,
        isolate=experiment.isolate,
        keeping=_keeping(job),
        name=name,
        leaves=bool(name) and experiment.confirm > 0,
    )


def _name_of(job: Job, by_value: bytes | None, cluster: Runtime) -> str:
    """Equal for runs of one objective in a Ray that is kept from run to run; empty in another."""
    if not cluster.kept_as:
        return ""
    needs = cluster.cpus_per_trial, cluster.gpus_per_trial
    content = cluster.kept_as, job.source, by_value, needs
    return hashlib.sha256(repr(content).encode()).hexdigest()


def _keeping(job: Job) -> Keeping | None:
    """What the workers keep of the weights; nothing in a cross-validation, whose trials have many
    models, none of them trained on all folds."""
    experiment = job.experiment
    if job.files is None or experiment.mode == "cv" or not experiment.keep_models:
        return None
    return Keeping(
        folder=job.files.parent / MODELS_FOLDER,
        # The simplest of the equals is not known before the end, nor by any one worker.
        count=experiment.trials if experiment.choose == ONE_SE else experiment.keep_models,
        metric=experiment.goals[0].metric,
        sign=experiment.goals[0].sign,
        takes_best=experiment.value == "best",
    )


def needs_keras(objective: Objective) -> bool:
    """Whether workers should import Keras before their first trial.

    A training function need only be in a module that imports Keras or TensorFlow somewhere.
    """
    if isinstance(objective, KerasModel):
        return True
    module = inspect.getmodule(objective)
    try:
        text = inspect.getsource(module or objective)
    except (OSError, TypeError):  # typed at a prompt: the function will import what it needs
        return False
    return _IMPORTS_KERAS.search(text) is not None


def user_paths() -> tuple[str, ...]:
    """The folders from which the driver imports modules, Python's own aside."""
    paths = sysconfig.get_paths()
    own = (sys.prefix, sys.base_prefix, paths["stdlib"], paths["purelib"], paths["platlib"])
    found = (str(Path(path or ".").resolve()) for path in sys.path)
    return tuple(path for path in found if Path(path).is_dir() and not path.startswith(own))


def pickled(objective: Objective) -> bytes:
    """An objective made in memory, by value: its module need not exist where it goes."""
    functions: Sequence[Any] = [objective]
    if isinstance(objective, KerasModel):
        functions = [value for value in vars(objective).values() if callable(value)]
    modules = {sys.modules[f.__module__] for f in functions if hasattr(f, "__module__")}
    by_value = [module for module in modules if _is_users(module)]
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        by_value_bytes: bytes = cloudpickle.dumps(objective)
        return by_value_bytes
    except Exception as error:  # whatever an object's own pickling raises
        raise ExperimentError(_unshippable(functions, error)) from error
    finally:
        for module in by_value:
            cloudpickle.unregister_pickle_by_value(module)


def _unshippable(functions: Sequence[Any], error: BaseException) -> str:
    """A line that names what a function holds that no other process can have."""
    for function in functions:
        try:
            seen = inspect.getclosurevars(function)
        except TypeError:  # an object with __call__
            continue
        for name, value in {**seen.nonlocals, **seen.globals}.items():
            try:
                cloudpickle.dumps(value)
            except Exception:  # noqa: BLE001  # this is the one
                return (
                    f"objective {function.__name__} holds {name!r}, a {type(value).__name__}, "
                    "which cannot be sent to the workers; make it inside the function"
                )
    return (
        f"the objective cannot be sent to the workers ({type(error).__name__}: {error}); "
        "make what it holds inside the function"
    )


def _is_users(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    paths = sysconfig.get_paths()
    installed = (paths["stdlib"], paths["purelib"], paths["platlib"])
    return file is not None and module.__name__ != "__main__" and not file.startswith(installed)
