"""A study that learns from earlier ones: what it takes, keeps and refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.brain import experiment, half_diverging, simulate
from tuner.data.datasets import load
from tuner.errors import ExperimentError, ResultsError
from tuner.experiment.loading import Loaded, Source
from tuner.results.own_loop import Study
from tuner.samplers.registry import SAMPLERS
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.layout import LEARNED_FILE
from tuner.store.learned import sources_of
from tuner.store.study_json import describe

SPACE: dict[str, Any] = {"x": Float(0.0, 1.0), "kind": Categorical(["a", "b"])}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 20 trials over x from 0 to 1, of which those above 0.5 diverge."""
    folder = tmp_path_factory.mktemp("results") / "earlier"
    folder.mkdir()
    settled = experiment(name="earlier", trials=20, seed=3, dataset=None)
    loaded = Loaded(settled, Source("object", __name__))
    describe(loaded, settled, None, name="earlier").write(folder)
    simulate(settled, half_diverging, workers=2, folder=folder)
    return folder


def asked(results: Path, trials: int, **fields: Any) -> list[dict[str, Any]]:
    """The points of a study's first trials; a loop trains them."""
    given: dict[str, Any] = {"metric": "val_accuracy", "epochs": 9, "trials": 6, **fields}
    points: list[dict[str, Any]] = []
    with Study(SPACE, results=results, study="new", **given) as study:
        while len(points) < trials and (trial := study.ask()) is not None:
            points.append(dict(trial.params))
            study.report(trial, 1, {"val_accuracy": 1 - abs(trial["x"] - 0.3)})
            study.tell(trial)
    return points


def test_its_first_trials_lie_where_the_earlier_ones_were_good(
    earlier: Path, tmp_path: Path
) -> None:
    points = asked(tmp_path, 6, learn_from=[earlier], scheduler="none", seed=1)
    assert sum(0.1 < point["x"] < 0.5 for point in points) >= 4


def test_a_resume_is_told_the_same_when_the_earlier_study_is_gone(
    earlier: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(earlier, copy)
    whole = asked(tmp_path / "whole", 6, learn_from=[copy], seed=1)
    begun = asked(tmp_path / "cut", 3, learn_from=[copy], seed=1)
    shutil.rmtree(copy)
    assert (tmp_path / "cut" / "new" / LEARNED_FILE).is_file()
    rest = asked(tmp_path / "cut", 3, learn_from=[copy], seed=1, resume=True)
    assert begun + rest == whole
    (tmp_path / "cut" / "new" / LEARNED_FILE).unlink()
    with pytest.raises(ResultsError, match=r"learned\.json is missing"):
        asked(tmp_path / "cut", 1, learn_from=[copy], seed=1, resume=True)


def test_what_is_used_of_a_source_is_said(earlier: Path) -> None:
    said: list[str] = []
    space = {"x": Float(0.0, 0.4), "units": Int(1, 9), "epochs": Int(1, 9)}
    given = {"sampler": "rung_gp", "scheduler": "rung_gp", "learn_from": [str(earlier)]}
    kept = sources_of(experiment(space=space, **given), said.append)
    text = " ".join(said)
    assert "not searched there: units" in text
    assert "trials lie outside of this study's axes" in text
    [source] = kept.sources
    assert source.axes == ["x"]
    assert all(0 <= float(str(curve.params["x"])) <= 0.4 for curve in source.curves)
    assert all(loss < 0 for curve in source.curves for loss in curve.losses.values())


def test_a_folder_of_studies_is_all_of_them(earlier: Path) -> None:
    given = {"sampler": "rung_gp", "scheduler": "rung_gp", "learn_from": earlier.parent}
    [source] = sources_of(experiment(**given)).sources
    assert source.path == str(earlier)


def test_data_that_differ_are_said(earlier: Path) -> None:
    given = {"sampler": "rung_gp", "scheduler": "rung_gp", "learn_from": [str(earlier)]}
    kept = sources_of(experiment(**given))
    assert list(kept.said_of_data(None)) == []
    [line] = kept.said_of_data(load("digits"))
    assert "no data that it names, this study's are digits" in line


@pytest.mark.parametrize(
    "sampler", [name for name in SAMPLERS.ours if name not in ("rung_gp", "gp")]
)
def test_a_sampler_that_cannot_learn_is_refused_by_name(
    sampler: str, earlier: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExperimentError, match=f"{sampler}' learns from no other study") as caught:
        asked(tmp_path, 1, learn_from=[earlier], sampler=sampler)
    assert caught.value.field == "learn_from"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "loss"}, "maximizes val_accuracy, and this study minimizes loss"),
        ({"repeats": 2}, "judged by its folds"),
        ({"learn_from": 7}, "7 is not a list of studies"),
    ],
)
def test_what_does_not_fit_is_refused(
    fields: dict[str, Any], said: str, earlier: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExperimentError, match=said):
        asked(tmp_path, 1, **{"learn_from": [earlier], **fields})
    assert not list(tmp_path.iterdir())


def test_a_study_of_other_axes_is_refused(earlier: Path) -> None:
    given = {"sampler": "rung_gp", "scheduler": "rung_gp", "learn_from": [str(earlier)]}
    with pytest.raises(ExperimentError, match="searched x, and this study searches units"):
        sources_of(experiment(space={"units": Int(1, 9)}, **given))


def test_what_is_not_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="is not a study folder"):
        asked(tmp_path / "results", 1, learn_from=[tmp_path])


def test_infeasible_trials_of_a_source_are_to_be_avoided_where_there_are_constraints(
    tmp_path: Path,
) -> None:
    bounded: dict[str, Any] = {"constraints": lambda metrics: [metrics["val_accuracy"] - 0.9]}
    settled = experiment(name="bounded", trials=20, scheduler="none", dataset=None, **bounded)
    describe(Loaded(settled, Source("object", __name__)), settled, None, name="b").write(tmp_path)
    study = simulate(settled, folder=tmp_path)
    infeasible = {record.trial for record in study.records if not record.feasible}
    assert 0 < len(infeasible) < 20

    def told(**fields: Any) -> set[int]:
        given = {"sampler": "rung_gp", "scheduler": "rung_gp", "learn_from": [str(tmp_path)]}
        kept = sources_of(experiment(**{**given, **fields})).sources[0]
        return {curve.trial for curve in kept.curves if curve.diverged}

    assert told(**bounded) == infeasible
    assert told() == set()
