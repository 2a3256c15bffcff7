"""Names for what can be chosen: ours, and those that installed packages add by entry points.

    [project.entry-points."tuner.schedulers"]
    first_half = "their_package.rules:FirstHalf"

What is not named can be given as `package.module:factory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from tuner.errors import ExperimentError


class Registry:
    """What the names of one field stand for, as import strings; imported when it is asked for.

    `field` is the argument that takes the name, `group` the entry points that add to `ours`.
    """

    def __init__(self, field: str, ours: Mapping[str, str], group: str) -> None:
        self.field = field
        self.ours = ours
        self.group = group

    @cached_property
    def _places(self) -> dict[str, set[str]]:
        """Where each name leads; one that is taken twice leads to several places."""
        found = {name: {place} for name, place in self.ours.items()}
        for entry in entry_points(group=self.group):
            found.setdefault(entry.name, set()).add(entry.value)
        return found

    def names(self) -> tuple[str, ...]:
        """The names that are known, ours first."""
        return tuple(self._places)

    def find(self, name: str) -> Any:
        """What a name, or `package.module:factory`, stands for.

        Raises ExperimentError for a name that is unknown or taken twice, and for a place that
        cannot be imported; the other names are none the worse.
        """
        places = self._places.get(name, {name})
        if len(places) > 1:
            raise ExperimentError(
                f"{name!r} is the name of {' and of '.join(sorted(places))}",
                field=self.field,
                way_out="uninstall one, or give one of them instead of the name",
            )
        place = next(iter(places))
        module, colon, attribute = place.partition(":")
        if not colon:
            raise ExperimentError(
                f"{name!r} is not one of {', '.join(self.names())}",
                field=self.field,
                way_out="name one, or give package.module:factory",
            )
        try:
            return getattr(import_module(module), attribute)
        except Exception as error:  # whatever another's module raises as it is imported
            what = place if place == name else f"{name!r}, {place},"
            raise ExperimentError(
                f"{what} cannot be imported: {type(error).__name__}: {error}",
                field=self.field,
                way_out="mend it, or name another",
            ) from error
