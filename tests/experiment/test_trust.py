"""Whose code a study's folder may have run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import ExperimentError
from tuner.experiment.loading import Source
from tuner.experiment.trust import check_trust


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a study in it and a file outside."""
    project = tmp_path / "project"
    (project / "results" / "came").mkdir(parents=True)
    (project / "pyproject.toml").touch()
    for file in (project / "mine.py", tmp_path / "other.py", project / "results/came/theirs.py"):
        file.write_text("raise SystemExit('it was run')")
    monkeypatch.chdir(project / "results")
    return project


def source(path: Path) -> Source:
    return Source("file", str(path))


def test_the_projects_own_files_are_trusted(project: Path) -> None:
    study = project / "results" / "came"
    check_trust(source(project / "mine.py"), study, trust=False)
    check_trust(Source("module", "search_spaces.beale"), study, trust=False)
    check_trust(Source("object", "notebook"), study, trust=False)


def test_files_elsewhere_are_named_and_not_run(project: Path) -> None:
    study = project / "results" / "came"
    (project / "link.py").symlink_to(project.parent / "other.py")
    for path in (project.parent / "other.py", study / "theirs.py", project / "link.py"):
        with pytest.raises(ExperimentError, match=r"\.py \(SHA-256 [0-9a-f]{16}\), .*add `trust`"):
            check_trust(source(path), study, trust=False)
        check_trust(source(path), study, trust=True)


@pytest.mark.parametrize("where", ["antigravity", "no.such.module", "", "..a"])
def test_modules_elsewhere_are_not_imported(project: Path, where: str) -> None:
    with pytest.raises(ExperimentError, match=f"names {where}.*it would be run"):
        check_trust(Source("module", where), project, trust=False)


def test_who_is_asked_decides(project: Path) -> None:
    asked: list[str] = []

    def says(answer: bool) -> None:
        def ask(question: str) -> bool:
            asked.append(question)
            return answer

        check_trust(source(project.parent / "other.py"), project, trust=False, ask=ask)

    says(True)
    with pytest.raises(ExperimentError, match="outside of this project"):
        says(False)
    assert all(question.endswith("Run it?") and "SHA-256" in question for question in asked)
