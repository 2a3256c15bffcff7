"""Flags made of the options of a dataclass, and errors said in flags. Nothing else knows them.

A field is a flag by its own name (`min_epochs` is --min-epochs) but for those of NAMES.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import Field
from typing import Annotated, Any

import typer

from tuner.errors import TunerError
from tuner.options import Option, kind_of, options_of

NAMES = {"dataset": "--data"}
TRUST = "run the study's own code wherever it lies"


def with_options(owner: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command, whose last parameter is `**given`, a flag for each option of a dataclass.

    None in `given` is a flag that was not typed.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        made = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=_annotation(field, rule),
            )
            for field, rule in options_of(owner)
            if rule.flag
        ]
        first = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        vars(command)["__signature__"] = signature.replace(parameters=[*first, *made])
        command.__annotations__ = {p.name: p.annotation for p in (*first, *made)}
        return command

    return decorate


def flag(text: str, *names: str, group: str | None = None) -> Any:
    """A flag of a command's own."""
    return typer.Option(*names, help=text, show_default=False, rich_help_panel=group)


def flags_of(app: typer.Typer, command: str | None) -> dict[str, str]:
    """The flags of `run`, and before them those of another command, by their parameter's name."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    found: dict[str, str] = {}
    for name in ("run", command):
        for param in getattr(commands.get(name), "params", ()):
            if param.opts[0].startswith("--"):
                found[param.name] = param.opts[0]
    return found


def in_flags(error: TunerError, flags: Mapping[str, str]) -> str:
    """What an error says, with its field and the arguments in backquotes as flags."""

    def say(text: str) -> str:
        return re.sub(r"`(\w+)`", lambda match: flags.get(match[1], match[0]), text)

    about = "" if error.field is None else f"{flags.get(error.field, error.field)}: "
    return about + say(error.message) + (f"; {say(error.way_out)}" if error.way_out else "")


def _annotation(field: Field[Any], rule: Option) -> Any:
    kind = kind_of(field)
    name = NAMES.get(field.name, "--" + field.name.replace("_", "-"))
    declared = f"{name}/--no-{name.removeprefix('--')}" if kind is bool else name
    also = ["--" + rule.also.replace("_", "-")] if rule.also else []
    made = typer.Option(
        declared,
        *also,
        help=rule.help,
        show_default=_shown(field.default),
        rich_help_panel=rule.group or None,
    )
    return Annotated[kind | None, made]


def _shown(default: Any) -> str:
    if default is None:
        return "none"
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)
