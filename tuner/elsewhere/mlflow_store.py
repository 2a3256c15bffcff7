"""A folder of MLflow's file store: `mlruns`, or one experiment in it. MLflow is not needed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner.elsewhere.found import Found, Results, from_one, read_value
from tuner.errors import ExperimentError, ResultsError
from tuner.trial.cells import State

META = "meta.yaml"
STATES = {"FINISHED": State.COMPLETE, "KILLED": State.STOPPED, "FAILED": State.FAILED}


def read(source: str, metric: str, study: str | None) -> Results:
    """The runs of an experiment: the `study` of that name or id, or the only one with runs.

    MLflow's steps are epochs (from 1, where they begin at 0). Runs that have not ended, and
    deleted ones, do not count. Raises ResultsError for what is not a store.
    """
    folder = Path(source)
    known = [folder] if _runs(folder) else [f for f in _inner(folder) if _runs(f)]
    if not known:
        raise ResultsError(f"{source} holds no runs of MLflow's file store")
    named = {str(_meta(one).get("name", one.name)): one for one in known}
    chosen = [one for name, one in named.items() if study in (None, name, one.name)]
    if len(chosen) != 1:
        raise ExperimentError(
            f"{source} holds {', '.join(named)}", field="study", way_out="name one of them"
        )
    found = [_found(run, metric) for run in _runs(chosen[0])]
    return Results("MLflow", [one for one in found if one is not None])


def _inner(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if (path / META).is_file())
    except OSError as error:
        raise ResultsError(f"{folder} cannot be read: {error.strerror}") from None


def _runs(experiment: Path) -> list[Path]:
    """The folders of an experiment's runs, as they began."""
    runs = [run for run in _inner(experiment) if (run / "metrics").is_dir()]
    return sorted(runs, key=lambda run: (_meta(run).get("start_time") or 0, run.name))


def _meta(folder: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load((folder / META).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ResultsError(f"{folder / META} cannot be read: {error}") from None
    return content if isinstance(content, dict) else {}


def _found(run: Path, metric: str) -> Found | None:
    meta = _meta(run)
    status = meta.get("status")
    names = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
    state = STATES.get(names.get(status, str(status)))  # type: ignore[arg-type]
    params = {name: read_value(text) for name, text in _texts(run / "params")}
    if state is None or not params or meta.get("lifecycle_stage") == "deleted":
        return None  # it still runs, is the parent of others, or was thrown away
    reports: dict[int, dict[str, float]] = {}
    for name, text in _texts(run / "metrics"):
        for line in text.splitlines():
            _, value, step = [*line.split(), "0"][:3]
            reports.setdefault(int(step), {})[name] = float(value)
    if any(not math.isfinite(m.get(metric, 0.0)) for m in reports.values()):
        state = State.DIVERGED
    begun, ended = meta.get("start_time"), meta.get("end_time")
    return Found(
        params,
        from_one(reports),
        state,
        None if begun is None else begun / 1000,
        None if begun is None or ended is None else (ended - begun) / 1000,
        "it failed in MLflow" if state is State.FAILED else None,
    )


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """The files below a folder by their names, and what is in them."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_text()
