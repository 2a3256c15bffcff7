"""`tuner.Study`: ask, report and tell from a loop of one's own, in a study as any other."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tuner
from tuner.cli.app import main
from tuner.errors import EngineError, ExperimentError, ReportError, StudyError
from tuner.runner.confirm import confirm
from tuner.trial.cells import Decision

SPACE = {"rate": tuner.Float(0.0, 1.0)}


def opened(folder: Path, **fields: Any) -> tuner.Study:
    given = {"metric": "loss", "epochs": 9, "trials": 12, "seed": 3, **fields}
    return tuner.Study(SPACE, results=folder, **given)


def train(study: tuner.Study, trial: tuner.Trial) -> None:
    """Falling losses, the lower the nearer the rate is to 0.3."""
    for epoch in range(trial.start + 1, (trial.epochs or 0) + 1):
        loss = (trial["rate"] - 0.3) ** 2 + 1 / epoch
        if study.report(trial, epoch, {"loss": loss}) is not Decision.CONTINUE:
            break
    study.tell(trial)


def run(study: tuner.Study, most: int = 1000) -> None:
    for _ in range(most):
        if (trial := study.ask()) is None:
            return
        train(study, trial)


def test_a_loop_of_ones_own_fills_the_tables_of_any_study(tmp_path: Path) -> None:
    with opened(tmp_path) as study:
        run(study)
        assert study.finished
        during = study.results()
    results = study.results()
    assert during.trials["state"].tolist() == results.trials["state"].tolist()
    assert set(results.trials["state"]) == {"COMPLETE", "STOPPED"}
    assert results.trials["trial"].tolist() == list(range(12))
    assert set(results.trials["engine"]) == {"own loop"}
    best = results.best
    assert best is not None
    row = results.best_row
    assert row is not None
    assert best.value == pytest.approx((row["param_rate"] - 0.3) ** 2 + 1 / row["epochs"])
    assert results.trials["epochs"].sum() == len(results.reports)


def test_it_goes_on_where_it_was_left(tmp_path: Path) -> None:
    with opened(tmp_path / "whole") as whole:
        run(whole)
    with opened(tmp_path / "parts") as first:
        run(first, most=5)
        left = first.ask()
        assert left is not None
    with opened(tmp_path / "parts", resume=True) as second:
        again = second.ask()
        assert again is not None
        assert (again.number, again.cell.attempt) == (left.number, left.cell.attempt + 1)
        assert again.params == left.params
        train(second, again)
        run(second)
        assert second.finished
    columns = ["trial", "state", "param_rate", "epochs"]
    one, other = (study.results().trials[columns] for study in (whole, second))
    assert one.equals(other)


def test_a_paused_trial_is_asked_for_again_with_the_epochs_that_it_had(tmp_path: Path) -> None:
    starts, paused = [], set()
    with opened(tmp_path, sampler="random", scheduler="asha") as study:
        while (trial := study.ask()) is not None:
            starts.append(trial.start)
            assert (trial.start > 0) == (trial.number in paused)
            for epoch in range(trial.start + 1, 10):
                answer = study.report(trial, epoch, {"loss": trial["rate"] + 1 / epoch})
                if answer is Decision.PAUSE:
                    paused.add(trial.number)
                    break
            study.tell(trial)
    assert {0, 1, 3} == set(starts)


def test_trainings_without_epochs_tell_a_value(tmp_path: Path) -> None:
    with opened(tmp_path, epochs=None, sampler="random", scheduler="none") as study:
        while (trial := study.ask()) is not None:
            study.tell(trial, trial["rate"])
    trials = study.results().trials
    assert trials["value"].tolist() == trials["param_rate"].tolist()


def test_what_failed_is_tried_once_more_and_kept_with_its_error(tmp_path: Path) -> None:
    with opened(tmp_path, trials=4, sampler="random", scheduler="none", epochs=1) as study:
        while (trial := study.ask()) is not None:
            if trial.number == 2:
                study.tell(trial, error=OSError("the instrument is off"))
            else:
                train(study, trial)
    trials = study.results().trials
    assert trials["state"].tolist() == ["COMPLETE", "COMPLETE", "FAILED", "COMPLETE"]
    assert trials["attempt"].tolist() == [1, 1, 2, 1]
    assert "the instrument is off" in trials["error"][2]


def test_threads_share_a_study(tmp_path: Path) -> None:
    with opened(tmp_path, sampler="random") as study, ThreadPoolExecutor(4) as threads:
        list(threads.map(run, [study] * 4))
    trials = study.results().trials
    assert trials["trial"].tolist() == list(range(12))
    assert "RUNNING" not in set(trials["state"])


def test_the_commands_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, trials=3) as study:
        run(study)
    monkeypatch.setattr(sys, "argv", ["tuner", "show", str(tmp_path / "study")])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    assert "search by rung_gp + rung_gp, minimize loss" in capsys.readouterr().out


def test_what_would_train_again_says_who_can(tmp_path: Path) -> None:
    with opened(tmp_path, trials=3, sampler="random") as study:
        run(study)
    results = study.results()
    for use in (results.refit, results.test_score, results.best_model):
        with pytest.raises(StudyError, match=r"a loop of their caller's trained .*and it alone"):
            use()
    with pytest.raises(StudyError, match="and it alone can train them again; train there"):
        confirm(results.path, top=1)


def test_what_it_refuses(tmp_path: Path) -> None:
    study = opened(tmp_path)
    with pytest.raises(StudyError, match="the study was not opened; write: with study"):
        study.ask()
    with study:
        trial = study.ask()
        assert trial is not None
        with pytest.raises(StudyError, match="is being run by process"):
            opened(tmp_path, resume=True).__enter__()
        with pytest.raises(ReportError, match="did you mean 'los'"):
            study.report(trial, 1, {"los": 1.0})
        with pytest.raises(ReportError, match="epochs count from 1"):
            study.report(trial, 0, {"loss": 1.0})
        with pytest.raises(EngineError, match="its caller's own"):
            _ = trial.data
        study.report(trial, 1, {"loss": 1.0})
        with pytest.raises(StudyError, match="reports are what counts"):
            study.tell(trial, 0.5)
        with pytest.raises(StudyError, match="was told PAUSE before this report; end its training"):
            study.report(trial, 2, {"loss": 1.0})
        study.tell(trial)
    with pytest.raises(StudyError, match="the study is closed"):
        study.ask()
    with pytest.raises(StudyError, match="exists"), opened(tmp_path):
        pass


def test_what_is_told_has_the_searched_metric_once(tmp_path: Path) -> None:
    with opened(tmp_path, sampler="random", scheduler="none") as study:
        trial = study.ask()
        assert trial is not None
        with pytest.raises(StudyError, match=r"nothing was reported of trial 0, .*tell its loss"):
            study.tell(trial)
        for told in ({"los": 1.0}, {"loss": None}, [1.0, 2.0]):
            with pytest.raises(ReportError, match="metric 'loss' is searched and was not told"):
                study.tell(trial, told)  # type: ignore[arg-type]
        with pytest.raises(StudyError, match="an error and metrics, and one that failed has none"):
            study.tell(trial, 0.5, error="x")
        with pytest.raises(StudyError, match="trial: 0 is not a trial; give what `ask` returned"):
            study.tell(0, 0.5)  # type: ignore[arg-type]
        study.tell(trial, 0.5)
        with pytest.raises(StudyError, match="trial 0 has ended: its end was told already"):
            study.tell(trial, 0.7)
        with pytest.raises(StudyError, match="trial 0 has ended: its end was told already"):
            study.report(trial, 1, {"loss": 0.7})
    assert study.results().trials["value"].tolist() == [0.5]


def test_every_goal_is_told(tmp_path: Path) -> None:
    goals = {"metric": ["loss", "error"], "sampler": "nsga2", "scheduler": "none"}
    with opened(tmp_path, **goals) as study:
        trial = study.ask()
        assert trial is not None
        with pytest.raises(ReportError, match="metric 'error' is searched and was not told"):
            study.tell(trial, 0.5)
        study.tell(trial, {"loss": 0.5, "error": 3})
    assert study.results().trials["state"].tolist() == ["COMPLETE"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("sampelr", "sampelr: an Experiment has no such field; did you mean 'sampler'"),
        ("num_samples", "num_samples: an Experiment has no such field; did you mean 'trials'"),
        ("engine", "engine: its trials are trained by a loop of their caller's; drop it"),
        ("confirm", "confirm: its best trials could be trained again by a loop"),
        ("name", "name: the study's own name is `study`"),
    ],
)
def test_fields_that_mean_nothing_are_refused(tmp_path: Path, field: str, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        opened(tmp_path, **{field: 2})


def test_a_study_that_asked_for_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="division"), opened(tmp_path / "results"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
