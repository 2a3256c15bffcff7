"""What a resumed study may change, held against what study.json says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.data.datasets import Dataset
from tuner.errors import StudyError
from tuner.experiment.earlier import earlier_studies
from tuner.experiment.experiment import Experiment
from tuner.experiment.goals import goals_of
from tuner.experiment.loading import Loaded, Source, digest
from tuner.experiment.population import check_still_whole, explored_axes
from tuner.experiment.settle import settle, with_end
from tuner.options import names_of, options_of
from tuner.registry import is_place, said
from tuner.samplers.registry import GRID
from tuner.search_space.points import points_within
from tuner.search_space.space import SearchSpace
from tuner.shown import shown
from tuner.store.ledger import shown_url
from tuner.store.passwords import STORAGE, Ask, with_password
from tuner.store.study_json import FUNCTION, StudyFile

FREE_FIELDS = frozenset(one.name for one, rule in options_of(Experiment) if rule.on_resume)
"""The fields that may differ when a study is resumed: trials, limits, resources."""


def resumed(loaded: Loaded, kept: StudyFile, overrides: Mapping[str, Any]) -> Experiment:
    """The settled experiment that a study goes on with.

    Everything comes from study.json; only trials, limits and resources may change. Raises
    StudyError naming whatever else differs.
    """
    declared = SearchSpace(loaded.experiment.space)
    if kept.declared_space != declared.as_json():
        raise StudyError(_space_difference(kept.declared_space, declared))
    if kept.experiment.name != loaded.experiment.name:
        raise StudyError(
            f"the study is one of {kept.experiment.name!r}, not of {loaded.experiment.name!r}"
        )
    stored = kept.experiment.options()
    if stored["dataset"] == FUNCTION:
        stored["dataset"] = loaded.experiment.dataset
    stored |= _objects(stored, loaded.experiment, overrides)
    if "space" in overrides:
        again = settle(loaded.experiment, {**stored, "space": overrides["space"]})
        if SearchSpace(again.space).as_json() != kept.space:
            raise StudyError(
                "a resumed study cannot change it",
                field="space",
                way_out="start a new study instead",
            )
    overrides = dict(overrides)
    first = overrides.pop("first", loaded.experiment.first)
    if overrides.get("engine") == "auto":  # which it was is decided
        del overrides["engine"]
    for name, given in overrides.items():
        if (
            name not in FREE_FIELDS
            and name != "space"
            and _plain(name, given, stored) != stored[name]
        ):
            raise StudyError(
                f"a resumed study cannot change it from {stored[name]!r} to {given!r}; "
                "only trials, limits and resources may change",
                field=name,
                way_out="start a new study instead",
            )
    free = {name: value for name, value in overrides.items() if name in FREE_FIELDS}
    settled = replace(loaded.experiment, **{**stored, **free})
    space = kept.settled_space(like=declared)
    settled = replace(settled, space=space, first=points_within(first, space))
    settled = with_end(settled)
    check_still_whole(settled)
    _check_first(settled, kept)
    if (settled.constraints is not None) != kept.experiment.constrained:
        raise StudyError(
            f"the study began {'with' if kept.experiment.constrained else 'without'} them, and a "
            "resumed study cannot change that",
            field="constraints",
            way_out="start a new study instead",
        )
    return settled


def _plain(name: str, given: Any, stored: Mapping[str, Any]) -> Any:
    """A field's value as study.json has it: lists of any kind, and directions told from names."""
    if name == "direction":
        directions = [goal.direction for goal in goals_of(stored["metric"], given)]
        return directions if len(directions) > 1 else directions[0]
    if name == "learn_from":
        given = earlier_studies(given)
    if name == "explore":
        given = explored_axes(given)
    return list(given) if isinstance(given, tuple) else given


def _check_first(settled: Experiment, kept: StudyFile) -> None:
    """Raises StudyError where the points to try first are not those that the study began with."""
    if settled.sampler == GRID:
        return
    own = [SearchSpace(settled.space).encode(point) for point in settled.first]
    if list(kept.enqueued[: len(own)]) != own:
        raise StudyError(
            f"a resumed study cannot change it to {list(settled.first)}: it began with others",
            field="first",
            way_out="start a new study instead",
        )


def _objects(
    stored: Mapping[str, Any], experiment: Experiment, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """The objects that the study began with, by field: given again, or in the experiment's file.

    Raises StudyError for one that is in neither.
    """
    found = {}
    for one, rule in options_of(Experiment):
        if not rule.objects:
            continue
        began = stored[one.name]
        for given in (overrides.get(one.name), getattr(experiment, one.name)):
            if given is not None and said(given) == began:
                found[one.name] = given
                break
        else:
            if began not in (names_of(rule) or ()):
                what = (
                    "code that its folder alone names" if is_place(began) else "an object or a name"
                )
                raise StudyError(
                    f"the study began with {began}, {what}, which is not to be had now",
                    field=one.name,
                    way_out="give it again, as the experiment's file did",
                )
    return found


def resumed_storage(kept: str | None, given: str | None, ask: Ask | None = None) -> str | None:
    """The storage URL to resume on, where study.json has kept one, and one may be given again.

    A password is never kept: it is found again, as `with_password` says. Raises StudyError where
    the URL is another, where its password is not to be had, and where its file is missing.
    """
    if given is None:
        known = os.environ.get(STORAGE)
        if kept is not None and known and shown_url(known) == kept:
            return known
        if kept is not None and not _is_there(kept):
            raise StudyError(f"the study's ledger, {shown_url(kept)}, is missing")
        return None if kept is None else with_password(kept, ask)
    if kept is None or shown_url(given) != kept:
        raise StudyError(
            f"the study's ledger is {kept or 'in its folder'}, not {shown_url(given)}",
            field="storage",
        )
    return with_password(given, ask)


def _is_there(url: str) -> bool:
    """Whether a database may be there: that of a file is never made by what study.json says."""
    from sqlalchemy import make_url

    shown_url(url)  # says so where it is not one
    file = make_url(url).database
    return not url.startswith("sqlite") or (file is not None and Path(file).is_file())


def file_change(kept: StudyFile, source: Source) -> str | None:
    """A line where the experiment's file is not as it was when the study last ran."""
    now = digest(source)
    if kept.source_sha256 in ("", now):
        return None
    before = shown(kept.source_sha256[:16], keep="")
    return (
        f"{source.where} has changed since the study last ran: SHA-256 {before} then, "
        f"{now[:16] or 'none'} now"
    )


def check_dataset(kept: StudyFile, dataset: Dataset | None) -> None:
    """Raises StudyError if the data are not those that the study began with."""
    before = None if kept.dataset is None else kept.dataset.fingerprint
    now = None if dataset is None else dataset.fingerprint
    if before != now:
        raise StudyError(
            f"the dataset's fingerprint is {now}, the study began with {before}; "
            "resume with the same data"
        )


def _space_difference(before: Mapping[str, Any], declared: SearchSpace) -> str:
    now = declared.as_json()
    name = next(n for n in (*before, *now) if before.get(n) != now.get(n))
    return (
        f"a resumed study needs the space that it began with; axis {name!r} was "
        f"{before.get(name)} and is {now.get(name)}"
    )
