"""Loading studies: from folders, globs, lists and other filesystems, as three tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from tests.analysis.studies import saved
from tests.brain import rising
from tuner.errors import ResultsError
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.layout import REPORT_COLUMNS_FIRST, REPORT_COLUMNS_LAST, TRIAL_COLUMNS


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies: a search, a grid of whole numbers called x, a cross-validation."""
    root = tmp_path_factory.mktemp("results")
    saved(root / "search", scheduler="asha", trials=10, seed=1)
    space = {"x": Int(0, 1, grid=[0, 1]), "kind": Categorical(["a", "b"]), "epochs": 3}
    saved(root / "grid", rising, space=space, mode="grid")
    saved(root / "deep" / "search", trials=3, seed=2)
    return root


def test_a_folder_of_studies_is_three_tables(results: Path) -> None:
    trials, reports, studies = analysis.load(results)
    assert studies["study"].tolist() == ["grid", "search"]
    assert trials.groupby("study").size().to_dict() == {"grid": 4, "search": 10}
    own = pd.read_parquet(results / "search" / "trials.parquet")
    loaded = trials[trials["study"] == "search"].reset_index(drop=True)
    pd.testing.assert_frame_equal(loaded[own.columns], own, check_dtype=False)
    assert list(trials.columns[:4]) == ["study", "trial", "attempt", "state"]
    assert set(TRIAL_COLUMNS) < set(trials) > {"param_x", "param_kind", "param_epochs"}
    assert {*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST, "val_accuracy", "loss"} < set(reports)
    assert trials["param_x"].dtype == "float64"  # whole numbers and reals unite
    row = studies.set_index("study").loc["search"]
    assert (row["scheduler"], row["direction"], row["cells"], row["seed"]) == (
        "asha",
        "maximize",
        1,
        "1",
    )


@pytest.mark.parametrize("form", ["search", "se*", "{root}/search", "list", "uri"])
def test_every_way_to_name_a_study(
    results: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results)
    others: dict[str, Any] = {
        "list": [Path("search"), "search"],
        "uri": f"file://{results}/search",
    }
    source = others.get(form, form.format(root=results))
    assert analysis.load(source).studies["study"].tolist() == ["search"]


def test_studies_that_share_a_name_are_told_apart_by_their_path(results: Path) -> None:
    tables = analysis.load([results / "search", results / "deep"])
    assert tables.studies["study"].tolist() == [f"{results.name}/search", "deep/search"]
    one = tables.only("deep/search")
    assert len(one.trials) == 3
    assert set(one.reports["study"]) == {"deep/search"}
    with pytest.raises(ResultsError, match="no study 'other' was loaded; there are: "):
        tables.only("other")


def test_any_filesystem_will_do(results: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(results / "search"), "/bucket/search", recursive=True)
    tables = analysis.load("memory://bucket/search")
    pd.testing.assert_frame_equal(tables.trials, analysis.load(results / "search").trials)
    assert tables.studies["path"].tolist() == ["memory:///bucket/search"]


def test_a_column_of_two_kinds_is_text(tmp_path: Path) -> None:
    saved(tmp_path / "a", rising, space={"x": Float(0, 1), "depth": 3, "epochs": 2}, trials=2)
    saved(tmp_path / "b", rising, space={"x": Float(0, 1), "depth": "deep", "epochs": 2}, trials=2)
    assert analysis.load(tmp_path).trials["param_depth"].tolist() == ["3", "3", "deep", "deep"]


def test_what_cannot_be_loaded_is_told_in_a_line(results: Path, tmp_path: Path) -> None:
    def broken(name: str) -> Path:
        return Path(shutil.copytree(results / "search", tmp_path / name))

    with pytest.raises(ResultsError, match=r"nowhere names no study: no study.json there"):
        analysis.load(tmp_path / "nowhere")
    with pytest.raises(ResultsError, match="no filesystem for 'nosuch://bucket'"):
        analysis.load("nosuch://bucket")
    with pytest.raises(ResultsError, match="an empty list names no study"):
        analysis.load([])

    missing = broken("missing")
    (missing / "trials.parquet").unlink()
    with pytest.raises(ResultsError, match=r"trials.parquet is missing; .* `resume`"):
        analysis.load(missing)

    half = broken("half")
    content = (half / "trials.parquet").read_bytes()
    (half / "trials.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(ResultsError, match=r"half/trials.parquet cannot be read \("):
        analysis.load(half)

    bare = broken("bare")
    pq.write_table(pa.table({"trial": [1]}), bare / "trials.parquet")
    with pytest.raises(ResultsError, match=r"bare/trials.parquet has no column 'attempt'"):
        analysis.load(bare)

    gone = broken("gone")
    shutil.rmtree(gone / "reports.parquet")
    with pytest.raises(ResultsError, match=r"gone/reports.parquet is missing"):
        analysis.load(gone)

    future = broken("future")
    form = json.loads((future / "study.json").read_text())
    (future / "study.json").write_text(json.dumps({**form, "format": 99}))
    assert len(analysis.load(future).studies) == 1  # of a later version, and still to be read
    (future / "study.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(ResultsError, match=r"study\.json: experiment is missing"):
        analysis.load(future)
