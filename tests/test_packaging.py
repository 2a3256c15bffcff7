"""What a fresh machine gets: the wheel, the lock, the Makefile's set-up and what CI runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import tuner

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text().splitlines()

# Stands for Python in a set-up: notes each step in `steps`, and fails to install while `broken` is
# there. `-c` is the real thing, at the version in `claims` if there is one.
PYTHON = f"""#!/bin/sh
case "$*" in
  -c*) shift
       claim=$(cat claims 2> /dev/null || echo "sys.version_info")
       exec {sys.executable} -c "import sys; sys.version_info = $claim; $1" ;;
  "-m venv"*) rm -rf .venv; mkdir -p .venv/bin .venv/lib; cp python .venv/bin; echo venv >> steps ;;
  *compileall*) echo compile >> steps ;;
  *--requirement*) echo packages >> steps; [ ! -e broken ] ;;
  *--editable*) echo project >> steps ;;
esac
"""


def environment() -> dict[str, str]:
    """Ours, less what a `make test` around these tests says to its own sub-makes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


class Checkout:
    """A folder with the Makefile and a Python that only notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        python = folder / "python"
        python.write_text(PYTHON)
        python.chmod(0o755)

    def start_setup(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["make", "setup", f"PYTHON={self.folder / 'python'}"],
            cwd=self.folder,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def setup(self) -> tuple[int, str, list[str]]:
        """The exit code, what it printed, and the steps it took."""
        steps = self.folder / "steps"
        steps.write_text("")
        process = self.start_setup()
        out, _ = process.communicate(timeout=60)
        return process.returncode, out, steps.read_text().split()

    def outdate(self, stamp: str, than: str) -> None:
        at = (self.folder / than).stat().st_mtime - 1
        os.utime(self.folder / ".venv" / stamp, (at, at))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


ALL = ["venv", "packages", "compile", "project"]


def test_a_second_set_up_does_nothing(checkout: Checkout) -> None:
    assert checkout.setup()[::2] == (0, ALL)
    assert checkout.setup()[::2] == (0, [])


def test_a_set_up_that_was_cut_short_is_begun_again(checkout: Checkout) -> None:
    (checkout.folder / "broken").touch()
    assert checkout.setup()[::2] == (2, ["venv", "packages"])
    (checkout.folder / "broken").unlink()
    assert checkout.setup()[::2] == (0, ALL)


def test_an_update_that_was_cut_short_is_begun_again(checkout: Checkout) -> None:
    checkout.setup()
    checkout.outdate(".packages", than="requirements.lock")
    (checkout.folder / "broken").touch()
    assert checkout.setup()[::2] == (2, ["packages"])
    (checkout.folder / "broken").unlink()
    assert checkout.setup()[::2] == (0, ALL)


@pytest.mark.parametrize(
    ("stamp", "changed", "steps"),
    [
        (".packages", "requirements.lock", ["packages", "compile", "project"]),
        (".ready", "pyproject.toml", ["project"]),
    ],
)
def test_a_change_is_installed_in_place(
    checkout: Checkout, stamp: str, changed: str, steps: list[str]
) -> None:
    checkout.setup()
    checkout.outdate(stamp, than=changed)
    assert checkout.setup()[::2] == (0, steps)
    assert checkout.setup()[::2] == (0, [])


def test_two_set_ups_at_once_do_the_work_once(checkout: Checkout) -> None:
    processes = [checkout.start_setup() for _ in range(3)]
    out = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], out
    assert (checkout.folder / "steps").read_text().split() == ALL


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 14, 0)])
def test_a_python_that_tuner_does_not_support_is_refused(
    checkout: Checkout, version: tuple[int, int, int]
) -> None:
    (checkout.folder / "claims").write_text(str(version))
    code, out, steps = checkout.setup()
    assert (code, steps) == (2, [])
    expected = (
        rf"needs Python 3\.11 to 3\.13 and \S+ is 3\.{version[1]}; name another: make PYTHON="
    )
    assert re.search(expected, out)


def test_the_lock_pins_and_says_nothing_else() -> None:
    for line in LOCK:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ; [^@]+)?", line), line


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_lock_holds_all_that_tuner_and_its_tests_require(version: str) -> None:
    locked = {
        canonicalize_name(name): Version(pin.split(";")[0].strip())
        for name, pin in (line.split("==", 1) for line in LOCK)
    }
    todo = [(text, "") for text in PROJECT["dependencies"]]
    for extra in ("test", "docs"):
        todo += [(text, "") for text in PROJECT["optional-dependencies"][extra]]
    seen = set()
    while todo:
        text, extra = todo.pop()
        required = Requirement(text)
        where = {"python_version": version, "python_full_version": f"{version}.0", "extra": extra}
        if (text, extra) in seen or (required.marker and not required.marker.evaluate(where)):
            continue
        seen.add((text, extra))
        name = canonicalize_name(required.name)
        assert name in locked, text
        assert required.specifier.contains(locked[name], prereleases=True), text
        asked = metadata.requires(name) or []
        todo += [(other, extra) for other in asked for extra in ("", *required.extras)]


def test_the_wheel_holds_the_packages_their_types_and_the_script(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("tuner", "search_spaces", "analysis"):
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "from setuptools import build_meta; build_meta.build_wheel('out')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    [wheel] = (source / "out").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"tuner-{tuner.__version__}.dist-info"
        script = archive.read(f"{info}/entry_points.txt").decode()
        about = archive.read(f"{info}/METADATA").decode()
    sources = {p.relative_to(source).as_posix() for p in source.rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == {
        name for name in sources if not name.startswith("build/")
    }
    assert {"tuner/py.typed", f"{info}/licenses/LICENSE"} <= names
    assert "tuner = tuner.cli:main" in script
    assert "License-Expression: MIT" in about


def test_ci_runs_what_the_readme_says_in_a_clean_environment(tmp_path: Path) -> None:
    (tmp_path / "clone" / ".ci").mkdir(parents=True)
    mnist = tmp_path / "shared" / "data" / "mnist.npz"
    mnist.parent.mkdir(parents=True)
    mnist.touch()
    ci = shutil.copy(ROOT / ".ci" / "run", tmp_path / "clone" / ".ci")
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "made $*"; env\n')
    make.chmod(0o755)
    apt = tmp_path / "apt-get"  # the machine that runs this test gets nothing installed by it
    apt.write_text("#!/bin/sh\n")
    apt.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": "/nowhere",
        "RAY_ADDRESS": "1.2.3.4:6379",
        "PIP_TIMEOUT": "7",
    }
    done = subprocess.run(["bash", ci], env=env, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("made ")] == [
        "made setup",
        "made check",
        "made docs",
        "made test",
    ]
    assert {f"TUNER_MNIST={mnist}", "PIP_TIMEOUT=7", "TUNER_TESTS_NEED_ALL=1"} <= set(lines)
    assert not [line for line in lines if line.startswith(("PYTHON", "RAY_"))]
    assert sum(bool(re.fullmatch(r"== make [\w-]+ took \d+ s", line)) for line in lines) == 4
