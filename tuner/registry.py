"""Names for what can be chosen: ours, and those that installed packages add by entry points.

    [project.entry-points."tuner.schedulers"]
    first_half = "their_package.rules:FirstHalf"

What is not named can be given as `package.module:factory`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from contextlib import suppress
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
        return self.places()

    def places(self) -> dict[str, set[str]]:
        """Where each name leads now; one that is taken twice leads to several places."""
        found = {name: {place} for name, place in self.ours.items()}
        for entry in entry_points(group=self.group):
            found.setdefault(entry.name, set()).add(entry.value)
        return found

    def knows(self, name: str) -> bool:
        """Whether a name is one of ours; what is installed beside us is not looked for."""
        return name in self.ours

    def names(self) -> tuple[str, ...]:
        """The names that are known, ours first."""
        return tuple(self._places)

    def find(self, name: str) -> Any:
        """What a name, or `package.module:factory`, stands for.

        Raises ExperimentError for a name that is unknown or taken twice, and for a place that
        cannot be imported; the other names are as good as before.
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
            # runs code: ours, an installed package's, or what this call or the user's file names
            return getattr(import_module(module), attribute)
        except Exception as error:  # whatever another's module raises as it is imported
            what = place if place == name else f"{name!r}, {place},"
            raise ExperimentError(
                f"{what} cannot be imported: {type(error).__name__}: {error}",
                field=self.field,
                way_out="mend it, or name another",
            ) from error

    def made(self, name: str, options: Mapping[str, Any]) -> Any:
        """What the factory of a name makes, given those of the options that it takes.

        Something that is made already, and cannot be called, is taken as it is.
        """
        make = self.find(name)
        if not callable(make):
            return make
        takes: Mapping[str, Any] = {}
        with suppress(ValueError):  # something built in, which says nothing of itself
            takes = inspect.signature(make).parameters
        return make(**{option: value for option, value in options.items() if option in takes})


def is_place(given: str) -> bool:
    """Whether a text is a `package.module:factory`."""
    return re.fullmatch(r"[\w.]+:[\w.]+", given) is not None


def said(given: Any) -> str:
    """A name as it is; of an object what it says of itself, or its class where that is nothing."""
    if isinstance(given, str):
        return given
    text = repr(given)
    if not text.startswith("<"):
        return text
    named = given if hasattr(given, "__qualname__") else type(given)
    return f"{named.__module__}.{named.__qualname__}"


ENGINES = Registry(
    "engine",
    {
        "ray_tune": "tuner.engines.ray_tune.engine:RayTune",
        "fused": "tuner.engines.fused.engine:Fused",
    },
    "tuner.engines",
)
"""Here, as an Experiment asks for the names, and stands below the engines. One line here makes an
engine of ours known everywhere."""
