"""Where a run's study lies, and what becomes of it when the run does not begin."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded
from tuner.runner.enqueue import first_points
from tuner.runner.request import Request
from tuner.runner.resolve import settle_new
from tuner.store.damage import reading
from tuner.store.folder import (
    check_place,
    existing_study_path,
    make_folder,
    new_study_path,
    remove_begun,
)
from tuner.store.learned import NOTHING, KeptSources, sources_of
from tuner.store.mirror import Mirror
from tuner.store.passwords import STORAGE, Ask, with_password
from tuner.store.resume_checks import resumed, resumed_storage
from tuner.store.study_json import StudyFile
from tuner.store.uris import is_uri


@dataclass(frozen=True)
class Place:
    """A study's folder, and its copy at a URI (`mirror`) where it has one.

    `kept` is what study.json said before the run, None where the study is new. `name` is the
    study's in its ledger, kept when its folder is renamed; `enqueued` are the points that it tries
    first; `storage` is the URL of the ledger, with its password; `learned` is what it learns from.
    """

    path: Path
    mirror: Mirror | None
    settled: Experiment
    name: str
    enqueued: list[dict[str, Any]]
    storage: str | None
    kept: StudyFile | None = None
    learned: KeptSources = NOTHING

    @property
    def new(self) -> bool:
        """Whether the study has not begun."""
        return self.kept is None

    @property
    def shown(self) -> str:
        """Where users find it: its folder, or its URI."""
        return str(self.path) if self.mirror is None else f"{self.mirror.uri}/{self.path.name}"

    def write(self, said: StudyFile) -> None:
        """Write what the study is, and what it learns from."""
        if self.new:
            self.learned.write(self.path)  # first: study.json promises it
        said.write(self.path)

    def make(self) -> Path | None:
        """Make a new study's folder; the uppermost folder that was made for it."""
        return make_folder(self.path) if self.new else None

    def remove(self, top: Path) -> None:
        """Take back what a run that never began has written, up to the folder that `make` gave."""
        remove_begun(self.path, top)
        if self.mirror is not None:
            self.mirror.remove(self.path)


def find_place(
    request: Request, loaded: Loaded, overrides: dict[str, Any], say: Callable[[str], None]
) -> Place:
    """The place of a new study, or of the one to go on with. Nothing is written there yet."""
    mirror = Mirror(request.results, say) if is_uri(request.results) else None
    if mirror is None:
        check_place(Path(request.results))
    else:
        mirror.fetch_names()
    results = Path(request.results) if mirror is None else mirror.folder
    name = loaded.experiment.name
    if not request.resume:
        settled = settle_new(loaded.experiment, overrides)
        path = new_study_path(results, name, request.study)
        points = first_points(settled, request.enqueue, say)
        storage = request.storage or os.environ.get(STORAGE) or None
        if storage is not None:  # one that is not a URL is refused here
            storage = with_password(storage, request.ask)
        learned = sources_of(settled, say)
        return Place(path, mirror, settled, path.name, points, storage, learned=learned)
    if request.enqueue is not None:
        raise StudyError(
            "points are queued when a study is new, and this one has begun",
            field="enqueue",
            way_out="drop it, or start a new study",
        )
    path = existing_study_path(results, name, request.study)
    if mirror is not None:
        mirror.fetch(path)
    return reopened(path, mirror, loaded, overrides, request.storage, request.ask)


def reopened(
    path: Path,
    mirror: Mirror | None,
    loaded: Loaded,
    overrides: Mapping[str, Any],
    storage: str | None,
    ask: Ask | None = None,
) -> Place:
    """The place of a study that goes on, as its folder says. Raises ResultsError, StudyError."""
    with reading(path):
        kept = StudyFile.read(path)
        kept.check_format(path)
        settled = resumed(loaded, kept, overrides)
        url = resumed_storage(kept.storage, storage, ask)
        learned = KeptSources.read(path) if settled.learn_from else NOTHING
        return Place(path, mirror, settled, kept.name, kept.enqueued, url, kept, learned)
