"""Every figure says what its table says, and can be drawn, in a page and as a PNG."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

import analysis
from analysis import plots, plots_training
from analysis.loading import Tables
from analysis.png import save_pngs, write_pngs
from tests.analysis.studies import saved
from tests.brain import rising
from tuner.engines.simulated import Step
from tuner.errors import ResultsError
from tuner.search_space.axes import Categorical, Float, Int
from tuner.trial.cells import Cell

SPACE = {
    "x": Float(0.0, 1.0),
    "rate": Float(1e-4, 1.0, log=True),
    "kind": Categorical(["<b>", "plain"]),
    "epochs": 9,
}


def with_losses(cell: Cell) -> list[Step]:
    steps = rising(cell)
    return [Step(s.epoch, {**s.metrics, "val_loss": 1 / s.epoch, "accuracy": 0.5}) for s in steps]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with stopping ASHA, a grid and a cross-validation."""
    root = tmp_path_factory.mktemp("studies")
    saved(root / "search", with_losses, space=SPACE, scheduler="asha_stopping", trials=40, seed=1)
    grid = {"x": Float(0, 1, grid=[0.1, 0.2, 0.3]), "k": Int(1, 2, grid=[1, 2]), "epochs": 3}
    saved(root / "grid", with_losses, space=grid, mode="grid")
    promoted: dict[str, Any] = {"space": SPACE, "scheduler": "asha", "sampler": "random"}
    saved(root / "promotion", with_losses, **promoted, trials=12, seed=1)
    saved(root / "cv", with_losses, space=grid, mode="cv", folds=3, dataset="digits")
    return root


@pytest.fixture
def search(studies: Path) -> Tables:
    return analysis.load(studies / "search")


def traces(figure: go.Figure) -> dict[str, go.Figure]:
    return {trace.name: trace for trace in figure.data}


def test_history_has_every_value_and_the_best_so_far(search: Tables) -> None:
    drawn = traces(plots.history(search))
    points = sum(len(drawn[state].x) for state in drawn if state != "best so far")
    assert points == search.trials["value"].notna().sum()
    best = analysis.overview(search)["best"].iloc[0]
    assert drawn["best so far"].y[-1] == best
    assert list(drawn["best so far"].y) == sorted(drawn["best so far"].y)


def test_curves_are_coloured_by_state_and_the_rungs_are_drawn(search: Tables) -> None:
    figure = plots.learning_curves(search)
    drawn = traces(figure)
    assert set(drawn) == set(search.trials["state"])
    assert [shape.x0 for shape in figure.layout.shapes] == [1, 3]
    points = sum(y is not None for trace in drawn.values() for y in trace.y)
    assert points == len(search.reports)


def test_rung_survival_adds_up(search: Tables) -> None:
    drawn = traces(plots.rung_survival(search))
    epochs = search.trials["epochs"]
    assert list(drawn["reached it"].y) == [(epochs >= 1).sum(), (epochs >= 3).sum()]
    assert list(drawn["went on"].y) == [(epochs > 1).sum(), (epochs > 3).sum()]


def test_what_a_user_named_is_escaped(search: Tables) -> None:
    figure = plots.slices(search)
    kinds = {value for trace in figure.data for value in trace.x if isinstance(value, str)}
    assert kinds == {"&lt;b&gt;", "plain"}
    labels = plots.parallel(search).data[0].dimensions[2]
    assert set(labels.ticktext) == {"&lt;b&gt;", "plain"}


def test_the_contours_path_goes_down_to_the_best(search: Tables) -> None:
    figure = plots.contour(search, "x", "rate")
    path = traces(figure)["best so far"]
    best = search.trials.loc[search.trials["value"].idxmax()]
    assert path.x[-1] == best["param_x"]
    assert path.y[-1] == pytest.approx(np.log10(best["param_rate"]))
    with pytest.raises(ResultsError, match="no contour over 'x' and 'x'"):
        plots.contour(search, "x", "x")


def test_a_heatmap_is_the_pivot(studies: Path) -> None:
    tables = analysis.load(studies / "grid")
    drawn = plots.heatmap(tables, "x", "k").data[0]
    assert drawn.z == pytest.approx(analysis.pivot(tables, "k", "x").to_numpy())
    assert list(drawn.x) == ["0.1", "0.2", "0.3"]


