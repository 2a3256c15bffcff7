"""An experiment: what is searched, with what, and how. The only configuration there is.

An `Experiment` is declared in a file (`EXPERIMENT = Experiment(...)`); the command line and
`tuner.run` override its fields; `settle` gives the one that a study runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.experiment.checks import (
    MODES,
    check_checkpoints,
    check_names,
    first_points,
    make_plain,
)
from tuner.experiment.direction import AUTO
from tuner.experiment.earlier import earlier_studies
from tuner.experiment.goals import Constraints, Goal, check_constraints, goals_of
from tuner.experiment.keras_model import KerasModel
from tuner.experiment.population import explored_axes
from tuner.experiment.words import BEST, CONVERGED, HOW, ONE_SE, RESOURCES, RESULTS, TRIALS, WHAT
from tuner.options import check_options, option
from tuner.registry import ENGINES
from tuner.samplers.registry import GRID, SAMPLERS
from tuner.schedulers.contract import Scheduler
from tuner.schedulers.registry import SCHEDULERS
from tuner.search_space.space import SearchSpace

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from tuner.data.datasets import Dataset
    from tuner.engines.contract import Engine

__all__ = ["Experiment", "KerasModel", "Objective"]

Objective = KerasModel | Callable[..., Any]


@dataclass(frozen=True)
class Experiment:
    """A search to run. Raises ExperimentError or SearchSpaceError naming field, value and rule.

    `objective` is `train(trial)` or a `KerasModel`. `metric` is the reported name that is searched
    in its `direction`: "minimize", "maximize", or "auto", as its name says. `mode` is "search",
    "grid" or "cv". `dataset` is a name, the path of an .npz, a function that returns a `Dataset`,
    or None. `epochs` sets the high end of the axis `epochs`. `engine` "auto" takes "fused" where it
    can and gains, else "ray_tune". `sampler`, `scheduler` and `engine` are a name, an object, or
    `package.module:factory`. Times are in seconds; `trials` counts points, not attempts.
    `trial_timeout` is that of a cell. `memory_per_trial`, in MB, is what Ray sets aside for a
    worker; one that held more is replaced after its trial. `checkpoint_every` so many epochs a
    declared training is kept on disk: one whose worker or driver dies goes on from there. A
    search's first trials try the points `first`, your own defaults say; what a point leaves out is
    the sampler's. Several metrics, each with its direction, are searched at once; the first of them
    is the trial's value. `constraints` gives, of a report's metrics, numbers above 0 where the
    trial is infeasible. The trials of the studies that `learn_from` names count as values, as far
    as the new study's own agree. At the end `confirm` so many of the best are trained again; the
    best of their means is the study's best.
    """

    name: str
    space: Mapping[str, Any]
    objective: Objective
    metric: str | Sequence[str] = option(
        "val_accuracy", "the reported metric that is searched; several: A,B", group=WHAT
    )
    direction: str | Sequence[str] = option(
        AUTO,
        "minimize or maximize; auto: as the metric's name says; several: one for each",
        group=WHAT,
    )
    mode: str = option(
        "search",
        "search, grid (every point) or cv (every point on every fold)",
        among=MODES,
        group=WHAT,
    )
    trials: int = option(24, "search: how many points to try", least=1, on_resume=True, group=WHAT)
    epochs: int | None = option(None, "most epochs a trial may train", least=1, group=WHAT)
    sample_epochs: bool = option(False, "search the axis epochs under a scheduler too", group=WHAT)
    dataset: str | Callable[[], Dataset] | None = option(
        "digits", "digits, mnist, fashion_mnist, or PATH.npz in Keras' layout", group=WHAT
    )
    validation: str = option(
        "split", "split (20% of the training data) or test", among=("split", "test"), group=WHAT
    )
    folds: int = option(3, "cv: how many folds", least=2, group=WHAT)
    repeats: int = option(
        1, "how many times each trial is trained, on new splits and seeds", least=1, group=WHAT
    )
    shuffle: bool = option(False, "cv: shuffle before splitting", group=WHAT)
    stop: str = option(
        TRIALS,
        "when a search ends: after its trials, or before, once converged: 20 more would gain next "
        "to nothing",
        among=(TRIALS, CONVERGED),
        on_resume=True,
        group=HOW,
    )
    min_gain: float | None = option(
        None,
        "converged: what 20 more trials must promise, in the metric's units (else 1.25% of the "
        "way from a middling trial to the best, for 20 whole trainings)",
        least=0,
        on_resume=True,
        group=HOW,
    )
    sampler: str | BaseSampler = option(
        "rung_gp",
        f"who proposes: {', '.join(SAMPLERS.ours)}, or module:FACTORY",
        among=lambda: (*SAMPLERS.names(), GRID),
        objects=True,
        group=HOW,
    )
    multivariate: bool = option(False, "tpe: model axes together", group=HOW)
    scheduler: str | Scheduler = option(
        "rung_gp",
        f"who stops: {', '.join(SCHEDULERS.ours)}, or module:FACTORY",
        among=SCHEDULERS.names,
        objects=True,
        group=HOW,
    )
    learn_from: str | Sequence[str] | None = option(
        None,
        "rung_gp: earlier studies to learn from, or a folder of studies; several: A,B; '' for none",
        group=HOW,
    )
    eta: int = option(3, "asha, hyperband: one in eta goes on at a rung", least=2, group=HOW)
    min_epochs: int = option(1, "epoch before which no trial is stopped", least=1, group=HOW)
    members: int | None = option(
        None, "pbt: trials of the population; else as many as trials", least=2, group=HOW
    )
    interval: int = option(3, "pbt: epochs after which weights are copied", least=1, group=HOW)
    explore: str | Sequence[str] | None = option(
        None, "pbt: the axes that change as it trains: A,B; else all", group=HOW
    )
    fold_racing: str = option(
        "none",
        "cv: drop configurations at a fold: none, forgiving or aggressive",
        among=("none", "forgiving", "aggressive"),
        group=HOW,
    )
    value: str | None = option(
        None,
        "a trial's value: its last or its best epoch's (a search takes the best, grid and cv the "
        "last)",
        among=("last", "best"),
        group=HOW,
    )
    choose: str = option(
        BEST,
        "who is the best: best (of the values), or one_se (cv, repeats: the simplest within one "
        "standard error of it)",
        among=(BEST, ONE_SE),
        on_resume=True,
        group=HOW,
    )
    simplest: str | None = option(
        None,
        "one_se: the parameter or metric of which less is simpler (-NAME: more); else parameters "
        "of the model where reported, else epochs trained",
        on_resume=True,
        group=HOW,
    )
    confirm: int = option(
        0,
        "train so many of the best again at the end, and choose by their means",
        least=0,
        on_resume=True,
        group=HOW,
    )
    confirm_seeds: int = option(
        5, "confirm: trainings of each, on new splits and seeds", least=2, on_resume=True, group=HOW
    )
    seed: int = option(0, "seed of everything", least=0, group=HOW)
    deterministic: bool = option(False, "the same study at any concurrency", group=HOW)
    window: int = option(8, "trials asked together when deterministic", least=1, group=HOW)
    engine: str | Engine = option(
        "auto",
        f"who carries: {', '.join(ENGINES.ours)}, auto (fused where it can and gains), or "
        "module:FACTORY",
        among=lambda: ("auto", *ENGINES.names()),
        objects=True,
        group=RESOURCES,
    )
    fit: str = option(
        "auto",
        "who runs model.fit: auto (programs that trials of equal graphs share) or plain (Keras)",
        among=("auto", "plain"),
        group=RESOURCES,
    )
    exact: bool = option(
        False,
        "share a program between equal graphs alone, not where a number differs",
        group=RESOURCES,
    )
    isolate: bool = option(
        False,
        "a fresh process for each trial; none shares a compiled program with another",
        on_resume=True,
        group=RESOURCES,
    )
    lanes: int | None = option(
        None, "fused: trainings at a time in a worker", least=1, group=RESOURCES
    )
    concurrency: int | None = option(
        None,
        "trials (fused: workers) at a time; else all that fit, or a fair share of a cluster",
        least=1,
        on_resume=True,
        group=RESOURCES,
        also="max_slots",
    )
    min_slots: int = option(
        1,
        "on a cluster that others share: wait rather than run with fewer slots",
        least=1,
        on_resume=True,
        group=RESOURCES,
    )
    weight: float = option(
        1.0,
        "how much of a shared cluster, beside the others' weights",
        least=0.01,
        on_resume=True,
        group=RESOURCES,
        also="priority",
    )
    cpus_per_trial: float = option(1.0, "CPUs a trial", least=0, on_resume=True, group=RESOURCES)
    gpus_per_trial: float = option(
        0.0, "GPUs a trial, fractions allowed", least=0, on_resume=True, group=RESOURCES
    )
    memory_per_trial: float | None = option(
        None,
        "MB a trial's worker may hold; one above it is replaced",
        least=1,
        on_resume=True,
        group=RESOURCES,
    )
    time_limit: float | None = option(
        None,
        "seconds after which the run ends; a resume goes on from there",
        least=0,
        on_resume=True,
        group=RESOURCES,
    )
    trial_timeout: float | None = option(
        None, "seconds until a cell ends as FAILED", least=0, on_resume=True, group=RESOURCES
    )
    retries: int = option(
        1, "new attempts for a trial that raises", least=0, on_resume=True, group=RESOURCES
    )
    checkpoint_every: int | None = option(
        None,
        "epochs between a trial's checkpoints, from which it goes on",
        least=1,
        on_resume=True,
        group=RESULTS,
    )
    keep_models: int = option(
        1, "so many of the best trials keep their weights", least=0, on_resume=True, group=RESULTS
    )
    tensorboard: bool = option(
        False, "write event files too, which TensorBoard reads", on_resume=True, group=RESULTS
    )
    log: str | None = option(
        None,
        "who else is told: mlflow, wandb or tensorboard",
        among=("mlflow", "wandb", "tensorboard"),
        on_resume=True,
        group=RESULTS,
    )
    description: str = option("", "a line on what is asked", on_resume=True, flag=False)
    first: Sequence[Mapping[str, Any]] = ()
    constraints: Constraints | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", SearchSpace(self.space))
        make_plain(self)
        check_names(self)
        check_options(self)
        goals = self.goals  # refuses names that say neither direction
        for name in ("metric", "direction"):
            if len(goals) == 1 and not isinstance(getattr(self, name), str):
                object.__setattr__(self, name, getattr(self, name)[0])
        check_constraints(self.constraints, [goal.metric for goal in goals])
        check_checkpoints(self)
        object.__setattr__(self, "first", first_points(self))
        object.__setattr__(self, "learn_from", earlier_studies(self.learn_from))
        object.__setattr__(self, "explore", explored_axes(self.explore))

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What is searched: the metrics with their directions, the first one first."""
        return goals_of(self.metric, self.direction)
