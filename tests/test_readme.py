"""The Python of the README and of the pages for users runs, and what they say to type exists.

A block after `<!-- file: NAME -->` is a file of that name. Every such file that declares an
EXPERIMENT is run through the command line, every other is run by Python. A block after
`<!-- after: COMMAND -->` runs in the folder where COMMAND has run before.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer.main

from tuner.cli.app import app

ROOT = Path(__file__).parent.parent
USERS = ("start", "experiments", "results", "searching", "engines", "cluster", "faults")
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in USERS)]
TEXT = "\n".join(page.read_text() for page in PAGES)
README = PAGES[0].read_text()
NAMED = ("--name", "python -m tuner")
BLOCK = re.compile(r"<!-- (file|after): (.*?) -->\n```python\n(.*?)```", re.DOTALL)
BLOCKS = BLOCK.findall(TEXT)
FILES = {name: text for kind, name, text in BLOCKS if kind == "file"}


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages' files, in which their commands have run."""
    path = tmp_path_factory.mktemp("readme")
    for name, text in FILES.items():
        (path / name).write_text(text)
    commands = dict.fromkeys(what for kind, what, _ in BLOCKS if kind == "after")
    with ThreadPoolExecutor() as pool:  # each mostly waits for its Ray
        done = [pool.submit(run, path, sys.executable, *shlex.split(c)[1:]) for c in commands]
        for command in done:
            command.result()
    return path


def test_every_python_block_is_one_that_runs() -> None:
    assert TEXT.count("```python") == len(BLOCKS) > 4


@pytest.mark.parametrize("name", [name for name in FILES if name != "mine.py"])
def test_a_file_runs(folder: Path, name: str) -> None:
    if "EXPERIMENT" in FILES[name]:
        run(folder, sys.executable, "-m", "tuner", "run", name, "--trials", "3", "--epochs", "2")
    else:
        assert run(folder, sys.executable, name).startswith("{'")


@pytest.mark.parametrize("command", {what: None for kind, what, _ in BLOCKS if kind == "after"})
def test_the_blocks_after_a_command_run(folder: Path, command: str) -> None:
    blocks = [text for kind, what, text in BLOCKS if (kind, what) == ("after", command)]
    assert run(folder, sys.executable, "-c", "\n".join(blocks))


def test_a_users_file_is_short() -> None:
    assert len(FILES["mine.py"].splitlines()) == 8
    assert len(FILES["function.py"].splitlines()) <= 27


def test_what_the_readme_says_first_fits_a_screen() -> None:
    first = README.partition("## ")[0]
    assert len(first.splitlines()) <= 60
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", first)
    assert (ROOT / picture).is_file()


def test_the_page_of_the_command_line_is_what_typer_says_of_it() -> None:
    """`make docs/cli.md` writes it."""
    made = run(ROOT, sys.executable, "-m", "typer", "tuner.cli.app", "utils", "docs", *NAMED)
    assert (ROOT / "docs" / "cli.md").read_text() == made


def test_every_command_and_option_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name for command in commands.values() for p in command.params for name in p.opts}
    assert set(re.findall(r"python -m tuner (\w+)", TEXT)) <= set(commands)
    ours = re.sub(r"^ray .*?( -- |$)", "", TEXT, flags=re.MULTILINE)  # Ray's tools have their own
    assert set(re.findall(r"--[a-z][a-z-]*", ours)) <= {*options, "--help"}


def test_every_target_of_make_exists() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:^    |`)make (\w+)", README, re.MULTILINE)
    assert {"run", "test", "check"} <= set(named) <= set(targets)
