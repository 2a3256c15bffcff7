"""Options: fields of a dataclass that say their default, their rule and their help in one place.

    @dataclass(frozen=True)
    class Experiment:
        trials: int = option(24, "how many points to try", least=1, on_resume=True)

        def __post_init__(self) -> None:
            check_options(self)

The command line makes its flags of the same fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from tuner.errors import ExperimentError

KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
NOUNS = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}


@dataclass(frozen=True)
class Option:
    """What is known of a field beside its default.

    A number is `least` or more, a text `among` some names (a tuple, or a function that lists them).
    `on_resume` says that a resumed study may change it, `group` where its flag stands in the help;
    without `flag` it has none. With `objects` it may be something else than a name: an object, or
    `package.module:factory`; who uses it checks that. `also` is a second name of its flag.
    """

    help: str
    least: float | None = None
    among: Sequence[str] | Callable[[], Sequence[str]] | None = None
    on_resume: bool = False
    group: str = ""
    flag: bool = True
    objects: bool = False
    also: str = ""


def option(default: Any, help: str, **more: Any) -> Any:
    """A field of a dataclass that is an Option."""
    return field(default=default, metadata={"option": Option(help, **more)})


def options_of(owner: Any) -> Iterator[tuple[Field[Any], Option]]:
    """The options of a dataclass, or of an instance, in order."""
    for one in fields(owner):
        if "option" in one.metadata:
            yield one, one.metadata["option"]


def kind_of(one: Field[Any]) -> type:
    """The type of an option's value: int, float, bool or str."""
    return KINDS[str(one.type).partition(" | ")[0]]


def is_optional(one: Field[Any]) -> bool:
    """Whether None is a value of the option."""
    return one.default is None or one.default is MISSING


def is_text_alone(one: Field[Any]) -> bool:
    """Whether a text has no other form; a dataset, say, is a function too."""
    return {*str(one.type).split(" | ")} <= {"str", "None"}


def names_of(option: Option) -> Sequence[str] | None:
    """The names that a text may be among; None where any will do."""
    return option.among() if callable(option.among) else option.among


def check_options(instance: Any) -> None:
    """Raises ExperimentError naming the first field whose value breaks its rule."""
    for one, rule in options_of(instance):
        check_option(one, rule, getattr(instance, one.name))


def check_option(one: Field[Any], rule: Option, value: Any) -> None:
    """Raises ExperimentError if the value breaks the option's rule."""
    if value is None and is_optional(one):
        return
    if rule.objects and (not isinstance(value, str) or ":" in value):
        return
    if rule.among is not None:
        check_name(one.name, value, names_of(rule) or ())
        return
    kind = kind_of(one)
    wanted = int | float if kind is float else kind
    fits = isinstance(value, wanted) and (kind is bool or not isinstance(value, bool))
    if rule.least is None:
        if not fits and (kind is not str or is_text_alone(one)):
            raise ExperimentError(f"{value!r} must be {NOUNS[kind]}", field=one.name)
    elif not fits or not value >= rule.least:
        raise ExperimentError(
            f"{value!r} must be {NOUNS[kind]} of at least {rule.least:g}", field=one.name
        )


def check_name(name: str, value: Any, known: Sequence[str]) -> None:
    """Raises ExperimentError for a value that is not among the known names of a field."""
    if value in known:
        return
    close = difflib.get_close_matches(str(value), known, n=1)
    raise ExperimentError(
        f"{value!r} is not one of {', '.join(known)}",
        field=name,
        way_out=f"did you mean {close[0]!r}?" if close else "",
    )


def check_whole(name: str, value: Any, least: int, below: int | None = None) -> None:
    """Raises ExperimentError for an argument that is not a whole number from `least` on."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (below is not None and value >= below):
        limit = "" if below is None else f", below {below}"
        raise ExperimentError(
            f"{value!r} must be a whole number of at least {least}{limit}", field=name
        )
