"""What a run shows: a board of any width, plain lines, a notebook's output."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from tests.brain import SPACE, abandon, experiment, open_study
from tuner.gain import Outlook
from tuner.runner import display
from tuner.runner.board import board, line, seconds
from tuner.runner.display import Display, as_html
from tuner.search_space.axes import Categorical
from tuner.study.progress import Progress, progress_of
from tuner.study.study import Study
from tuner.trial.cells import Ending, Outcome, State

LONG = {f"a_long_parameter_{index}": Categorical([0.5]) for index in range(5)}


@pytest.fixture
def study() -> Any:
    """Three trials in flight: one ended, one stopped at a rung, one that goes on."""
    made = open_study(experiment(trials=9, scheduler="none", space={**SPACE, **LONG, "epochs": 9}))
    cells = [made.ask() for _ in range(4)]
    for epoch in range(1, 10):
        for number, cell in enumerate(cells[:3]):
            assert cell is not None
            if number == 0 or epoch < 4:
                made.report(cell, epoch, {"val_accuracy": epoch / 10 - number / 100}, float(epoch))
    made.tell(cells[0], Outcome(Ending.FINISHED, duration_s=9.0))  # type: ignore[arg-type]
    yield made
    abandon(made)


def drawn(progress: Progress, width: int) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(board(progress, "training", width))
    return console.export_text()


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
def test_a_board_says_all_of_a_running_study(study: Study, width: int) -> None:
    text = drawn(progress_of(study), width)
    assert max(len(row) for row in text.splitlines()) <= width
    assert "training" in text
    assert "1/9 trials  1 complete  3 running" in text
    assert "trial 1 epoch 3/9" in text
    assert "trial 3 starting" in text
    assert "▁▅█" in text or "▁▄█" in text
    assert "best val_accuracy 0.9000, trial 0: x 0" in text
    assert "a_long_parameter_4 0.5" in one_line(text)  # all of the best's parameters
    top = text[text.index("parameters") :].splitlines()
    assert [row.split()[0] for row in top[1:4]] == ["0", "1", "2"]


def test_the_time_left_says_its_basis(study: Study) -> None:
    progress = progress_of(study)
    assert progress.left_s == pytest.approx(progress.elapsed_s * 8)
    assert "left, by the pace of 1 trial" in drawn(progress, 120)


def test_what_stopping_saved_is_said() -> None:
    made = open_study(experiment(trials=3, scheduler="asha_stopping", eta=2))
    first, second = made.ask(), made.ask()
    assert first is not None
    assert second is not None
    made.report(first, 1, {"val_accuracy": 0.9}, 1.0)
    assert made.report(second, 1, {"val_accuracy": 0.1}, 1.0) == "STOP"
    made.tell(second, Outcome(Ending.FINISHED))
    progress = progress_of(made)
    assert (progress.trained, progress.saved) == (2, 8)
    assert "2 epochs trained, stopping saved 8 (80%)" in one_line(drawn(progress, 80))
    abandon(made)


def test_a_board_in_html_escapes_and_has_no_page_around_it(study: Study) -> None:
    text = as_html(board(progress_of(study), "<script>", 100))
    assert text.startswith("<pre")
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


def test_a_line_says_where_a_run_stands(study: Study) -> None:
    assert line(progress_of(study), "training") == (
        "training, 0 s: 1 of 9 trials; trial 1 epoch 3/9, trial 2 epoch 3/9, trial 3 starting; "
        "best val_accuracy 0.9000, trial 0"
    )


def test_without_a_terminal_a_line_comes_again_and_again(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "BEAT_S", 0.0)
    said = StringIO()
    shown = Display(Console(file=said, width=200))
    with shown.phase("starting Ray"):
        pass
    assert "starting Ray\nstarting Ray, for 0 s now\n" in said.getvalue()
    with shown.following(study):
        cell = study.open[min(study.out)].cell
        study.tell(cell, Outcome(Ending.FINISHED, duration_s=3.0))
    assert "starting, 0 s: 1 of 9 trials" in said.getvalue()
    assert "trial 1 COMPLETE val_accuracy 0.2900, 3 epochs, 3.0 s (2/9)" in said.getvalue()


def test_nothing_is_shown_where_nobody_looks(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Display(None)
    with shown.phase("starting Ray"), shown.following(study):
        shown.line("a line")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("amount", "said"), [(4.4, "4 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 05 min")]
)
def test_times_are_said_in_words(amount: float, said: str) -> None:
    assert seconds(amount) == said


def test_a_paused_trial_is_not_shown_as_running() -> None:
    made = open_study(experiment(trials=9, scheduler="asha"))
    for _ in range(2):
        cell = made.ask()
        assert cell is not None
        made.report(cell, 1, {"val_accuracy": 0.1}, 1.0)
    progress = progress_of(made)
    assert progress.paused > 0
    assert f"{progress.paused} paused" in drawn(progress, 80)
    assert progress.states[State.RUNNING] >= progress.paused
    abandon(made)


def test_a_search_that_ends_by_it_says_what_more_trials_would_gain(study: Study) -> None:
    progress = replace(progress_of(study), outlook=Outlook(0.00123, 0.0, 0.0001, 30))
    assert line(progress, "training").endswith("another 20 trials would gain about 0.0012")
    assert "another 20 trials would gain about 0.0012" in one_line(drawn(progress, 120))
