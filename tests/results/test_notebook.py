"""A search in a notebook: one progress display, nothing erased, and an interrupt that keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import tuner

HEAD = """
import os, signal, threading, time
import tuner
from tuner import Float

def parabola(trial):
    return (trial["x"] - 0.3) ** 2

def slow(trial):
    time.sleep(0.2)
    return (trial["x"] - 0.3) ** 2

given = dict(space={"x": Float(0, 1)}, metric="loss", dataset=None, concurrency=1)
print("before the search")
"""
SEARCH = """
print("in the same cell")
results = tuner.run(parabola, trials=4, **given)
results
"""
INTERRUPTED = """
def interrupt():
    log = "results/slow/reports.log"
    while not os.path.exists(log) or len(open(log).readlines()) < 5:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)  # what the stop button sends

threading.Thread(target=interrupt, daemon=True).start()
tuner.run(slow, trials=500, **given)
"""
AFTER = """
again = tuner.run(slow, study="slow", resume=True, trials=1, **given)
print(len(again.trials) >= 1)
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A notebook's cells, executed."""
    folder = tmp_path_factory.mktemp("notebook")
    book = nbformat.v4.new_notebook()
    sources = (HEAD, SEARCH, INTERRUPTED, AFTER)
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(book, timeout=300, allow_errors=True, resources=resources)
    client.execute()
    return folder, book.cells


def texts(cell: Any, kind: str = "text/html") -> list[str]:
    return [one["data"][kind] for one in cell.outputs if kind in one.get("data", {})]


def printed(cell: Any) -> str:
    return "".join(one["text"] for one in cell.outputs if one["output_type"] == "stream")


def test_a_search_has_one_output_and_erases_none(cells: Any) -> None:
    _, (head, search, _, _) = cells
    assert printed(head) == "before the search\n"
    assert printed(search) == "in the same cell\n"
    progress, results = texts(search)
    assert progress.startswith("<pre")
    assert "4/4 trials" in progress
    assert "<polyline" in results


def test_an_interrupt_ends_in_a_line_and_keeps_what_is_finished(cells: Any) -> None:
    folder, (_, _, interrupted, after) = cells
    (error,) = [one for one in interrupted.outputs if one["output_type"] == "error"]
    assert error["ename"] == "Interrupted"
    assert error["traceback"] == [error["evalue"]]
    assert "go on with study='slow', resume=True" in error["evalue"]
    assert printed(after).strip().endswith("True")
    assert tuner.load(Path(folder) / "results" / "slow").best is not None
