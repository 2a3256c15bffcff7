"""The command line: what it prints, what it exits with, and a line for every mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brain import experiment, rising, simulate
from tuner.cli.app import run_command
from tuner.engines.simulated import Step
from tuner.experiment.loading import Loaded, Source
from tuner.results.results import load
from tuner.store.folder import locked
from tuner.store.layout import STUDY_FILE
from tuner.store.study_json import describe
from tuner.trial.cells import Cell

PARABOLA = """
from tuner import Experiment, Float

def train(trial):
    return 1 - (trial["x"] - 0.3) ** 2

EXPERIMENT = Experiment("parabola", {"x": Float(0, 1)}, train, metric="score", dataset=None)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder that holds parabola.py."""
    (tmp_path / "parabola.py").write_text(PARABOLA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def study(here: Path) -> Path:
    """A finished study, results/brain, made on the simulated engine."""
    path = here / "results" / "brain"
    path.mkdir(parents=True)

    def curve(cell: Cell) -> Iterator[Step]:
        if cell.trial == 3:
            raise ValueError("no luck")
        yield from rising(cell)

    settled = experiment(trials=8, retries=0)
    simulate(settled, curve, folder=path)
    loaded = Loaded(settled, Source("object", "tests.brain"))
    describe(loaded, settled, None, name="brain").write(path)
    return path


BAD = [
    ("run nosuch", r"no experiment is called 'nosuch'; known: .*lr_momentum"),
    ("run lr_momentum --weight 0", r"--weight: 0\.0 must be a number of at least 0\.01"),
    ("run lr_momentum --min-slots 0", r"--min-slots: 0 must be a whole number of at least 1"),
    ("run lr_momentum --max-slots 0", r"--concurrency: 0 must be a whole number of at least 1"),
    ("submit lr_momentum --results /r --nosuch", r"No such option: --nosuch"),
    ("submit lr_momentum --results /r --trials x", r"Invalid value for '--trials'"),
    ("ps --address 127.0.0.1:1", r"no Ray cluster answers at 127\.0\.0\.1:1"),
    ("stop digits --address http://127.0.0.1:1", r"--address: no job server answers at http"),
    ("run lr_momentun", r"did you mean 'lr_momentum'\?"),
    ("run ./nosuch.py", r"no file .*nosuch\.py; check the path"),
    ("run nosuch.module:X", r"no module is called 'nosuch'"),
    ("run lr_momentum --trials 0", r"--trials: 0 must be a whole number of at least 1"),
    ("run lr_momentum --trials many", r"Invalid value for '--trials'"),
    ("run lr_momentum --eta 1", r"--eta: 1 must be a whole number of at least 2"),
    ("run lr_momentum --min-epochs 0", r"--min-epochs: 0 must be a whole number of at least 1"),
    ("run lr_momentum --seed -1", r"--seed: -1 must be a whole number of at least 0"),
    (
        "run lr_momentum --sampler tpf",
        r"--sampler: 'tpf' is not one of .*tpe.*; did you mean 'tpe'",
    ),
    ("run lr_momentum --scheduler x", r"--scheduler: 'x' is not one of .*hyperband"),
    ("run lr_momentum --value mean", r"--value: 'mean' is not one of last, best"),
    ("run lr_momentum --mode both", r"--mode: 'both' is not one of search, grid, cv"),
    (
        "run lr_momentum --mode min",
        r"--mode: 'min' .* the metric is searched is direction='minimize'",
    ),
    ("run lr_momentum --engine ray", r"--engine: 'ray' is not one of"),
    ("run lr_momentum --data nosuch", r"dataset 'nosuch' is unknown; take digits, mnist"),
    ("run lr_momentum --data nosuch.npz", r"nosuch\.npz: no such file"),
    ("run lr_momentum --set speed=1", r"--set: 'speed' names no axis; the axes are: learning_rate"),
    ("run lr_momentum --set momentum", r"--set: 'momentum' is not name=value"),
    ("run lr_momentum --set momentum=fast", r"--set: momentum=fast: 'fast' is not a number"),
    ("run lr_momentum --set momentum=0.9..0.1", r"axis 'momentum': low 0.9 is above high 0.1"),
    ("run lr_momentum --set momentum=0..2", r"the range leaves the axis, which is 0.0 to 0.99"),
    ("run lr_momentum --set learning_rate=0..1", r"the range leaves the axis"),
    ("run lr_momentum --enqueue nosuch.json", r"--enqueue: nosuch\.json cannot be read"),
    ("run lr_momentum --study ../up", r"study name '\.\./up' may hold letters"),
    ("run lr_momentum --study /abs", r"study name '/abs' may hold letters"),
    ("run lr_momentum --resume", r"no study of 'lr_momentum' in results to resume"),
    ("run lr_momentum --storage nosuch", r"--storage: it is not a database URL"),
    ("run lr_momentum --address 127.0.0.1:1", r"no Ray cluster answers at 127\.0\.0\.1:1"),
    (
        "run parabola.py --checkpoint-every 2",
        r"--checkpoint-every: 2 is for .* parabola trains by a function; declare it, or",
    ),
    (
        "run parabola.py --mode cv",
        r"--data: parabola has no dataset .* folds; name one, or take another --mode",
    ),
    ("run lr_momentum --mode cv --repeats 2", r"--repeats: 2 repeats without .*; add --shuffle"),
    ("run lr_momentum --metric speed", r"--direction: metric 'speed' does not say which way"),
    ("run parabola.py --mode grid", r"axis 'x' has no grid values"),
    ("run parabola.py --scheduler hyperband", r"--scheduler: .* nothing says it; give --epochs"),
    ("run parabola.py --sampler grid", r"--sampler: 'grid' belongs to --mode grid"),
    ("run parabola.py --results parabola.py", r"results folder parabola\.py cannot be written"),
    ("run --nosuch lr_momentum", r"No such option: --nosuch"),
    ("show nosuch", r"nosuch is not a study folder"),
    ("show results --top 0", r"--top: 0 must be a whole number of at least 1"),
    ("repair s3://bucket/mine", r"repair mends a folder of this machine, and s3://bucket/mine is"),
    (
        "watch s3://bucket/mine",
        r"watch shows a folder of this machine, and s3://bucket/mine is a U",
    ),
    ("new mine.txt", r"mine\.txt is not a file name like mine\.py"),
    ("new parabola.py", r"parabola\.py exists; give another name"),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=[line for line, _ in BAD])
def test_a_mistake_costs_one_line_and_leaves_nothing_behind(
    here: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    import re

    before = sorted(here.rglob("*"))
    assert run_command(line.split()) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert complaint.startswith("tuner: ")
    assert re.search(message, complaint), complaint
    assert [path for path in sorted(here.rglob("*")) if "__pycache__" not in str(path)] == before


def test_list_says_what_each_experiment_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["list"]) == 0
    assert "lr_momentum  " in capsys.readouterr().out


def test_show_a_study_a_trial_and_csv(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["show", str(study)]) == 0
    out = capsys.readouterr().out
    assert "brain: search by tpe + asha, maximize val_accuracy" in out
    assert "1 FAILED" in out
    assert "ending trials early saved" in out
    values = load(study).trials["value"]
    first = out.splitlines()[2].split()
    assert first[:2] == [str(values.idxmax()), "STOPPED"]  # the best stands first
    assert run_command(["show", str(study), "0"]) == 0
    out = capsys.readouterr().out
    assert "trial 0 of brain: STOPPED" in out
    assert re.search(r"waited \d+.\d s, trained \d+.\d s", out)
    assert "PAUSE at epoch 1: rung 1: waits to be among the best" in out
    assert "▁" in out
    assert run_command(["show", str(study), "3"]) == 0
    assert "ValueError: no luck" in capsys.readouterr().out
    assert run_command(["show", str(study), "--csv"]) == 0
    assert capsys.readouterr().out.startswith("trial,attempt,state,param_x,")
    assert run_command(["show", str(study), "99"]) == 2
    assert "has no trial 99; it has 0 to 7" in capsys.readouterr().err


def test_new_writes_an_experiment_that_loads(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tuner.experiment.loading import load

    assert run_command(["new", "first.py"]) == 0
    assert load("first.py").experiment.name == "first"
    assert "run it: python -m tuner run first.py" in capsys.readouterr().out


def test_a_running_study_is_refused_by_its_holders_name(
    study: Path, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    from tuner.errors import StudyError

    with (
        locked(study),
        pytest.raises(StudyError, match=r"'brain' is being run by process \d+ on"),
        locked(study),
    ):
        raise AssertionError("two held the lock")


def test_a_run_takes_the_first_free_name_and_json_is_all_on_stdout(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["run", "parabola.py", "--trials", "4", "--json"]) == 0
    first = capfd.readouterr()
    answer = json.loads(first.out)
    assert first.err == ""
    assert (answer["study"], answer["states"]) == ("parabola", {"COMPLETE": 4})
    assert run_command(["run", "parabola.py", "--trials", "4", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    assert (here / "results" / "parabola-2" / STUDY_FILE).is_file()
    assert run_command(["run", "parabola.py", "--resume", "--trials", "6"]) == 0
    assert "parabola-2: 6 trials" in capfd.readouterr().out
    bad = ["run", "parabola.py", "--resume", "--study", "parabola"]
    for change, message in [
        (["--seed", "3"], "--seed: a resumed study cannot change it from 0 to 3"),
        (["--set", "x=0.5"], "--set: a resumed study cannot change it"),
        (
            ["--scheduler", "none"],
            "--scheduler: a resumed study cannot change it from 'rung_gp' to 'none'",
        ),
    ]:
        assert run_command([*bad, *change]) == 2
        assert message in capfd.readouterr().err
    (here / "parabola.py").write_text(PARABOLA.replace("Float(0, 1)", "Float(0, 2)"))
    import sys

    for name in [name for name in sys.modules if name.startswith("tuner_file_parabola")]:
        del sys.modules[name]
    assert run_command(bad) == 2
    assert "axis 'x' was" in capfd.readouterr().err


FAILING = """
from tuner import Experiment, Float

def train(trial):
    raise ValueError("no such layer")

EXPERIMENT = Experiment("failing", {"x": Float(0, 1)}, train, dataset=None, retries=0)
"""


def test_when_the_first_trials_all_fail_the_run_says_why_and_keeps_the_study(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "failing.py").write_text(FAILING)
    assert run_command(["run", "failing.py", "--quiet", "--concurrency", "1"]) == 2
    complaint = capfd.readouterr().err
    assert "the first 3 trials all failed" in complaint
    assert "ValueError: no such layer" in complaint
    assert 'failing.py", line 5' in complaint
    assert run_command(["show", "results/failing"]) == 0
    assert "3 FAILED" in capfd.readouterr().out


def test_a_submitted_job_keeps_its_results_out_of_rays_copy_of_the_working_folder(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert run_command(["run", "parabola.py"]) == 2
    complaint = capsys.readouterr().err
    assert "'results' would lie in Ray's disposable copy of the working folder" in complaint
    assert not (here / "results").exists()
