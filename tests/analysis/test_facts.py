"""What a page says of a study: the winner, what to trust, what trials are compared by."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.facts.cost import Leg
from analysis.facts.fidelity import Course, equal_epochs
from analysis.facts.reading import read_now
from analysis.facts.study import Facts, facts
from analysis.facts.words import last_line, number, seconds, some
from analysis.loading import load
from tests.analysis.studies import saved, timed
from tests.brain import half_diverging, never, rising
from tuner.engines.simulated import Step
from tuner.experiment.keras_model import KerasModel
from tuner.search_space.axes import Categorical, Float
from tuner.store.log import encode
from tuner.store.report import Report
from tuner.trial.cells import Cell

NAN = math.nan


def made(path: Path, curve: Any = rising, **fields: Any) -> Facts:
    saved(path / "study", curve, **fields)
    return facts(load(path / "study"))


def titles(of: Facts) -> list[str]:
    return [finding.title for finding in of.findings]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A search of which half diverges and many are stopped."""
    path = tmp_path_factory.mktemp("search")
    return made(path, half_diverging, scheduler="asha_stopping", trials=30, seed=3)


def test_at_equal_epochs_a_stopped_trial_is_compared_where_it_ended() -> None:
    """Trial 1 led when it was stopped at epoch 1; trial 2 was last at all times."""
    values = np.array([[0.5, 0.9], [0.6, NAN], [0.1, 0.2]])
    scores = equal_epochs(Course(values, np.array([1, 0, 1])), "maximize")
    assert scores.tolist() == [0.5, 1.0, 0.0]
    assert equal_epochs(Course(-values, np.array([1, 0, 1])), "minimize").tolist() == [0.5, 1, 0]


def test_at_equal_epochs_what_diverged_loses_and_a_tie_is_half() -> None:
    values = np.array([[0.9, NAN], [0.1, 0.1], [0.1, 0.1], [NAN, NAN]])
    scores = equal_epochs(Course(values, np.array([1, 1, 1, -1])), "maximize")
    assert scores[:3].tolist() == [0.0, 0.75, 0.75]
    assert math.isnan(scores[3])


def test_a_search_is_compared_at_equal_epochs_at_rungs_and_by_value(search: Facts) -> None:
    keys = [measure.key for measure in search.measures]
    assert keys == ["equal", "epoch1", "epoch3", "value"]
    by = {measure.key: np.isfinite(measure.values).sum() for measure in search.measures}
    assert by["equal"] == 30
    assert by["epoch1"] > by["epoch3"] > 0


def test_the_winner_leads_and_what_failed_is_said(search: Facts) -> None:
    won = search.winner
    assert won is not None
    values = search.trials["value"]
    assert values[won.best] == max(v for v in values if v is not None)
    assert won.next is not None
    assert won.lead == pytest.approx(values[won.best] - values[won.next], rel=1e-3)
    bad = search.trials["state"].count("DIVERGED")
    assert f"{bad} of 30 trials failed or diverged" in titles(search)
    assert [f.level for f in search.findings] == sorted(
        (f.level for f in search.findings), key=["bad", "warn", "good", "info"].index
    )


def test_all_of_it_is_json(search: Facts) -> None:
    again = json.loads(json.dumps(search.as_json(), allow_nan=False))
    assert again["about"]["metric"] == "val_accuracy"
    assert again["trials"]["state"] == search.trials["state"]
    assert len(again["curves"]) == 30
    assert again["importance"]["equal"]["all"]["shares"][0]["param"] == "x"


def test_epochs_are_trained_and_saved(search: Facts) -> None:
    spent = search.cost
    assert spent.trained == sum(search.trials["epochs"])
    assert spent.saved == sum(search.trials["saved"]) > 0
    assert sum(state.trials for state in spent.states) == 30
    assert {leg.slot for leg in search.legs} == {0, 1, 2}


