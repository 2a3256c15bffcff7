"""What all tests share."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which

# Before TensorFlow is imported anywhere: its start-up lines are no news.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import psutil
import pytest

from tuner.forks.folder import NAMED as FORKS
from tuner.forks.folder import make_folder

# One import of TensorFlow for all engines of all tests; the processes of `-n` inherit it.
if FORKS not in os.environ:
    os.environ[FORKS] = str(make_folder())
# Some machines forbid bytecode. Then each of the hundreds of processes that the tests start would
# compile tuner anew, in 0.8 s, and each of pytest's own all tests, in 5 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

hypothesis.settings.register_profile(
    "tuner",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # machines are shared
)
hypothesis.settings.load_profile("tuner")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job is deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and so would all be that tests start

TESTS = Path(__file__).parent

NEED_ALL = "TUNER_TESTS_NEED_ALL"
"""Set by .ci/run: a test that is skipped because something is not installed fails the run."""

OPTIONAL = {
    "Chromium (report, PNG files)": lambda: which("chromium") or which("google-chrome"),
    "kaleido (PNG files)": lambda: find_spec("kaleido"),
    "KerasTuner (the other side of a page)": lambda: find_spec("keras_tuner"),
    "psycopg (ledgers in PostgreSQL)": lambda: find_spec("psycopg"),
    "PostgreSQL's server (the same)": lambda: (
        which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    ),
    "torch (sampler gp; `make test-gp` brings it)": lambda: find_spec("torch"),
    "a real MNIST, named by TUNER_MNIST": lambda: os.environ.get("TUNER_MNIST"),
}
"""What some tests need and a machine may lack."""

LONGEST_FIRST = (
    "programs/test_fuzz.py",
    "cluster/test_commands.py",
    "test_docs.py",
    "lanes/test_lanes.py",
    "engines/test_promises.py",
    "programs/test_programs.py",
    "test_end_to_end.py",
    "engines/test_fused.py",
    "engines/test_fused_worker.py",
    "cluster/test_cluster.py",
    "cases/test_cases.py",
    "test_readme.py",
    "training/test_training.py",
    "engines/test_keras_engines.py",
    "analysis/test_page.py",
    "engines/test_population.py",
    "sklearn/test_search.py",
    "samplers/test_sampler.py",
    "engines/test_ray_tune.py",
    "engines/test_every_engine.py",
    "engines/test_promotion.py",
    "analysis/test_plots.py",
    "cli/test_cli.py",
    "benchmarks/test_regret.py",
)
"""The files that take over a minute. Each goes to one process as a whole, so that one which began
last would be waited for by all."""

MARK = "TUNER_TEST_SESSION"
"""Set for these tests alone and inherited by all that they start, Ray's daemons included, which
are nobody's children once their driver is dead."""
os.environ[MARK] = uuid.uuid4().hex


HELPER = "multiprocessing.resource_tracker"
"""Python's own, which a process that has it keeps until its end."""


def started_here() -> list[psutil.Process]:
    """The processes that these tests, or what they started, have started and that still run, but
    for the fork servers that all tests share, and this process's own helper."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK) == os.environ[MARK]
            words = process.cmdline()
            ours = ours and not any(os.environ[FORKS] in word for word in words)
            if any(HELPER in word for word in words) and process.ppid() == os.getpid():
                continue
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended meanwhile, or is another user's
    return found


def end_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}

    def place_of(item: pytest.Item) -> int:
        return places.get(item.path.relative_to(TESTS).as_posix(), len(places))

    items.sort(key=place_of)


def not_installed(reporter: pytest.TerminalReporter) -> list[str]:
    """Why tests were skipped, where it is that something is not installed."""
    reasons = [report.longrepr[2] for report in reporter.stats.get("skipped", [])]
    return sorted({reason for reason in reasons if "not installed" in reason})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lacking = [what for what, there in OPTIONAL.items() if not there()]
    if lacking:
        terminalreporter.section("not here, so their tests do not run")
        for what in lacking:
            terminalreporter.line(what)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(NEED_ALL) and reporter is not None and (lacking := not_installed(reporter)):
        reporter.line("")
        reporter.line(f"{NEED_ALL} is set, and tests were skipped: {'; '.join(lacking)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def process_put_back() -> Iterator[None]:
    """What a test puts on the path ends with it: another one's `mine.py` is another file. And W&B
    leaves an exit of its own, of which tracebacks would tell."""
    path, leave = list(sys.path), sys.exit
    yield
    sys.path[:], sys.exit = path, leave


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The path of a real MNIST, named by TUNER_MNIST."""
    path = os.environ.get("TUNER_MNIST")
    if path is None:
        pytest.skip("a real MNIST is not installed")
    return Path(path)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a simulated study of 12 trials, for all tests that only look at one."""
    from tests.made_study import make_study

    folder = tmp_path_factory.mktemp("made") / "whole"
    folder.mkdir()
    make_study(folder)
    return folder


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to change or break."""
    return Path(shutil.copytree(whole, tmp_path / "whole"))


@pytest.fixture
def ends_orphans() -> Iterator[None]:
    """For a test that kills a driver: ends what Ray would leave behind for a minute or two."""
    before = set(started_here())
    yield
    end_all([process for process in started_here() if process not in before])


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Whatever the tests started has ended with them, or the last of them fails."""
    yield
    _, alive = psutil.wait_procs(started_here(), timeout=10)
    names = [" ".join(process.cmdline())[:120] for process in alive if process.is_running()]
    end_all(alive)
    assert not names, f"{len(names)} processes outlive the tests: {names}"
