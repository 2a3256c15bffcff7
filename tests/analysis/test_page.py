"""The page in a real browser: each question that a person brings, read as a person would."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.report import write_report
from tests.analysis.browser import NARROW, Window, chromium, needs_chromium
from tests.analysis.studies import saved, timed
from tuner.engines.simulated import Step
from tuner.results.results import load
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.confirmed import Again, Confirmed
from tuner.trial.cells import Cell

pytestmark = needs_chromium
__all__ = ["chromium"]

REASON = "metric 'val_accuracy' was nan at epoch 1"


def learned(cell: Cell) -> Iterator[Step]:
    """Best near a rate of 0.1; above 0.5 it diverges."""
    params, chance = cell.params, random.Random(cell.seed)
    top = 0.95 - 0.1 * (math.log10(params["rate"]) + 1) ** 2 + 0.002 * cell.fold
    for epoch in range(1, 10):
        value = top * (1 - 0.6**epoch) + chance.gauss(0, 0.004)
        lost = epoch == 1 and params["rate"] > 0.5
        yield Step(epoch, {"val_accuracy": math.nan if lost else value, "loss": 1 - value})


SPACE: dict[str, Any] = {
    "rate": Float(1e-4, 1, log=True, grid=[1e-3, 1e-2, 1e-1]),
    "batch": Int(16, 128, log=True, grid=[16, 64]),
    "start": Categorical(["zeros", "glorot"]),
    "epochs": 9,
}
STUDIES: dict[str, dict[str, Any]] = {
    "search": {"scheduler": "asha_stopping", "trials": 40, "sampler": "random"},
    "grid": {"mode": "grid"},
    "cv": {"mode": "cv", "folds": 4, "dataset": "digits"},
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    for name, fields in STUDIES.items():
        saved(root / name, learned, space=SPACE, seed=5, **fields)
    timed(root / "search")
    return {name: write_report([root / name]) for name in STUDIES}


@pytest.fixture
def window(chromium: Any) -> Iterator[Any]:
    opened: list[Window] = []

    def open_page(path: Path, **options: Any) -> Window:
        opened.append(Window(chromium, path.as_uri(), **options))
        return opened[-1]

    yield open_page
    for one in opened:
        assert one.said == []
        one.close()


def trials_of(pages: dict[str, Path], name: str) -> pd.DataFrame:
    return pd.read_parquet(pages[name].parent / "trials.parquet").set_index("trial")


def test_what_won_and_by_how_much(pages: dict[str, Path], window: Any) -> None:
    trials = trials_of(pages, "search")
    values = trials["value"].sort_values(ascending=False)
    text = window(pages["search"]).text("#answer0")
    assert f"★ trial {values.index[0]}" in text
    assert f"{values.iloc[0]:.4g}" in text
    assert f"better than the next, trial {values.index[1]}" in text
    assert f"rate {trials['param_rate'][values.index[0]]:.4g}" in text


def test_whether_to_trust_it_and_why_trials_failed(pages: dict[str, Path], window: Any) -> None:
    lost = trials_of(pages, "search")["state"].eq("DIVERGED").sum()
    page = window(pages["search"])
    text = page.text(".cards.top")
    assert "Can it be trusted?" in text
    assert f"{lost} of 40 trials failed or diverged" in text
    assert REASON in text
    page.page.locator("[data-state=DIVERGED]").click()
    assert page.text("#count") == f"{lost} of 40 trials"


def test_what_mattered(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["search"])
    first = page.page.locator("#parameter-rows tr").first
    assert first.locator("th").inner_text().startswith("rate")
    assert first.inner_text().rstrip().endswith("matters")
    assert "on an axis" not in page.text("#importance-note")
    page.page.get_by_role("button", name="for the best quarter").click()
    assert "PED-ANOVA" in page.text("#importance-note")


@pytest.mark.parametrize("mode", STUDIES)
def test_every_chart_draws(pages: dict[str, Path], window: Any, mode: str) -> None:
    common = {"curves-chart", "parallel-chart", "map-chart", "history-chart", "timeline-chart"}
    own = {"search": set(), "grid": {"heat-chart"}, "cv": {"heat-chart", "folds-chart"}}
    assert window(pages[mode]).drawn() == common | own[mode]


def test_a_front_and_what_was_trained_again_are_there_to_see(tmp_path: Path, window: Any) -> None:
    both: dict[str, Any] = {"metric": ["val_accuracy", "loss"], "scheduler": "none", "trials": 12}
    saved(tmp_path / "goals", learned, space=SPACE, seed=5, **both)
    page = window(write_report([tmp_path / "goals"]))
    assert "front-chart" in page.drawn()
    joined = "charts.get(byId('front-chart')).parts.series()[0].data.length"
    assert page.page.evaluate(joined) == len(load(tmp_path / "goals").pareto_front())
    page.drag("#front-chart", (0.2, 0.2), (0.9, 0.9))
    page.page.wait_for_function("() => document.getElementById('chips').innerText.includes('loss')")
    first = saved(tmp_path / "one", learned, space=SPACE, seed=5, **STUDIES["search"])
    trials = first.ranked()["trial"].head(2).tolist()
    rows = [
        Again(trial, 0.9, 0.8, 0.02, 0.01, 4, tied=trial != trials[1]) for trial in trials[::-1]
    ]
    Confirmed(tmp_path / "again", "val_accuracy", rows).write(tmp_path / "one")
    page = window(write_report([tmp_path / "one"]))
    assert "front-chart" not in page.drawn()
    assert f"★ trial {trials[1]}" in page.text("#answer0")
    again = page.text("[aria-label='Trained again'] tbody")
    assert (
        again == f"{trials[1]} 0.9 0.8 ± 0.01 4 best mean {trials[0]} 0.9 0.8 ± 0.01 4 tied with it"
    )
    assert page.faults() == []


def test_one_switch_sets_what_trials_are_compared_by(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["search"])
    pressed = "#measures [aria-pressed=true]"
    assert page.text(pressed) == "equal epochs 40"
    page.page.locator("#measures button", has_text="epoch 3").click()
    assert page.text(pressed).startswith("epoch 3")
    assert "val_accuracy at epoch 3" in page.text("#measure-note")
    assert "epoch 3" in page.text("#trials-table thead")


def test_a_box_in_a_chart_selects_in_all(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["search"])
    strip = "#parameter-rows tr:first-child .strip"
    page.drag(strip, (0.5, 0.3), (0.9, 0.6))
    page.page.wait_for_function(  # a frame after the last move, and another for the table
        "() => { const rows = document.querySelectorAll('#trials-table tbody tr').length;"
        " const count = parseInt(document.getElementById('count').textContent);"
        " return 0 < rows && rows < 40 && rows === count; }"
    )
    assert "rate" in page.text("#chips")
    page.page.keyboard.press("Escape")
    assert page.text("#count").startswith("40 trials")


def test_the_table_sorts_filters_and_opens_a_trial_by_keys(
    pages: dict[str, Path], window: Any
) -> None:
    page = window(pages["search"])
    page.page.get_by_role("button", name="batch", exact=True).click()
    first = page.page.locator("#trials-table tbody tr").first
    lowest = trials_of(pages, "search")["param_batch"].min()
    assert str(lowest) in first.inner_text().split()
    page.page.fill("#query", "state:complete rate>0.01")
    trials = trials_of(pages, "search")
    wanted = trials[(trials["state"] == "COMPLETE") & (trials["param_rate"] > 0.01)]
    assert page.text("#count") == f"{len(wanted)} of 40 trials"
    page.page.fill("#query", "nothing>1")
    assert page.text("#query-said") == "no column “nothing”"
    page.page.fill("#query", "")
    page.page.locator("#trials-table td button").first.focus()
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Enter")
    page.sees("#panel")
    page.page.keyboard.press("Escape")
    page.sees("#panel", "hidden")


def test_the_keyboard_keeps_its_place_when_the_table_is_drawn_anew(
    pages: dict[str, Path], window: Any
) -> None:
    page = window(pages["search"])
    at = "document.activeElement.textContent"
    buttons = page.page.locator("#trials-table td button")
    buttons.nth(2).focus()
    third = page.page.evaluate(at)
    page.page.evaluate("drawTable()")
    assert page.page.evaluate(at) == third
    page.page.keyboard.press("ArrowDown")
    assert page.page.evaluate(at) == buttons.nth(3).inner_text()
    page.page.get_by_role("button", name="batch", exact=True).focus()
    page.page.evaluate("drawTable()")
    assert "batch" in page.page.evaluate(at)


def test_a_trial_says_its_parameters_reason_and_how_to_refit_it(
    pages: dict[str, Path], window: Any
) -> None:
    trials = trials_of(pages, "search")
    lost = int(trials.index[trials["state"] == "DIVERGED"][0])
    page = window(pages["search"])
    page.page.evaluate(f"openTrial({lost})")
    text = page.text("#panel")
    assert f"Trial {lost}" in text
    assert "diverged" in text
    assert REASON in text
    assert f"refit {pages['search'].parent} --trial {lost}" in text
    assert f"logs {pages['search'].parent} {lost}" in text


def test_what_the_workers_did_and_when(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["search"])
    page.drawn()
    said = page.text("#phases")
    assert said.startswith("waited")
    assert "set up" in said
    assert "a row a worker" in page.text("#timeline-note")
    page.page.evaluate("openTrial(0)")
    assert "worker 10" in page.text("#panel")
    assert "on simulated" in page.text("#panel")
    assert ": set up 0.3, traced 0.4, trained " in page.text("#panel")
    assert "; waited 4 before" in page.text("#panel")
    page.page.keyboard.press("Escape")
    place = page.page.locator("#timeline-chart")
    place.scroll_into_view_if_needed()
    at = page.page.evaluate(
        "() => { const first = pieces().find((one) => one[5] === TRAINED && !one[2]);"
        " const [, slot, , from, to] = first;"
        " return charts.get(byId('timeline-chart')).chart.convertToPixel({ gridIndex: 0 },"
        " [(from + to) / 2, slot]); }"
    )
    place.hover(position={"x": at[0], "y": at[1]})
    tip = page.page.locator("#timeline-chart .tip")
    assert "Trial 0" in tip.inner_text()
    assert "trained: " in tip.inner_text()
    assert "process 10" in tip.inner_text()
    assert "slots are worked out" in window(pages["cv"]).text("#timeline-note")


def test_folds_and_ties_of_a_cross_validation(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["cv"])
    assert "over folds" in page.text("#answer0")
    assert "every point on 4 folds" in page.text(".cards.top")
    page.sees("#folds")


def test_a_grid_has_an_exact_importance(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["grid"])
    assert "ANOVA of the grid" in page.text("#importance-note")
    page.sees("#heat")


def test_where_the_time_went(pages: dict[str, Path], window: Any) -> None:
    text = window(pages["search"]).text(".cards.costs")
    assert "saved" in text
    assert "epoch 3" in text


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing(pages: dict[str, Path], window: Any, colours: str) -> None:
    page = window(pages["search"], color_scheme=colours)
    page.drawn()
    page.page.evaluate("openTrial(S.data.trials.trial[S.data.trials.state.indexOf('DIVERGED')])")
    assert page.faults() == []


def test_a_narrow_page_fits_and_a_finger_selects(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["search"], viewport=NARROW, has_touch=True)
    assert page.page.evaluate("document.documentElement.scrollWidth") == 390
    page.page.locator("#history-chart").scroll_into_view_if_needed()
    page.page.wait_for_selector("#history-chart[data-drawn]")
    box = page.page.locator("#history-chart").bounding_box()
    session = page.context.new_cdp_session(page.page)
    for kind, share in [("touchStart", 0.3), ("touchMove", 0.4), ("touchMove", 0.7)]:
        point = {"x": box["x"] + share * box["width"], "y": box["y"] + 60 + 150 * share}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert "of 40 trials" in page.text("#count")


def test_it_prints_every_trial(pages: dict[str, Path], window: Any) -> None:
    page = window(pages["search"])
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.page.emulate_media(media="print")
    assert page.page.locator("#trials-table tbody tr").count() == 40
    assert page.page.pdf(format="A4")[:4] == b"%PDF"


def test_without_scripts_the_answer_is_there(pages: dict[str, Path], chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["search"].as_uri())
    assert "★ trial" in page.inner_text("#answer0")
    context.close()


def test_several_studies_stand_side_by_side(
    pages: dict[str, Path], window: Any, tmp_path: Path
) -> None:
    both = write_report([pages["cv"].parent, pages["grid"].parent], tmp_path / "both.html")
    page = window(both)
    text = page.text("#side-by-side")
    assert "cv" in text
    assert "grid" in text
    page.page.locator("#studies button", has_text="grid").click()
    page.sees("#answer1")
    page.sees("#answer0", "hidden")
    assert page.text("#count").startswith("12 trials")