def test_the_timeline_has_a_row_a_worker_and_says_what_its_time_went_into(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"scheduler": "asha", "sampler": "random", "trials": 12, "seed": 3}
    saved(tmp_path / "study", rising, **fields)
    timed(tmp_path / "study")
    of = facts(load(tmp_path / "study"))
    assert sorted(row.worker for row in of.workers) == [
        f"{n} on simulated" for n in (100, 101, 102)
    ]
    assert {row.name for row in of.workers} == {"worker 1", "worker 2", "worker 3"}
    assert "10" in str(of.trials["worker"][0])
    legs: dict[int, list[Leg]] = {}
    for leg in of.legs:
        legs.setdefault(leg.slot, []).append(leg)
    for on_one in legs.values():
        on_one.sort(key=lambda leg: leg.begin)
        assert on_one[0].waited == 4.0  # the worker started
        assert [leg.waited for leg in on_one[1:]] == pytest.approx([0.0] * len(on_one[1:]), abs=0.1)
    assert min(leg.begin for leg in of.legs) == 4.0
    first = [leg for leg in of.legs if leg.part == 0]
    again = [leg for leg in of.legs if leg.part > 0]  # trials that were paused, and went on
    assert {(leg.setup, leg.trace) for leg in first} == {(0.3, 0.4)}
    assert {(leg.setup, leg.trace, leg.waited) for leg in again} == {(0.0, 0.0, 0.0)}
    assert max(leg.begin + leg.seconds for leg in of.legs) == pytest.approx(4.0 + of.cost.wall_s)
    spent = of.cost.phases
    assert spent["set up"] == pytest.approx(0.3 * 12)
    assert sum(spent.values()) - spent["waited"] == pytest.approx(of.cost.work_s)


def test_a_study_of_an_earlier_version_has_slots_and_no_phases(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    saved(folder, rising, scheduler="none", sampler="random", trials=4)
    new = ["waited_s", "setup_s", "trace_s", "train_s", "worker"]
    trials = pd.read_parquet(folder / "trials.parquet")
    trials.drop(columns=new).to_parquet(folder / "trials.parquet")
    for part in (folder / "reports.parquet").glob("*.parquet"):
        pd.read_parquet(part).drop(columns="worker").to_parquet(part)
    of = facts(load(folder), {})
    assert [(row.name, row.worker) for row in of.workers] == [(f"slot {n}", "") for n in range(3)]
    assert of.cost.phases == {}


def test_many_workers_of_a_trial_each_share_slots(tmp_path: Path) -> None:
    saved(tmp_path / "study", rising, scheduler="none", sampler="random", trials=40)
    tables = load(tmp_path / "study")
    trials = tables.trials.assign(worker=tables.trials["trial"].astype(str))
    of = facts(tables._replace(trials=trials), {})
    assert [(row.name, row.worker) for row in of.workers] == [(f"slot {n}", "") for n in range(3)]


def test_one_that_never_reported_and_what_came_after_reports_are_on_the_timeline(
    tmp_path: Path,
) -> None:
    saved(tmp_path / "study", rising, scheduler="none", sampler="random", trials=3, workers=1)
    tables = load(tmp_path / "study")
    reports, trials = tables.reports, tables.trials.assign(worker="7")
    trials.loc[0, "duration_s"] += 0.5
    silent = tables._replace(reports=reports[reports["trial"] != 1], trials=trials)
    of = facts(silent, {})
    assert [row.worker for row in of.workers] == ["7 on simulated"]
    after = {of.trials["trial"][leg.row]: (leg.seconds, leg.after) for leg in of.legs}
    assert after == {n: (of.trials["seconds"][n], 0.5 if n == 0 else 0.0) for n in range(3)}


def edge(cell: Cell) -> list[Step]:
    return [Step(e, {"val_accuracy": math.log(cell.params["rate"]) - 1 / e}) for e in (1, 2)]


def test_a_winner_at_the_edge_says_how_to_widen_the_axis(tmp_path: Path) -> None:
    space = {"rate": Float(1e-4, 1e-1, log=True), "epochs": 2}
    of = made(tmp_path, edge, space=space, scheduler="none", sampler="random", trials=60)
    found = next(f for f in of.findings if f.param == "rate")
    assert found.title == "rate won at the top of its range"
    assert found.line == '"rate": Float(0.0001, 1, log=True),'


def wavy(cell: Cell) -> list[Step]:
    """All points alike but for a wobble that grows as x."""
    return [
        Step(e, {"val_accuracy": 0.5 + 0.01 * cell.params["x"] * (-1) ** e}) for e in range(1, 10)
    ]


def test_ties_within_noise_are_said_and_no_lead(tmp_path: Path) -> None:
    of = made(tmp_path, wavy, scheduler="none", trials=8)
    assert of.winner is not None
    assert len(of.winner.ties) == 7
    assert "8 trials tie for first" in titles(of)
    assert "The lead is larger than noise" not in titles(of)


def climbing(cell: Cell) -> list[Step]:
    return [Step(e, {"val_accuracy": cell.params["x"] * e + 0.01 * (e % 2)}) for e in range(1, 13)]


def test_a_winner_that_still_gains_had_not_levelled_off(tmp_path: Path) -> None:
    space = {"x": Float(0, 1), "epochs": 12}
    of = made(tmp_path, climbing, space=space, scheduler="none", trials=5)
    assert "The winner had not levelled off" in titles(of)


def by_fold(gap: float) -> Callable[[Cell], list[Step]]:
    def curve(cell: Cell) -> list[Step]:
        value = (
            gap * cell.params["x"] + 0.1 * cell.fold + 0.001 * (cell.fold % 2) * cell.params["x"]
        )
        return [Step(1, {"val_accuracy": value})]

    return curve


@pytest.mark.parametrize(("gap", "tied"), [(0.5, 0), (0.0, 2)])
def test_folds_are_compared_one_by_one(tmp_path: Path, gap: float, tied: int) -> None:
    """Folds differ by 0.1, which is the same for all points and so no noise."""
    space = {"x": Float(0, 1, grid=[0.1, 0.5, 0.9]), "epochs": 1}
    of = made(tmp_path, by_fold(gap), space=space, mode="cv", dataset="digits", folds=4)
    assert of.winner is not None
    assert len(of.winner.ties) == tied
    assert of.folds.shape == (3, 4)
    if tied:
        finding = next(f for f in of.findings if "tie for first" in f.title)
        assert "fold by fold" in finding.text


def test_a_grid_has_exact_shares(tmp_path: Path) -> None:
    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {"val_accuracy": cell.params["x"] + 0.01 * (cell.params["k"] == "a")})]

    space = {"x": Float(0, 1, grid=[0, 0.3, 0.6, 0.9]), "k": Categorical(["a", "b"]), "epochs": 1}
    of = made(tmp_path, curve, space=space, mode="grid")
    found = of.importance["value"]["all"]
    assert found is not None
    assert found.method == "ANOVA of the grid"
    assert found.shares[0].param == "x"


