"""A run that ends before its first trial leaves nothing behind, in its database neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

import tuner
from tuner.errors import ResultsError
from tuner.runner.display import Display
from tuner.runner.place import Place
from tuner.runner.request import Request
from tuner.runner.run import open_study, run_study
from tuner.store.ledger import Ledger, url_storage


def experiment() -> tuner.Experiment:
    return tuner.Experiment(
        name="mine", space={"x": tuner.Float(0, 1)}, objective=lambda trial: trial["x"], metric="x",
        direction="maximize", dataset=None, trials=2, sampler="random", scheduler="none",
        concurrency=1,
    )  # fmt: skip


def names(url: str) -> list[str]:
    return sorted(summary.study_name for summary in optuna.get_all_study_summaries(url))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that holds another's study already."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger("another", "minimize", url_storage(url), new=True).disconnect()
    return url


def test_a_study_whose_folder_cannot_be_written_is_not_in_the_database(
    url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "reports.parquet").write_text("in the way")
    from tuner.experiment.settle import settle

    place = Place(folder, None, settle(experiment(), {}), "mine", [], url)
    with pytest.raises((OSError, ResultsError), match=r"reports.parquet"):
        open_study(place.settled, place)
    assert names(url) == ["another"]


class Interrupted(Display):
    """A terminal at which Ctrl-C is pressed before the first trial."""

    def following(self, study: Any) -> Any:
        raise KeyboardInterrupt


def test_ctrl_c_before_the_first_trial_frees_the_name(url: str, tmp_path: Path) -> None:
    request = Request(experiment(), results=str(tmp_path / "results"), storage=url)
    with pytest.raises(KeyboardInterrupt):
        run_study(request, Interrupted(None))
    assert names(url) == ["another"]
    assert not (tmp_path / "results").exists()
