"""Type what a newcomer types, in a fresh clone, and say how long each step took: docs/newcomer.md.

python scripts/newcomer.py SOURCE [FOLDER]   # SOURCE is what `git clone` takes

FOLDER must not exist; it is a temporary one, removed at the end, where none is given. Python's
packages come from wherever pip finds them here, so an empty cache of pip is part of a fair time.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = ".venv/bin/python"
MODEL = """
import tuner
results = tuner.load("results/mine")
print(results.best_model().count_params(), "weights;", results.test_score())
"""
STEPS: list[tuple[str, list[list[str]], str]] = [
    ("set up", [["make", "setup"]], ""),
    ("first result", [["make", "run"]], r"best: trial \d+"),
    (
        "first own function",
        [[PYTHON, "-m", "tuner", "new", "mine.py"], [PYTHON, "-m", "tuner", "run", "./mine.py"]],
        r"best: trial \d+",
    ),
    ("first best model", [[PYTHON, "-c", MODEL]], r"weights; \{.*'accuracy'"),
    ("first report", [[PYTHON, "-m", "tuner", "report", "results/mine"]], r"report\.html"),
]
"""A step's name, its commands, and what the last of them must say."""


def walk(source: str, folder: Path) -> None:
    """Clone and take every step. Raises RuntimeError where one fails or says another thing."""
    began = time.monotonic()
    subprocess.run(["git", "clone", "-q", source, str(folder)], check=True)
    print(f"{'clone':20}{time.monotonic() - began:7.0f} s", flush=True)
    for name, commands, wanted in STEPS:
        started = time.monotonic()
        said = ""
        for command in commands:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            said = done.stdout
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{said}{done.stderr}")
        if not re.search(wanted, said):
            raise RuntimeError(f"{' '.join(commands[-1])} did not say {wanted}:\n{said}")
        now = time.monotonic()
        print(f"{name:20}{now - started:7.0f} s, {now - began:.0f} s since the start", flush=True)


def main() -> None:
    """Walk in the folder given, or in one that is removed."""
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    if len(sys.argv) == 3:
        walk(sys.argv[1], Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            walk(sys.argv[1], Path(folder) / "tuner")


if __name__ == "__main__":
    main()
