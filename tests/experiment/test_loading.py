from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tuner.errors import ExperimentError, SearchSpaceError
from tuner.experiment.loading import Source, known, load, load_source

MINE = '''
"""Mine."""
from dataclasses import dataclass
from sibling import LOW
from tuner import Experiment, Float

@dataclass
class Held:
    value: float

def train(trial):
    return trial["x"]

EXPERIMENT = Experiment(name="mine", space={"x": Float(LOW, 1.0)}, objective=train, dataset=None)
OTHER = 3
'''


@pytest.fixture(autouse=True)
def _modules_put_back() -> Iterator[None]:
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's file, of this name
    monkeypatch.delitem(sys.modules, "sibling", raising=False)
    (tmp_path / "sibling.py").write_text("LOW = 0.25\n")
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_a_name_is_a_module_of_search_spaces() -> None:
    loaded = load("lr_momentum")
    assert loaded.experiment.name == "lr_momentum"
    assert loaded.source == Source("module", "search_spaces.lr_momentum", "EXPERIMENT")
    assert load_source(loaded.source) is loaded.experiment


def test_a_file_imports_its_siblings_and_its_globals_can_be_pickled(mine: Path) -> None:
    loaded = load(str(mine))
    assert loaded.experiment.space["x"].low == 0.25
    assert loaded.source == Source("file", str(mine))
    assert loaded.data is None
    module = sys.modules[loaded.experiment.objective.__module__]
    held = module.Held(2.0)
    assert pickle.loads(pickle.dumps(held)) == held
    assert load(str(mine)).experiment.objective is loaded.experiment.objective  # imported once


def test_a_source_is_json_and_loads_in_another_process(mine: Path) -> None:
    text = json.dumps(asdict(load(str(mine)).source))
    code = (
        "import json, sys; from tuner.experiment.loading import Source, load_source; "
        "print(load_source(Source(**json.loads(sys.argv[1]))).name)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, text], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "mine\n"


def test_a_relative_file_is_found_from_the_folder_it_is_named_in(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    assert load("./mine.py").source.where == str(mine)


def test_a_module_and_attribute(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    loaded = load("mine:EXPERIMENT")
    assert loaded.experiment.name == "mine"
    assert loaded.source == Source("module", "mine", "EXPERIMENT")


def test_data_of_a_file_is_its_dataset(mine: Path) -> None:
    mine.write_text(MINE + "def DATA(): return 7\n")
    data = load(str(mine)).data
    assert data is not None
    assert data() == 7


def test_known_reads_the_first_line_of_each_without_importing() -> None:
    before = set(sys.modules)
    found = known()
    assert found["lr_momentum"]
    assert "__init__" not in found
    assert not {name for name in set(sys.modules) - before if name.startswith("search_spaces.")}


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("lr_momentun", r"no experiment is called 'lr_momentun'; did you mean 'lr_momentum'\?"),
        ("zzz", r"no experiment is called 'zzz'; known: .*lr_momentum"),
        ("./nowhere.py", r"no file .*nowhere\.py; check the path"),
        ("nowhere.at_all:X", r"no module is called 'nowhere'"),
        ("mine:MISSING", r"mine has no MISSING; let it end in MISSING = Experiment"),
        ("mine:OTHER", r"OTHER in mine is of type int; it must be an Experiment"),
        ("mine", r"no experiment is called 'mine'; did you mean the file \./mine\.py\?"),
    ],
)
def test_what_cannot_be_found_gets_one_line(
    mine: Path, monkeypatch: pytest.MonkeyPatch, reference: str, line: str
) -> None:
    monkeypatch.chdir(mine.parent)
    with pytest.raises(ExperimentError, match=line) as refused:
        load(reference)
    assert "\n" not in str(refused.value)


def test_data_that_is_no_function_is_refused(mine: Path) -> None:
    mine.write_text(MINE + "DATA = 7\n")
    with pytest.raises(ExperimentError, match=r"DATA in .*mine\.py is 7; make it a function"):
        load(str(mine))


def test_a_file_that_fails_to_import_shows_the_users_lines_alone(mine: Path) -> None:
    mine.write_text("import json\njson.loads('nonsense')\n")
    with pytest.raises(ExperimentError, match="cannot be imported: JSONDecode") as refused:
        load(str(mine))
    note = "\n".join(refused.value.__notes__)
    assert f'File "{mine}", line 2' in note
    assert "importlib" not in note
    assert "loading.py" not in note


def test_a_syntax_error_and_an_exit_are_failures_to_import_too(mine: Path) -> None:
    mine.write_text("def train(trial:\n")
    with pytest.raises(ExperimentError, match="cannot be imported: SyntaxError"):
        load(str(mine))
    mine.write_text("raise SystemExit(3)\n")
    with pytest.raises(ExperimentError, match="cannot be imported: SystemExit: 3"):
        load(str(mine))


def test_a_missing_import_inside_a_module_is_not_a_missing_module(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    mine.write_text("import not_installed\n")
    with pytest.raises(ExperimentError, match="mine cannot be imported: ModuleNotFoundError"):
        load("mine:EXPERIMENT")


def test_a_mistake_in_the_space_keeps_its_own_line(mine: Path) -> None:
    mine.write_text(MINE.replace("Float(LOW, 1.0)", "Float(2.0, 1.0)"))
    with pytest.raises(SearchSpaceError, match=r"axis 'x': low 2\.0 is above high 1\.0"):
        load(str(mine))


def test_an_experiment_made_in_memory_cannot_be_loaded_again() -> None:
    with pytest.raises(ExperimentError, match="was made in memory by notebook; run that program"):
        load_source(Source("object", "notebook"))
