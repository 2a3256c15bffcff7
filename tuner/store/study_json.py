"""study.json: what a run was asked for. One frozen record, read and written here alone.

What a file holds beside the fields below is kept, and written again by a resume. A file of an
earlier format is brought to today's as it is read; one of a later format can be looked at as far as
its fields are known, and not be gone on with: `check_format`.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuner.data.datasets import Dataset
from tuner.errors import ResultsError
from tuner.experiment.experiment import Experiment
from tuner.experiment.goals import VIOLATION
from tuner.experiment.loading import Loaded, Source, digest
from tuner.experiment.settle import scheduler_of
from tuner.files import put_bytes
from tuner.options import options_of
from tuner.registry import ENGINES, said
from tuner.samplers.registry import GRID, SAMPLERS
from tuner.schedulers.registry import SCHEDULERS
from tuner.search_space.space import SearchSpace
from tuner.shown import redacted
from tuner.store.damage import first_fault
from tuner.store.layout import FORMAT, STUDY_FILE
from tuner.store.study_upgrades import upgraded

LIBRARIES = ("ray", "optuna", "tensorflow", "keras", "numpy", "scikit-learn", "pandas")
FUNCTION = "function"
"""What stands for a dataset that a function makes."""
_NEEDED = ("metric", "direction", "mode", "sampler", "scheduler", "engine", "seed")
"""Options without which no table can be understood; another that lacks has its default."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class StoredGoal(_Record, strict=True):
    """One of several goals: a metric and its direction."""

    metric: str
    direction: str


class StoredExperiment(_Record, strict=True):
    """An Experiment's options as they were settled; of an object or a function, what it is called.

    Those that somebody reads by name are declared here; the others stand beside them. With several
    `goals`, `metric` and `direction` are those of the first. `constrained` says whether there were
    constraints.
    """

    name: str
    metric: str
    direction: str
    mode: str
    sampler: str
    scheduler: str
    engine: str
    seed: int
    value: str | None
    dataset: str | None
    validation: str
    folds: int
    repeats: int
    epochs: int | None
    eta: int
    min_epochs: int
    keep_models: int
    choose: str
    simplest: str | None
    description: str
    goals: list[StoredGoal] = Field(default_factory=list)
    constrained: bool = False

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given  # its reader says what it should be
        options = {one.name: one.default for one, _ in options_of(Experiment)}
        return {n: v for n, v in options.items() if n not in _NEEDED} | dict(given)

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """What is kept of an experiment."""
        stored = {}
        for one, rule in options_of(Experiment):
            value = getattr(experiment, one.name)
            if rule.objects:
                value = said(value)
            stored[one.name] = FUNCTION if callable(value) else value
        goals = experiment.goals
        stored |= {"metric": goals[0].metric, "direction": goals[0].direction}
        if len(goals) > 1:
            stored["goals"] = [goal._asdict() for goal in goals]
        stored["constrained"] = experiment.constraints is not None
        return cls.model_validate({"name": experiment.name, **stored})

    def options(self) -> dict[str, Any]:
        """The options of an Experiment, as they are stored."""
        known = {one.name for one, _ in options_of(Experiment)}
        options = {name: value for name, value in self.model_dump().items() if name in known}
        if self.goals:
            options["metric"] = [goal.metric for goal in self.goals]
            options["direction"] = [goal.direction for goal in self.goals]
        return options

    def without_code(self) -> dict[str, Any]:
        """The options for who trains nothing: what is not one of ours by name is not made again.

        What stands for it proposes at random, stops nothing and carries nothing.
        """
        mine = {"sampler": SAMPLERS, "scheduler": SCHEDULERS, "engine": ENGINES}
        instead = {"sampler": "random", "scheduler": "none", "engine": "ray_tune"}
        known = {
            name: value if registry.knows(value) or value == GRID else instead[name]
            for name, registry in mine.items()
            if isinstance(value := getattr(self, name), str)
        }
        constraints = {"constraints": _kept_already} if self.constrained else {}
        return {**self.options(), **known, **constraints}

    @property
    def directions(self) -> dict[str, str]:
        """Each metric that was searched with its direction, the first one first."""
        several = {goal.metric: goal.direction for goal in self.goals}
        return several or {self.metric: self.direction}

    @property
    def cells(self) -> int:
        """How many cells a trial has."""
        return self.repeats * (self.folds if self.mode == "cv" else 1)


def _kept_already(metrics: Mapping[str, float]) -> Sequence[float]:
    """Stands for constraints: what they said is in the reports."""
    return [metrics.get(VIOLATION, 0.0)]


