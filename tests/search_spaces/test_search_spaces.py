from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from search_spaces.batch_epochs import epochs
from search_spaces.beale import beale
from tests.cells import run
from tuner.engines.shipping import needs_keras
from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.loading import known, load
from tuner.experiment.settle import last_epoch, scheduler_of, settle
from tuner.search_space.grid import Grid, grid_points
from tuner.search_space.space import SearchSpace
from tuner.study.seeds import cell_seed
from tuner.study.shared_training import leaders
from tuner.trial.cells import Ending

GRIDS = {
    "lr_momentum": 3 * 3 * 2 * 2 * 2 * 2 * 8,
    "initializers": 8,
    "epochs_lr": 3 * 5 * 4,
    "lr_schedules": 2 * (1 + 2 + 2 + 2 + 2 * 2),
    "optimizers": 3 * (2 * 2 + 2 + 2),
    "losses": 3 * 3,
    "batch_epochs": 2 * 5 * 3,
    "random_restarts": 20 * 2,
    "beale": 7 * 10,
    "beale_lbfgsb": 5 * 5,
}
NETWORKS = [name for name in GRIDS if not name.startswith("beale")]

# Keras' own LearningRateScheduler reads its variable in a way that NumPy deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def experiment(name: str) -> Experiment:
    return load(name).experiment


def points(name: str) -> Grid:
    return grid_points(SearchSpace(experiment(name).space))


def trained(name: str, **params: Any) -> list[dict[str, float]]:
    """The reports of the first grid point of the choices in `params`, the rest of it changed."""
    tried = experiment(name)
    chosen = {k: v for k, v in params.items() if isinstance(v, str)}.items()
    point = next(point for point in points(name) if chosen <= point.items()) | params
    outcome, reports = run(
        tried.objective, point, metric=tried.goals[0].metric, epochs=last_epoch(tried, point)
    )
    assert outcome.error is None
    return reports.metrics


def test_every_experiment_is_listed_with_the_question_it_answers() -> None:
    listed = known()
    assert listed.keys() == GRIDS.keys()
    assert all(what.endswith(("?", "weights.")) for what in listed.values())


@pytest.mark.parametrize("name", GRIDS)
def test_an_experiment_has_the_name_of_its_file_and_the_grid_stated(name: str) -> None:
    assert experiment(name).name == name
    grid = points(name)
    assert len(grid) == GRIDS[name]
    assert len({tuple(point.items()) for point in grid}) == len(grid)


@pytest.mark.parametrize("name", GRIDS)
def test_an_experiment_settles_for_its_modes(name: str) -> None:
    tried = experiment(name)
    for mode in ("search", "grid", "cv"):
        if mode == "cv" and tried.dataset is None:
            with pytest.raises(ExperimentError, match="has no dataset to split into folds"):
                settle(tried, {"mode": mode})
            continue
        settled = settle(tried, {"mode": mode})
        assert settled.mode == mode
        scheduler_of(settled)


def test_hyperband_asks_how_long_trials_of_different_lengths_may_get() -> None:
    hyperband = {"mode": "search", "scheduler": "hyperband"}
    with pytest.raises(ExperimentError, match="give `epochs`"):
        scheduler_of(settle(experiment("batch_epochs"), hyperband))
    scheduler_of(settle(experiment("batch_epochs"), {**hyperband, "epochs": 64}))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_declared_so_that_any_engine_can_train_it(name: str) -> None:
    tried = experiment(name)
    assert isinstance(tried.objective, KerasModel)
    assert tried.dataset == "digits"
    assert all(last_epoch(tried, point) for point in points(name))


def test_initializers_are_cross_validated_as_in_the_lab() -> None:
    settled = settle(experiment("initializers"), {})
    assert (settled.mode, settled.folds, settled.sampler) == ("cv", 3, "grid")


def test_zeros_learn_nothing_but_how_frequent_the_classes_are() -> None:
    good = trained("initializers", initializer="glorot_uniform", epochs=5)
    zeros = trained("initializers", initializer="zeros", epochs=5)
    assert zeros[-1]["val_accuracy"] < 0.15 < good[-1]["val_accuracy"]


def test_epochs_lr_needs_a_quarter_of_its_trainings() -> None:
    grid = points("epochs_lr")
    following = leaders(settle(experiment("epochs_lr"), {}), grid)
    trained = [point for number, point in enumerate(grid) if number not in following]
    assert [point["epochs"] for point in trained] == [40] * 15
    assert sum(grid[number]["epochs"] for number in following) == 15 * 35


def test_epochs_lr_reads_epochs_nowhere() -> None:
    tried = experiment("epochs_lr")
    outcome, _ = run(tried.objective, points("epochs_lr")[0], epochs=1)
    assert not outcome.read_epochs


