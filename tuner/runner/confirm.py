"""Confirm a winner: the best trials of a study trained again, on new splits and seeds.

The best of many noisy values is better than it will be again: the more trials, the more of its lead
is luck. So the leaders are trained anew, each on the same new splits, and compared by the mean.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.cluster.kept import Connect, kept_ray
from tuner.cluster.session import connect
from tuner.errors import ExperimentError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import check_trained_here
from tuner.experiment.settle import USUAL
from tuner.experiment.trust import Ask, check_trust
from tuner.experiment.words import BEST
from tuner.options import check_whole
from tuner.runner.compared import compared
from tuner.runner.display import Display
from tuner.runner.finished import Finished, Interrupted
from tuner.runner.request import Request
from tuner.runner.resolve import load_asked
from tuner.runner.run import run_study
from tuner.search_space.axes import Constant, Int
from tuner.search_space.points import checked_point
from tuner.search_space.space import SearchSpace
from tuner.store.confirmed import Confirmed, read_confirmed
from tuner.store.copying import put_back
from tuner.store.layout import STUDY_FILE
from tuner.store.loggers import tell_again
from tuner.store.study_json import FUNCTION, StudyFile
from tuner.store.study_tables import StudyTables, read_study
from tuner.store.uris import is_uri

SUFFIX = "confirmed"


def confirm(
    path: str | Path,
    *,
    top: int = 3,
    seeds: int = 5,
    seed: int | None = None,
    experiment: Experiment | None = None,
    trust: bool = False,
    ask: Ask | None = None,
    display: Display | None = None,
    concurrency: int | None = None,
    address: str | None = None,
) -> Confirmed:
    """Train the `top` best trials of a study again, each on `seeds` new splits and seeds.

    They train as many epochs as the best of each had, and are compared by their last. The trainings
    are a study of their own, beside the first, named NAME-confirmed; `seed` is its seed (None: the
    first one's and 1). From then on the best of their means is the study's best trial. Where such a
    study of the same trials was interrupted it goes on. `address` is a running Ray cluster's. Code
    that the study names is run as `refit` does; a study of an Experiment made in memory needs that
    `experiment`. Raises StudyError where fewer than `top` trials have a value.
    """
    check_whole("top", top, 1)
    check_whole("seeds", seeds, 2)
    results = read_study(path)
    _check_leaders(results, top, "top")
    if experiment is None:
        check_trust(results.study.source, results.path, trust=trust, ask=ask)
    return _confirm(
        results,
        _reference(results) if experiment is None else experiment,
        top=top,
        place=str(path).rstrip("/").rpartition("/")[0] if is_uri(str(path)) else None,
        overrides={
            "repeats": seeds,
            "seed": results.study.experiment.seed + 1 if seed is None else seed,
            **({} if concurrency is None else {"concurrency": concurrency}),
        },
        display=display or Display(None),
        address=address,
    )


def run_and_confirm(request: Request, display: Display) -> Finished:
    """Run a study to its end, and confirm its leaders where its experiment asks for that.

    Both use one Ray, and the same trainers with what these have traced. Raises Interrupted on
    Ctrl-C: what the search has found stays, and a resume goes on.
    """
    with kept_ray() as via:
        finished = run_study(request, display, via)
        _confirm_as_asked(finished, request, display, via)
    confirmed = read_confirmed(finished.path)
    if confirmed is None and finished.study.experiment.choose == BEST:
        return finished
    choice = read_study(finished.path).choice
    if choice is None or not choice.why:  # it has found better ones than were confirmed
        return finished
    return replace(finished, choice=choice, confirmed=confirmed)


def _confirm_as_asked(finished: Finished, request: Request, display: Display, via: Connect) -> None:
    """Confirm the leaders of a study that has ended, where its experiment asks for that."""
    ran = finished.study.experiment
    if ran.confirm and finished.study.best() is not None:
        results = read_study(finished.path)
        _check_leaders(results, ran.confirm, "confirm")
        display.line(
            f"the best {ran.confirm} train again, each on {ran.confirm_seeds} new splits and seeds"
        )
        _confirm(
            results,
            request.experiment,
            top=ran.confirm,
            place=request.results if is_uri(request.results) else None,
            overrides={
                "repeats": ran.confirm_seeds,
                "seed": ran.seed + 1,
                "dataset": ran.dataset,
                "engine": ran.engine,
            },
            display=display,
            address=request.address,
            via=via,
        )
        tell_again(
            [ran.log or "", *request.loggers],
            finished.path,
            finished.study.records,
            metric=ran.goals[0].metric,
            cells=finished.study.cells,
            say=display.line,
        )


def _check_leaders(results: StudyTables, top: int, field: str) -> None:
    """Raises StudyError where the best trials of a study cannot be compared, naming the field."""
    goals = len(results.study.experiment.directions)
    if goals > 1:
        raise StudyError(
            f"{results.path} searches for {goals} metrics, and means of one are compared",
            field=field,
            way_out="train points of its front again, by `refit`",
        )
    if "parent" in results.trials:
        raise StudyError(
            f"{results.path} has trained a population, whose best trial is its schedule and not "
            "its parameters alone",
            field=field,
            way_out="train its schedule again, by `refit` with `schedule`",
        )
    valued = int(results.ranked()["ranks"].sum())
    if valued < top:
        raise StudyError(
            f"{top} are more than the {valued} trials of {results.path} that have a value",
            field=field,
            way_out=f"confirm {valued} or fewer" if valued else "run it first",
        )


def _confirm(
    results: StudyTables,
    reference: str | Experiment,
    *,
    top: int,
    place: str | None,
    overrides: dict[str, Any],
    display: Display,
    address: str | None = None,
    via: Connect = connect,
) -> Confirmed:
    """Train the leaders of a study, compare them, and keep that beside its tables.

    `place` is the URI of the results, None where they are in a folder.
    """
    leaders = results.ranked().query("ranks").head(top)
    space = _space(results, load_asked(reference, {}).experiment)
    points = [_point(results, int(trial), space) for trial in leaders["trial"]]
    overrides = {
        **_kept_options(results),
        "mode": "search",
        "space": space,
        "first": points,
        "trials": top,
        "sampler": "random",
        "scheduler": "none",
        "learn_from": None,
        "value": "last",
        "stop": "trials",
        "confirm": 0,
        "confirm_seeds": USUAL["confirm_seeds"],
        "min_gain": None,
        "choose": BEST,
        "simplest": None,
        "keep_models": 0,
        "time_limit": None,  # the search's own
        **overrides,
    }
    path, begun = _path(results, space, points, overrides)
    if not (begun and _is_whole(path, top)):
        request = Request(
            reference,
            results=place or str(path.parent),
            study=path.name,
            resume=begun,
            address=address,
            overrides=overrides,
        )
        try:
            run_study(request, display, via)
        except KeyboardInterrupt as stop:
            kept = stop.kept if isinstance(stop, Interrupted) else 0
            raise Interrupted(kept, results.path, confirming=True) from None
    metric = results.study.experiment.metric
    found = Confirmed(path, metric, compared(leaders, read_study(path)))
    kept_at = results.path if place is None else f"{place}/{results.path.name}"
    with put_back(kept_at, results.path, display.line):
        found.write(results.path)
    return found


def _path(
    results: StudyTables, space: SearchSpace, points: list[dict[str, Any]], asked: dict[str, Any]
) -> tuple[Path, bool]:
    """Where the trainings are, or are to be, and whether they have begun: of these very points."""
    first = [checked_point("a leader", point, space, field="first") for point in points]
    for number in count(1):
        name = f"{results.path.name}-{SUFFIX}" + (f"-{number}" if number > 1 else "")
        path = results.path.with_name(name)
        if not path.exists():
            return path, False
        if (path / STUDY_FILE).is_file():
            kept = StudyFile.read(path)
            same = (kept.experiment.repeats, kept.experiment.seed) == (
                asked["repeats"],
                asked["seed"],
            )
            if same and kept.enqueued == [space.encode(point) for point in first]:
                return path, True
    raise AssertionError("one of all numbers is free")


def _is_whole(path: Path, trials: int) -> bool:
    """Whether all that is to train there has."""
    states = read_study(path).trials["state"]
    return len(states) == trials and bool(states.eq("COMPLETE").all())


def _reference(results: StudyTables) -> str:
    """The experiment of a study, as the command line takes it."""
    source = results.study.source
    check_trained_here(results.study.experiment.engine, "can train them again")
    if source.kind == "object":
        raise ExperimentError(
            f"{results.path} is a study of an Experiment made in memory",
            field="experiment",
            way_out="give it: confirm(path, experiment=...)",
        )
    return source.where if source.kind == "file" else f"{source.where}:{source.attribute}"


def _kept_options(results: StudyTables) -> dict[str, Any]:
    """The options that the study ran with; data that a function made are its file's again."""
    options = results.study.experiment.without_code()
    if options["dataset"] == FUNCTION:
        del options["dataset"]
    return options


def _space(results: StudyTables, declared: Experiment) -> SearchSpace:
    """The space that was searched, with epochs of each leader's own and no default to try."""
    own = SearchSpace(declared.space)
    space = results.study.settled_space(like=own)
    axis = own.get("epochs")
    if isinstance(axis, Int):  # it was the budget
        space = space.replace({"epochs": axis})
    return space.without_defaults()


def _point(results: StudyTables, trial: int, space: SearchSpace) -> dict[str, Any]:
    """A leader's parameters, and the epochs of its best where the space has them."""
    point = results.params(trial)
    axis = space.get("epochs")
    if isinstance(axis, Int):
        best = results.trials.set_index("trial").loc[trial, "best_epoch"]
        best = point["epochs"] if pd.isna(best) or not best else best
        point["epochs"] = min(max(int(best), axis.low), axis.high)
    return {name: value for name, value in point.items() if not isinstance(space[name], Constant)}