class StoredDataset(_Record, strict=True):
    """The data that a study was run on; `train` and `test` count samples."""

    name: str
    fingerprint: str
    train: int
    test: int
    classes: int | None = None
    labels: list[Any] | None = None
    done: list[str] = Field(default_factory=list)


class StoredScheduler(_Record, strict=True):
    """What a scheduler says of itself."""

    has_rungs: bool = False
    pauses: bool = False


class StudyFile(_Record):
    """What study.json says of a run. `source` is data here: reading it runs no code.

    `source_sha256` is its file's as it was loaded last; "" where there is none.
    `space` is the space as it was settled, `declared_space` as the experiment's file has it.
    `storage` is the ledger's URL without its password; None for the journal in the folder.
    """

    format: int = FORMAT
    name: str = Field(min_length=1)
    enqueued: list[dict[str, Any]] = Field(default_factory=list)
    storage: str | None = None
    experiment: StoredExperiment
    scheduler: StoredScheduler = Field(default_factory=StoredScheduler)
    source: Source
    source_sha256: str = ""
    space: dict[str, dict[str, Any]]
    declared_space: dict[str, dict[str, Any]]
    dataset: StoredDataset | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    python: str = ""
    command: str = ""
    created_at: str
    engine_because: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a study's file. Raises ResultsError if it is missing or broken."""
        file = folder / STUDY_FILE
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            raise ResultsError(f"{folder} is not a study folder: it has no {STUDY_FILE}") from None
        except OSError as error:
            raise ResultsError(f"{file} cannot be read: {error}") from None
        return cls.parse(text, str(file), folder.name)

    @classmethod
    def parse(cls, text: bytes, where: str, name: str) -> Self:
        """The study of a file's text; `name` is its folder's, where it has none of its own.

        Raises ResultsError naming the field that is wrong.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ResultsError(f"{where} cannot be read: {error}") from None
        content = upgraded(content) if isinstance(content, dict) else {}
        found = content.get("format")
        if type(found) is not int or found < 1:
            raise ResultsError(
                f"{where} has format {found!r}, and should have a number from 1; it is not whole, "
                "or nothing that tuner wrote"
            )
        try:
            return cls.model_validate({"name": name, **content})
        except ValidationError as error:
            later = f" (its format {found} is later than {FORMAT}, this tuner's)"
            raise ResultsError(
                f"{where}: {first_fault(error)}{later if found > FORMAT else ''}"
            ) from None

    def write(self, folder: Path) -> None:
        """Write study.json whole. Raises ResultsError for a study of a later format."""
        self.check_format(folder)
        text = json.dumps(self.model_dump(), indent=2)
        put_bytes(folder / STUDY_FILE, text.encode() + b"\n")

    def check_format(self, folder: Path) -> None:
        """Raise ResultsError for a later format, of which this tuner may only look at a study."""
        if self.format > FORMAT:
            raise ResultsError(
                f"{folder / STUDY_FILE} has format {self.format}, and this tuner writes format "
                f"{FORMAT}: it can show, load and report the study, and not change it; "
                f"take the tuner that wrote it, {self.versions.get('tuner', 'a later one')}"
            )

    def settled_space(self, like: SearchSpace | None = None) -> SearchSpace:
        """The space that was searched; choices that are not data come from `like`."""
        return SearchSpace.from_json(self.space, like=like)


def describe(
    loaded: Loaded,
    settled: Experiment,
    dataset: Dataset | None,
    *,
    name: str,
    enqueued: Sequence[dict[str, Any]] = (),
    storage: str | None = None,
    engine_because: str = "",
) -> StudyFile:
    """What there is to say of a new study."""
    scheduler = scheduler_of(settled)
    return StudyFile(
        name=name,
        enqueued=list(enqueued),
        storage=storage,
        experiment=StoredExperiment.of(settled),
        scheduler=StoredScheduler(has_rungs=scheduler.has_rungs, pauses=scheduler.pauses),
        source=loaded.source,
        source_sha256=digest(loaded.source),
        space=SearchSpace(settled.space).as_json(),
        declared_space=SearchSpace(loaded.experiment.space).as_json(),
        dataset=None if dataset is None else stored_dataset(dataset),
        versions={name: version(name) for name in ("tuner", *LIBRARIES)},
        python=sys.version.split()[0],
        command=shlex.join(["python", "-m", "tuner", *map(redacted, sys.argv[1:])]),
        created_at=datetime.now(UTC).isoformat(),
        engine_because=engine_because,
    )


def stored_dataset(dataset: Dataset) -> StoredDataset:
    """What is kept of the data."""
    return StoredDataset(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        train=len(dataset.x_train),
        test=len(dataset.x_test),
        classes=dataset.n_classes,
        labels=None if dataset.classes is None else list(dataset.classes),
        done=list(dataset.done),
    )