EPOCH = 10
"""Updates in an epoch of the tests: 300 samples in batches of 32."""


@pytest.mark.parametrize(
    ("params", "rates"),
    [
        ({"schedule": "constant"}, [0.1, 0.1, 0.1]),
        (
            {"schedule": "inverse_time", "decay": 0.001},
            [0.1 / (1 + 0.001 * EPOCH * epoch) for epoch in (1, 2, 3)],
        ),
        (
            {"schedule": "exponential", "k": 0.1},
            [0.1 * math.exp(-0.1 * epoch) for epoch in (0, 1, 2)],
        ),
        ({"schedule": "step", "every": 2, "drop": 0.5}, [0.1, 0.05, 0.05]),
        (
            {"schedule": "warm_restarts", "cycle": 2, "growth": 1.0},
            [0.05, 0.1, 0.05],
        ),
    ],
    ids=lambda given: given["schedule"] if isinstance(given, dict) else "",
)
def test_a_schedule_sets_the_rates_of_its_formula(
    params: dict[str, Any], rates: list[float]
) -> None:
    reports = trained("lr_schedules", learning_rate=0.1, epochs=3, **params)
    assert [report["learning_rate"] for report in reports] == pytest.approx(rates, rel=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_an_optimizer_trains_with_its_own_parameters(optimizer: str) -> None:
    reports = trained("optimizers", optimizer=optimizer, learning_rate=0.01, epochs=3)
    assert reports[-1]["loss"] < reports[0]["loss"]
    own = {"sgd": {"momentum", "nesterov"}, "rmsprop": {"rho"}, "adam": {"beta_1", "beta_2"}}
    shared = {"optimizer", "learning_rate", "batch_size", "epochs"}
    for point in points("optimizers"):
        assert point.keys() == shared | own[point["optimizer"]]


@pytest.mark.parametrize(
    "loss", ["categorical_crossentropy", "mean_squared_error", "binary_crossentropy"]
)
def test_a_loss_is_judged_by_categorical_accuracy(loss: str) -> None:
    (report,) = trained("losses", loss=loss, epochs=1)
    # Of 100 one-hot rows, all ten numbers a row: binary accuracy could not be below 0.8.
    assert report["val_categorical_accuracy"] < 0.8


def test_batches_see_as_many_samples_or_make_as_many_updates() -> None:
    def spent(fixed: str, batch: int) -> int:
        return epochs({"fixed": fixed, "batch_size": batch, "epochs_at_32": 8})

    sizes = [16, 32, 64, 128, 256]
    assert [spent("samples", size) for size in sizes] == [8, 8, 8, 8, 8]
    assert [spent("updates", size) for size in sizes] == [4, 8, 16, 32, 64]
    reports = trained("batch_epochs", fixed="updates", batch_size=64, epochs_at_32=1)
    assert len(reports) == 2


def test_every_restart_starts_elsewhere() -> None:
    grid = points("random_restarts")
    assert len({cell_seed(0, point, 0, 0) for point in grid}) == len(grid)
    waves = trained("random_restarts", schedule="warm_restarts", cycle=2, epochs=2)
    assert [report["learning_rate"] for report in waves] == pytest.approx([0.05, 0.1], rel=1e-4)


def test_beale_has_its_minimum_at_three_and_a_half() -> None:
    assert beale(3.0, 0.5) == 0.0
    assert beale(0.0, 0.0) == 1.5**2 + 2.25**2 + 2.625**2
    outcome, _ = run(experiment("beale").objective, {"x": 3.0, "y": 0.0}, metric="f")
    assert outcome.returned == {"f": beale(3.0, 0.0)}
    assert {"x": 3.0, "y": 0.5} in points("beale")


def test_lbfgsb_reaches_the_minimum_from_four_four() -> None:
    tried = experiment("beale_lbfgsb")
    outcome, reports = run(tried.objective, {"x0": 4.0, "y0": 4.0}, metric=tried.goals[0].metric)
    assert outcome.ending is Ending.FINISHED
    assert reports.metrics[0] == {"x": 4.0, "y": 4.0, "f": beale(4.0, 4.0)}
    assert len(reports.epochs) <= 80
    best = min(reports.metrics, key=lambda report: report["f"])
    assert best["f"] < 1e-9
    assert (best["x"], best["y"]) == pytest.approx((3.0, 0.5), abs=1e-4)


@pytest.mark.parametrize("name", GRIDS)
def test_workers_import_keras_ahead_only_where_it_trains(name: str) -> None:
    assert needs_keras(experiment(name).objective) == (name in NETWORKS)


def test_no_file_of_an_experiment_is_long() -> None:
    folder = Path(__file__).parents[2] / "search_spaces"
    assert all(len(path.read_text().splitlines()) <= 100 for path in folder.glob("*.py"))
