"""An axis as study.json keeps it. What is not data, a function say, is kept by its label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int
from tuner.search_space.conditions import wanted_values
from tuner.search_space.values import UNSET, Named, from_json_form, json_form

_KINDS: dict[str, type[Axis]] = {
    "float": Float,
    "int": Int,
    "categorical": Categorical,
    "constant": Constant,
}


def axis_as_json(axis: Axis, axes: Mapping[str, Axis]) -> dict[str, Any]:
    """An axis as JSON; `axes` are those of its space, which its condition may name."""
    form: dict[str, Any] = {"kind": type(axis).__name__.lower()}
    for declared in fields(axis):
        value = getattr(axis, declared.name)
        match declared.name:
            case "choices" if isinstance(axis, Categorical):
                pairs = zip(value, axis.labels, strict=True)
                form["choices"] = [json_form(choice, label) for choice, label in pairs]
            case "value" if isinstance(axis, Constant):
                form["value"] = json_form(value)
            case "default" if isinstance(axis, Categorical):
                if value is not UNSET:
                    form["default"] = {"label": axis.encode(value)}
            case "when" if value is not None:
                form["when"] = {
                    parent: _labels(axes[parent], wanted) for parent, wanted in value.items()
                }
            case _ if value is not None:
                form[declared.name] = value
    return form


def axis_from_json(
    name: str, form: Mapping[str, Any], before: Mapping[str, Axis], declared: Axis | None
) -> Axis:
    """The axis that `axis_as_json` wrote. Raises SearchSpaceError for anything else.

    `before` are the axes before it; what is not data comes back from the axis `declared`.
    """
    rest = dict(form)
    kind = rest.pop("kind", None)
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None or not rest.keys() <= {field.name for field in fields(known)}:
        raise SearchSpaceError(f"axis {name!r}: {form!r} is not an axis that tuner wrote")
    for key in {"choices", "value"} & rest.keys():
        rest[key] = from_json_form(rest[key])
    try:
        if rest.get("when"):
            rest["when"] = {p: _from_labels(before[p], w) for p, w in rest["when"].items()}
        axis = _like(known(**{k: v for k, v in rest.items() if k != "default"}), declared)
        if "default" in rest:
            default = rest["default"]
            if isinstance(axis, Categorical):
                default = axis.decode(default["label"])
            axis = replace(axis, default=default)
    except (LookupError, TypeError) as error:
        raise SearchSpaceError(
            f"axis {name!r}: {form!r} is not an axis that tuner wrote ({error})"
        ) from None
    return axis


def _like(axis: Axis, declared: Axis | None) -> Axis:
    """An axis that was read, with the values behind its labels from the axis declared."""
    if isinstance(declared, Categorical):
        known = dict(zip(declared.labels, declared.choices, strict=True))
    elif isinstance(declared, Constant):
        known = {declared.label: declared.value}
    else:
        return axis
    if isinstance(axis, Categorical):
        pairs = zip(axis.labels, axis.choices, strict=True)
        choices = [c if _is_data(c) else known.get(label, c) for label, c in pairs]
        return replace(axis, choices=choices)
    if isinstance(axis, Constant) and not _is_data(axis.value):
        return replace(axis, value=known.get(axis.label, axis.value))
    return axis


def _is_data(value: Any) -> bool:
    """Whether JSON has kept all of a value."""
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_data, value))
    return not isinstance(value, Named)


def _labels(axis: Axis, wanted: Any) -> Any:
    values = wanted_values(axis, wanted)
    return axis.encode(wanted) if values is None else [axis.encode(value) for value in values]


def _from_labels(axis: Axis, labels: Any) -> Any:
    return list(map(axis.decode, labels)) if isinstance(labels, list) else axis.decode(labels)
