"""The object that a user gets back: its best trial, its figures, and how it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

import tuner
from tests.analysis.studies import saved
from tests.brain import rising
from tuner.errors import ResultsError, StudyError
from tuner.results.plot import KINDS
from tuner.results.results import Results
from tuner.search_space.axes import Categorical, Float, Int

ELSEWHERE = ("folds", "loss", "front", "hypervolume")
"""Figures of other studies than this one."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    space = {"x": Float(0.0, 1.0), "y": Float(0.1, 10.0, log=True), "epochs": Int(1, 9)}
    return saved(tmp_path_factory.mktemp("study") / "s", rising, space=space, trials=20)


def test_the_best_trial_is_one_thing(results: Results) -> None:
    best = results.best
    assert best is not None
    assert best.value == results.trials["value"].max()
    assert best.params == results.best_params == results.params(best.trial)
    row = results.trials.set_index("trial").loc[best.trial]
    assert (best.state, best.epoch) == (row["state"], row["best_epoch"])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ELSEWHERE])
def test_every_kind_of_figure_is_plotlys(results: Results, kind: str) -> None:
    figure = results.plot(kind)
    assert isinstance(figure, go.Figure)
    assert figure.data


def test_an_unknown_figure_is_said_with_those_that_there_are(results: Results) -> None:
    with pytest.raises(ResultsError, match=r"'histry' is not one of history, .*; did you mean 'h"):
        results.plot("histry")


def test_a_contour_may_name_its_axes(results: Results) -> None:
    assert "y" in results.plot("contour", x="x", y="y").layout.yaxis.title.text


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("contour", {"x": "rate", "y": "y"}, "x: the trials have no parameter 'rate'; name one of"),
        ("heatmap", {"x": "x", "y": "rate"}, "y: the trials have no parameter 'rate'; name one of"),
        ("contour", {"z": 1}, "z: 'contour' takes no such option; it takes x, y, path"),
        ("history", {"top": 1}, "top: 'history' takes no such option"),
    ],
)
def test_what_a_figure_does_not_take_is_named(
    results: Results, kind: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResultsError, match=message):
        results.plot(kind, **options)


@pytest.mark.parametrize("error", [None, "the instrument is off"])
def test_every_kind_of_a_study_without_a_best_trial_is_drawn_or_refused(
    tmp_path: Path, error: str | None
) -> None:
    given: dict[str, Any] = {"sampler": "random", "scheduler": "none", "epochs": 2, "trials": 2}
    with tuner.Study({"x": Float(0.0, 1.0)}, metric="loss", results=tmp_path, **given) as study:
        while (trial := study.ask()) is not None:
            if error is None:
                study.report(trial, 1, {"loss": float("nan")})
            study.tell(trial, error=error)
    results = study.results()
    assert results.best is None
    for kind in KINDS:
        try:
            assert isinstance(results.plot(kind), go.Figure)
        except ResultsError as refused:
            assert str(refused)  # noqa: PT017  # a line, whatever it says: which are drawn may change


def test_the_report_lies_in_the_folder_or_where_it_is_told(
    results: Results, tmp_path: Path
) -> None:
    assert results.report(tmp_path / "r.html").stat().st_size > 10_000
    assert results.report() == results.path / "report.html"


def test_it_is_shown_in_a_line(results: Results) -> None:
    best = results.best
    assert best is not None
    assert repr(results).startswith("Results('s', ")
    assert repr(results).endswith(f"best val_accuracy {best.value:.4g} (trial {best.trial}))")
    assert len(repr(results)) < 120


def test_a_notebook_shows_the_answer_the_top_five_and_the_course(results: Results) -> None:
    page = results._repr_html_()
    assert results.best is not None
    assert f"val_accuracy {results.best.value:.4g}" in page
    assert page.count("<tr>") == 1 + 5
    assert page.count(",") > 20
    assert "<polyline" in page


def test_what_a_user_named_is_escaped(tmp_path: Path) -> None:
    space = {"kind": Categorical(["<script>", "&"]), "x": Float(0.0, 1.0), "epochs": 2}
    page = saved(tmp_path / "e", rising, space=space, trials=4)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_without_kept_weights_the_way_out_is_a_refit(results: Results) -> None:
    with pytest.raises(StudyError, match=r"kept no weights of trial \d+: .*; train it: refit\("):
        results.best_model()


def test_where_all_failed_the_first_reason_is_shown(tmp_path: Path) -> None:
    results = saved(tmp_path / "f", rising, trials=2, metric="other", direction="minimize")
    assert "2 FAILED, no best trial; trial 0: metric 'other' was never reported" in repr(results)


def test_an_empty_study_can_be_shown(tmp_path: Path) -> None:
    results = saved(tmp_path / "n", rising, trials=1, time_limit=0.0)
    assert "no best trial" in repr(results)
    assert "no trial has a value" in results._repr_html_()
