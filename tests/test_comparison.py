"""The comparison with other tools: each row is shown by tests or benchmarks that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "comparison.md").read_text()
HEAD, _, *ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]
ANSWER = re.compile(r"(yes|no|partly|-)(?: \((\d+)\))?")


def test_each_row_is_shown_by_a_test_or_a_benchmark() -> None:
    assert ROWS
    for row in ROWS:
        shown = re.findall(r"`([^`]+)`", row[-1])
        assert shown, row
        for file in shown:
            text = (ROOT / file).read_text()
            wanted = "\ndef test_" if file.startswith("tests/") else "\ndef main("
            assert wanted in text, file
            assert file.startswith(("tests/", "benchmarks/")), file


def test_every_tool_has_an_answer_and_partly_a_note() -> None:
    assert HEAD[1:-1] == ["tuner", "Ray Tune", "Optuna", "KerasTuner", "Syne Tune"]
    notes = set(re.findall(r"(?:^|\s)(\d+)\. ", PAGE.split("Where they are ahead")[1]))
    said = set()
    for row in ROWS:
        for cell in row[1:-1]:
            answer = ANSWER.fullmatch(cell)
            assert answer, row
            assert answer[1] != "partly" or answer[2], row
            said |= {answer[2]} - {None}
    assert said == notes


def test_the_readme_names_the_page() -> None:
    assert "docs/comparison.md" in (ROOT / "README.md").read_text()
