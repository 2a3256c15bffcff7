"""What brings a study.json of an earlier format to today's, one step a format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def upgraded(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a study.json in today's format. A later or unknown format is left alone."""
    changed = dict(content)
    while type(found := changed.get("format")) is int and found in STEPS:
        changed = {**STEPS[found](changed), "format": found + 1}
    return changed


def from_1_to_2(content: dict[str, Any]) -> dict[str, Any]:
    """`plan` became `mode`, `mode` (max or min) `direction`; what `asha` was is `asha_stopping`."""
    before = content.get("experiment")
    if not isinstance(before, dict):  # broken: its reader says so
        return content
    renamed = {RENAMED_IN_2.get(name, name): value for name, value in before.items()}
    if renamed.get("direction") in ("max", "min"):
        renamed["direction"] += "imize"
    if renamed.get("scheduler") == "asha":
        renamed["scheduler"] = "asha_stopping"
    return {**content, "experiment": renamed}


def from_2_to_3(content: dict[str, Any]) -> dict[str, Any]:
    """A study says of its scheduler whether it has rungs, and whether it pauses trials."""
    experiment = content.get("experiment")
    name = experiment.get("scheduler") if isinstance(experiment, dict) else None
    return {
        **content,
        "scheduler": {"has_rungs": name in WITH_RUNGS_IN_2, "pauses": name in PAUSING_IN_2},
    }


RENAMED_IN_2 = {"plan": "mode", "mode": "direction"}
PAUSING_IN_2 = ("rung_gp", "asha")
WITH_RUNGS_IN_2 = (*PAUSING_IN_2, "asha_stopping", "hyperband")
STEPS = {1: from_1_to_2, 2: from_2_to_3}