def test_a_study_without_a_value_has_no_winner(tmp_path: Path) -> None:
    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {"val_accuracy": NAN})]

    of = made(tmp_path, curve, trials=3)
    assert of.winner is None
    assert titles(of)[0] == "No trial has a value"
    json.dumps(of.as_json(), allow_nan=False)


def test_a_study_that_was_cut_short_is_read_with_what_its_log_holds(tmp_path: Path) -> None:
    """The table lacks the last part of the reports; the log still has them."""
    saved(tmp_path / "study", rising, trials=4, scheduler="none")
    folder = tmp_path / "study"
    whole = load(folder).reports
    part = next((folder / "reports.parquet").glob("*.parquet"))
    frame = pd.read_parquet(part)
    log = folder / "reports.log"
    cut = frame[frame["trial"] < 3]
    lines = [
        encode(
            Report(
                r.trial, 1, r.fold, r.epoch, r.time_s,
                {"val_accuracy": r.val_accuracy, "loss": r.loss}, r.decision, r.order,
                r.at.timestamp(),
            ).as_json()
        )
        for r in frame[frame["trial"] == 3].itertuples()
    ]  # fmt: skip
    log.write_bytes(b"".join(lines) + b"1234 half a li")
    cut.to_parquet(part)
    read = read_now(folder).reports
    assert len(read) == len(whole)
    ours = read[read["trial"] == 3].sort_values("epoch")["val_accuracy"].tolist()
    assert ours == whole[whole["trial"] == 3].sort_values("epoch")["val_accuracy"].tolist()


def test_words() -> None:
    assert number(1e-5) == "1.000e-05"
    assert number(True) == "True"
    assert some([1, 2, 3], most=2) == "1, 2 and 1 more"
    assert [seconds(x) for x in (1.23, 41, 200, 7500)] == [
        "1.2 s",
        "41 s",
        "3 min 20 s",
        "2 h 05 min",
    ]
    assert last_line("Traceback\n  x\nValueError: no\n\n") == "ValueError: no"


def test_a_populations_lineages_are_there_and_no_others(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"sampler": "random", "objective": KerasModel(never, never), "seed": 3}
    saved(tmp_path / "pbt", rising, scheduler="pbt", members=4, epochs=9, **fields)
    trials = facts(load(tmp_path / "pbt")).trials
    heirs = [text for text in trials["lineage"] if " > " in text]
    assert len(heirs) == 2
    saved(tmp_path / "plain", rising, scheduler="none", trials=4, **fields)
    assert "lineage" not in facts(load(tmp_path / "plain")).trials
