"""A resume says when the experiment's file is not what the study last ran."""

from __future__ import annotations

from pathlib import Path

from tuner.experiment.loading import load
from tuner.experiment.settle import settle
from tuner.store.resume_checks import file_change
from tuner.store.study_json import describe

MINE = """
from tuner import Experiment, Float
EXPERIMENT = Experiment(
    name="mine", space={"x": Float(0, 1)}, objective=lambda trial: trial["x"], metric="x",
    direction="maximize", dataset=None, trials=3, sampler="random", scheduler="none",
)
"""


def test_a_file_that_changed_is_said_with_both_digests(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    loaded = load(str(file))
    kept = describe(loaded, settle(loaded.experiment, {}), None, name="mine")
    assert file_change(kept, loaded.source) is None
    file.write_text(MINE + "# and more\n")
    said = file_change(kept, loaded.source)
    assert said is not None
    assert said.startswith(f"{file} has changed since the study last ran: SHA-256 ")
    assert f"{kept.source_sha256[:16]} then, " in said
    assert file_change(kept.model_copy(update={"source_sha256": ""}), loaded.source) is None


def test_a_module_has_the_digest_of_its_own_file() -> None:
    loaded = load("beale")
    kept = describe(loaded, settle(loaded.experiment, {}), None, name="beale")
    assert len(kept.source_sha256) == 64