def test_folds_are_boxed_by_configuration_the_best_first(studies: Path) -> None:
    tables = analysis.load(studies / "cv")
    boxes = plots_training.folds(tables).data
    assert len(boxes) == 6
    medians = [np.median(box.y) for box in boxes]
    assert medians == sorted(medians, reverse=True)
    assert all(len(box.y) == 3 for box in boxes)


@pytest.mark.parametrize("name", ["search", "promotion", "grid", "cv"])
def test_the_timeline_has_a_slot_a_worker_and_no_two_bars_overlap(studies: Path, name: str) -> None:
    search = analysis.load(studies / name)
    slots: dict[str, list[tuple[float, float]]] = {}
    for trace in plots_training.timeline(search).data:
        for base, length, slot in zip(trace.base, trace.x, trace.y, strict=True):
            slots.setdefault(slot, []).append((base, base + length))
    assert len(slots) == 3  # as many as there were workers
    reports = search.reports.sort_values("epoch").groupby(["trial", "fold"])
    cells, ends = reports.ngroups, reports["decision"].last()
    paused = (search.reports["decision"] == "PAUSE").sum() - (ends == "PAUSE").sum()
    assert (name == "promotion") == (paused > 0)
    assert sum(len(bars) for bars in slots.values()) == cells + paused  # a bar from pause to pause
    trained = sum(end - begin for bars in slots.values() for begin, end in bars)
    assert trained == pytest.approx(len(search.reports))  # an epoch takes a virtual second
    for bars in slots.values():
        bars.sort()
        assert all(a[1] <= b[0] + 1e-3 for a, b in pairwise(bars))


def test_training_and_validation_on_a_square_root_scale(search: Tables) -> None:
    trial = int(search.trials["epochs"].idxmax())
    figure = plots_training.train_and_validation(search, trial, square_root=True)
    assert figure.data[0].x == pytest.approx(np.sqrt(np.arange(1, 10)))
    assert list(figure.layout.xaxis.ticktext) == [1, 4, 9]
    with pytest.raises(ResultsError, match="trial 99 has no reports"):
        plots_training.train_and_validation(search, 99)


def test_images_have_their_labels() -> None:
    figure = plots_training.images(np.zeros((12, 8, 8)), np.arange(12))
    assert len(figure.data) == 12
    assert [note.text for note in figure.layout.annotations] == [str(i) for i in range(12)]
    with pytest.raises(ResultsError, match=r"samples of shape \(4,\) are not images"):
        plots_training.images(np.zeros((5, 4)), np.zeros(5))


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(find_spec("kaleido") is None, reason="kaleido is not installed")
@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
def test_every_figure_of_every_mode_becomes_a_png(studies: Path, tmp_path: Path) -> None:
    write_pngs([studies], tmp_path)
    written = list(tmp_path.glob("*.png"))
    every = [analysis.load(study) for study in studies.iterdir()]
    expected = sum(len(plots_training.suited(tables)) for tables in every)
    assert len(written) == expected
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    images = plots_training.images(np.ones((4, 8, 8)), np.arange(4))
    save_pngs({tmp_path / "images.png": images})
    assert (tmp_path / "images.png").stat().st_size > 1000


def test_png_files_without_kaleido_are_refused(
    studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.png.find_spec", lambda name: None)
    with pytest.raises(ResultsError, match="PNG files need kaleido"):
        write_pngs([studies], tmp_path)


def test_choices_of_none_and_numbers_that_never_meet_are_drawn(tmp_path: Path) -> None:
    space = {
        "kind": Categorical([None, "b"]),
        "x": Float(0, 1, when={"kind": [None]}),
        "y": Float(0, 1, when={"kind": "b"}),
        "epochs": 3,
    }

    def flat(cell: Cell) -> list[Step]:
        return [Step(epoch, {"val_accuracy": 0.5 + cell.trial / 100}) for epoch in (1, 2, 3)]

    saved(tmp_path / "s", flat, space=space, sampler="random", scheduler="none", trials=12)
    tables = analysis.load(tmp_path / "s")
    kinds = plots.slices(tables).data[0].x
    assert sorted({*kinds}) == ["None", "b"]
    assert len(kinds) == 12
    with pytest.raises(ResultsError, match="no contour over 'x' and 'y': no trial has a value and"):
        plots.contour(tables, "x", "y")
    titles = [figure.layout.title.text for figure in plots_training.suited(tables)]
    assert "Parallel coordinates" in titles
