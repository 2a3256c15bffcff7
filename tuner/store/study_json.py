"""What study.json says of a run, and how a resumed run is checked against it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tuner.data.datasets import Dataset
from tuner.errors import ResultsError, StudyError
from tuner.experiment.experiment import FREE_FIELDS, Experiment
from tuner.experiment.loading import Loaded
from tuner.experiment.settle import settle
from tuner.files import put_bytes
from tuner.search_space.space import SearchSpace
from tuner.shown import redacted
from tuner.store.layout import FORMAT, STUDY_FILE
from tuner.store.ledger import shown_url
from tuner.store.study_upgrades import upgraded

LIBRARIES = ("ray", "optuna", "tensorflow", "keras", "numpy", "scikit-learn", "pandas")
STORAGE = "TUNER_STORAGE"
"""Where the environment may hold the ledger's URL: the words of a command are seen by everybody."""
NAMED = ("sampler", "scheduler", "engine")
"""Fields that take a name or an object; of an object its repr is stored."""
_NOT_STORED = ("name", "space", "objective")


def describe(loaded: Loaded, settled: Experiment, dataset: Dataset | None) -> dict[str, Any]:
    """The content of study.json, but for the study's name."""
    return {
        "experiment": {"name": settled.name, **_stored_fields(settled)},
        "source": asdict(loaded.source),
        "space": SearchSpace(settled.space).as_json(),
        "declared_space": SearchSpace(loaded.experiment.space).as_json(),
        "dataset": None
        if dataset is None
        else {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "train": len(dataset.x_train),
            "test": len(dataset.x_test),
            "classes": dataset.n_classes,
            "labels": None if dataset.classes is None else list(dataset.classes),
            "done": list(dataset.done),
        },
        "versions": {name: version(name) for name in ("tuner", *LIBRARIES)},
        "python": sys.version.split()[0],
        "command": shlex.join(["python", "-m", "tuner", *map(redacted, sys.argv[1:])]),
        "created_at": datetime.now(UTC).isoformat(),
    }


def _stored_fields(experiment: Experiment) -> dict[str, Any]:
    stored = {}
    for field in fields(Experiment):
        if field.name not in _NOT_STORED:
            value = getattr(experiment, field.name)
            if field.name in NAMED and not isinstance(value, str):
                value = repr(value)  # an object: what it says of itself, options and all
            stored[field.name] = "function" if callable(value) else value
    return stored


def resumed(loaded: Loaded, content: Mapping[str, Any], overrides: Mapping[str, Any]) -> Experiment:
    """The settled experiment that a study goes on with.

    Everything comes from study.json; only trials, limits and resources may change. Raises
    StudyError naming whatever else differs.
    """
    stored = {name: v for name, v in content["experiment"].items() if name != "name"}
    if content["declared_space"] != SearchSpace(loaded.experiment.space).as_json():
        raise StudyError(_space_difference(content["declared_space"], loaded.experiment))
    if content["experiment"]["name"] != loaded.experiment.name:
        raise StudyError(
            f"the study is one of {content['experiment']['name']!r}, "
            f"not of {loaded.experiment.name!r}"
        )
    if stored["dataset"] == "function":
        stored["dataset"] = loaded.experiment.dataset
    stored |= _objects(stored, loaded.experiment, overrides)
    if "space" in overrides:
        again = settle(loaded.experiment, {**stored, "space": overrides["space"]})
        if SearchSpace(again.space).as_json() != content["space"]:
            raise StudyError(
                "a resumed study cannot change it",
                field="space",
                way_out="start a new study instead",
            )
    overrides = dict(overrides)
    if overrides.get("engine") == "auto":  # which it was is decided
        del overrides["engine"]
    for name, given in overrides.items():
        if name not in FREE_FIELDS and name != "space" and given != stored[name]:
            raise StudyError(
                f"a resumed study cannot change it from {stored[name]!r} to {given!r}; "
                "only trials, limits and resources may change",
                field=name,
                way_out="start a new study instead",
            )
    free = {name: value for name, value in overrides.items() if name in FREE_FIELDS}
    settled = replace(loaded.experiment, **{**stored, **free})
    space = SearchSpace.from_json(content["space"], like=SearchSpace(loaded.experiment.space))
    return replace(settled, space=space)


def _objects(
    stored: Mapping[str, Any], experiment: Experiment, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """The objects that the study began with, by field: given again, or in the experiment's file."""
    found = {}
    for name in NAMED:
        for given in (overrides.get(name), getattr(experiment, name)):
            if not isinstance(given, str | None) and repr(given) == stored[name]:
                found[name] = given
                break
    return found


def study_name(content: Mapping[str, Any], path: Path) -> str:
    """The study's name in its ledger, which its folder keeps when it is renamed or moved."""
    name = content.get("name", path.name)
    if not isinstance(name, str) or not name:
        raise ResultsError(f"{path / STUDY_FILE}: name is {name!r}, and should be a text")
    return name


def resumed_storage(content: Mapping[str, Any], given: str | None) -> str | None:
    """The storage URL to resume on. A password is never stored: that URL is given again.

    Or it stands in the environment, in TUNER_STORAGE.
    """
    stored: str | None = content["storage"]
    if given is None:
        known = os.environ.get(STORAGE)
        if stored is not None and known and shown_url(known) == stored:
            return known
        if stored is not None and "***" in stored:
            raise StudyError(
                f"the study's ledger is {stored}",
                field="storage",
                way_out=f"give its password too, best in the environment, as {STORAGE}",
            )
        if stored is not None and not _is_there(stored):
            raise StudyError(f"the study's ledger, {shown_url(stored)}, is missing")
        return stored
    if stored is None or shown_url(given) != stored:
        raise StudyError(
            f"the study's ledger is {stored or 'in its folder'}, not {shown_url(given)}",
            field="storage",
        )
    return given


def _is_there(url: str) -> bool:
    """Whether a database may be there: that of a file is never made by what study.json says."""
    from sqlalchemy import make_url

    shown_url(url)  # says so where it is not one
    file = make_url(url).database
    return not url.startswith("sqlite") or (file is not None and Path(file).is_file())


def check_dataset(content: Mapping[str, Any], dataset: Dataset | None) -> None:
    """Raises StudyError if the data are not those that the study began with."""
    before = (content["dataset"] or {}).get("fingerprint")
    now = None if dataset is None else dataset.fingerprint
    if before != now:
        raise StudyError(
            f"the dataset's fingerprint is {now}, the study began with {before}; "
            "resume with the same data"
        )


def _space_difference(before: Mapping[str, Any], experiment: Experiment) -> str:
    now = SearchSpace(experiment.space).as_json()
    name = next(n for n in (*before, *now) if before.get(n) != now.get(n))
    return (
        f"a resumed study needs the space that it began with; axis {name!r} was "
        f"{before.get(name)} and is {now.get(name)}"
    )


def write_study_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write study.json whole."""
    text = json.dumps({"format": FORMAT, **content}, indent=2)
    put_bytes(path / STUDY_FILE, text.encode() + b"\n")


def read_study_json(path: Path) -> dict[str, Any]:
    """Read study.json. Raises ResultsError if it is missing, broken or of another version."""
    file = path / STUDY_FILE
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        raise ResultsError(f"{path} is no study folder: it has no {STUDY_FILE}") from None
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from None
    content = upgraded(content) if isinstance(content, dict) else {}
    found = content.get("format")
    if found != FORMAT:
        raise ResultsError(
            f"{file} has format {found!r}, this tuner reads format {FORMAT}; "
            "open it with the tuner that wrote it"
        )
    return content
