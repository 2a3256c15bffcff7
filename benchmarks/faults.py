"""Faults at random moments of real runs: is every trial there once at the end?

    python -m benchmarks.faults [--faults 200] [--minutes 60] [--seed 0] [--modes search grid cv]
                                [--engines ray_tune fused] [--kinds ...] [--clusters 1]
                                [--timeout 4]

A study runs as a user's does, `python -m tuner run` and `--resume` until it ends; meanwhile faults
of all kinds strike. Afterwards every trial (in a cross-validation every cell) must be there once,
finished trials and their reports as they were when they finished, and no process left behind.

| fault | what is done |
| --- | --- |
| driver KILL, INT, TERM | the signal, to `python -m tuner run`; it is then resumed |
| trainer, fork server KILL | SIGKILL to a process that trains, or to that which forks those |
| actor KILL | SIGKILL to the actor of Ray's that holds a trainer |
| raylet, GCS KILL | SIGKILL to a process of Ray itself |
| trainer, actor STOP | SIGSTOP: it hangs until --trial-timeout ends its trial |
| raise | the user's code raises, once |
| memory | it asks for more than its address space may hold (a limit of its own): MemoryError |
| full disk | the results lie on a small tmpfs, which is filled until the driver has ended |
| read-only | no file can be made in the study's folder until the driver has ended |
| node cut | a node of a two-node cluster dies, another joins (studies of their own, --clusters) |
| raise always | a point that always raises: FAILED, exit 1 of grid and cv, run again by --resume |
| NaN | a point whose metric is NaN: DIVERGED |

The last two don't count towards --faults. "lost", "duplicated" and "changed" count what went wrong
in the studies that a fault struck; "recover_s" is the median of the seconds from it until reports
come in again and as many workers train as before. A fault in four strikes before that, amid the
recovery from the one before.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import psutil

import tuner
from benchmarks.accounts import Account, audit, count_changed, ended_trials
from benchmarks.faulty import DIVERGES, EPOCHS, FAILS, FOLDER, LANE_EPOCHS
from benchmarks.strikes import ON_CLUSTER, ON_MACHINE, Run, impossible, small_disk

STUDY_S = 900.0
GONE_S = 180.0
"""Ray's agents outlive a driver that was killed by up to two minutes."""
GO_ON = ("cannot be written", "the first 3 trials all failed", "the workers die as they start",
         "has died, so the run was stopped")  # fmt: skip
"""Of what a run that ended in a line says: the way out is --resume."""
WORKERS = 2
ALWAYS = ("raise always", "NaN")


@dataclass(frozen=True)
class Mode:
    """A mode of the campaign: flags, how many trials it makes, cells a trial."""

    name: str
    flags: tuple[str, ...]
    trials: int
    cells: int = 1


ASHA = Mode("search", ("--trials", "60", "--sampler", "tpe", "--scheduler", "asha"), 60)
MODES = {
    "search": Mode("search", ("--trials", "36", "--sampler", "random", "--scheduler", "none"), 36),
    "grid": Mode("grid", ("--set", "x=0.1,0.2,0.3"), 36),
    "cv": Mode("cv", ("--set", "x=0.5", "--data", "digits"), 12, cells=3),
}


class Campaign:
    """One study after another, struck until enough faults were injected."""

    def __init__(self, orders: Path, results: Path, seed: int, timeout_s: float) -> None:
        self.random = random.Random(seed)
        self.timeout_s = timeout_s
        self.orders, self.results = orders, results
        self.times: Counter[tuple[str, str]] = Counter()
        self.accounts: dict[tuple[str, str], Account] = defaultdict(Account)
        self.total = Account()
        self.recovered: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.pending: tuple[str, float] | None = None
        self.number = 0
        self.engine = ""

    @property
    def struck(self) -> int:
        """How many faults were injected, beside the points that always break."""
        return sum(times for (_, kind), times in self.times.items() if kind not in ALWAYS)

    def study(self, engine: str, mode: Mode, kinds: list[str], cluster: bool = False) -> None:
        """Run a study to its end under fire, once more in peace, and check it."""
        self.number += 1
        self.engine = engine
        path = self.results / f"{mode.name}-{self.number}"
        before, account = self.times.copy(), Account()
        with contextlib.ExitStack() as stack:
            helper = stack.enter_context(two_nodes()) if cluster else None
            command = self._command(engine, mode, path.name, helper)
            ended: dict[int, Any] = {}
            struck, until = True, time.monotonic() + STUDY_S
            while True:
                code, said = self._session(command, path, kinds if struck else [], helper, until)
                now = self._ended(path, ended)
                account.changed += count_changed(ended, now)
                ended = now
                if code in (0, 1) and "Traceback" not in said:
                    if not struck:
                        break
                    struck, again = False, attempts_of_failed(path)
                elif code == 1 or (code == 2 and not any(line in said for line in GO_ON)):
                    sys.exit(f"{path.name}: {said}")
        epochs = LANE_EPOCHS if engine == "fused" else EPOCHS
        account.add(audit(path, trials=mode.trials, cells=mode.cells, epochs=epochs))
        account.lost += self._count_always(engine, mode, path, code, again)
        kinds_here = [key for key, times in self.times.items() if times > before[key]]
        for key in kinds_here:
            self.accounts[key].add(account)
        self.total.add(account)
        injected = ", ".join(f"{self.times[k] - before[k]} {k[1]}" for k in kinds_here)
        print(f"{path.name} on {engine}: {vars(account)} after {injected}", flush=True)

    def _command(self, engine: str, mode: Mode, name: str, helper: Any) -> list[str]:
        experiment = "LANES" if engine == "fused" else "FUNCTION"
        place = ["--address", helper[1]] if helper else ["--concurrency", str(WORKERS)]
        lanes = ["--lanes", "4"] if engine == "fused" else []
        return [
            sys.executable, "-m", "tuner", "run", f"benchmarks.faulty:{experiment}", "--study",
            name, "--results", str(self.results), "--mode", mode.name, "--engine", engine,
            "--trial-timeout", str(self.timeout_s), "--seed", str(self.number), "--quiet",
            *place, *lanes, *mode.flags,
        ]  # fmt: skip

    def _session(
        self, command: list[str], path: Path, kinds: list[str], helper: Any, until: float
    ) -> tuple[int, str]:
        """A driver from its start to its end, however it comes; its exit code and its errors."""
        flags = ["--resume"] if (path / "study.json").exists() else []
        with tempfile.TemporaryFile("w+") as errors:
            driver = subprocess.Popen([*command, *flags], stdout=subprocess.DEVNULL, stderr=errors)
            try:
                self._strike_until_it_ends(driver, path, kinds, helper, until)
            finally:
                driver.kill()
                driver.wait()
            errors.seek(0)
            return driver.returncode, errors.read()

    def _strike_until_it_ends(
        self,
        driver: subprocess.Popen[bytes],
        path: Path,
        kinds: list[str],
        helper: Any,
        until: float,
    ) -> None:
        log = path / "reports.log"
        nodes, roots = (helper[0].stdin, [psutil.Process(helper[0].pid)]) if helper else (None, [])
        run = Run(psutil.Process(driver.pid), path, self.orders, self.random, nodes, roots)
        size, amid = _size(log), False
        while driver.poll() is None:
            if time.monotonic() > until:
                sys.exit(f"{path.name} did not end within {STUDY_S:g} s")
            works = self._works(run, log, size)
            if works and self.pending is not None:
                kind, at = self.pending
                self.recovered[self.engine, kind].append(time.monotonic() - at)
                self.pending = None
            if not kinds or not (works or (amid and _size(log) > size)):
                time.sleep(0.05)
                continue
            kind = self.random.choice(kinds)
            self._wait(driver, self.random.uniform(0, 1.2))
            amid = self.random.random() < 0.25
            size, at = _size(log), time.monotonic()
            with contextlib.suppress(psutil.NoSuchProcess):
                if driver.poll() is None and {**ON_MACHINE, **ON_CLUSTER}[kind](run):
                    self.times[self.engine, kind] += 1
                    self.pending = kind, at
                    self._wait(driver, 3.0 if kind in ON_CLUSTER else 0.0)

    @staticmethod
    def _wait(driver: subprocess.Popen[bytes], seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(seconds)

    @staticmethod
    def _works(run: Run, log: Path, size: int) -> bool:
        return _size(log) > size and len(run.workers()) >= WORKERS

    def _ended(self, path: Path, before: dict[int, Any]) -> dict[int, Any]:
        try:
            return ended_trials(path)
        except tuner.TunerError:
            if before:
                raise
            return before  # killed before the first table

    def _count_always(
        self, engine: str, mode: Mode, path: Path, code: int, again: dict[int, int]
    ) -> int:
        """Count the points that always break; how many of them were not told as they should be."""
        table = tuner.load(path).trials
        self.times[engine, "NaN"] += int((table["param_a"] == DIVERGES).sum())
        failing = int((table["param_a"] == FAILS).sum())
        self.times[engine, "raise always"] += failing
        now = attempts_of_failed(path)
        not_again = sum(now.get(trial, 1 << 30) <= attempt for trial, attempt in again.items())
        return not_again + (code != int(mode.name != "search" and failing > 0))

    def table(self) -> pd.DataFrame:
        """A row a fault and an engine."""
        rows = [
            {
                "fault": kind,
                "engine": engine,
                "times": self.times[engine, kind],
                **vars(self.accounts[engine, kind]),
                "recover_s": median(self.recovered[engine, kind] or [float("nan")]),
            }
            for engine, kind in sorted(self.times, key=lambda key: (key[1], key[0]))
        ]
        return pd.DataFrame(rows).round(1)


def attempts_of_failed(path: Path) -> dict[int, int]:
    """The attempt of every FAILED trial."""
    table = tuner.load(path).trials
    failed = table[table["state"] == "FAILED"]
    return dict(zip(failed["trial"], failed["attempt"], strict=True))


@contextlib.contextmanager
def two_nodes() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A cluster of two nodes: the process that cuts one at a line of its input, and its address."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    helper = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.cut_nodes"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert helper.stdout is not None
        yield helper, helper.stdout.readline().strip()
    finally:
        assert helper.stdin is not None
        helper.stdin.close()
        helper.wait(60)
        del os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"]


def left_behind(orders: Path) -> list[str]:
    """The command lines of the campaign's processes that outlive it by more than Ray's agents."""
    ours = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(FOLDER) == str(orders):
                ours.append(process)
    _, alive = psutil.wait_procs(ours, timeout=GONE_S)
    return [" ".join(process.cmdline())[:100] for process in alive]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def run_all(options: argparse.Namespace, campaign: Campaign, until: float) -> None:
    """Studies in turn over the engines and modes, those on a cluster first."""
    why_not = impossible(campaign.results)
    kinds = [k for k in options.kinds if k in ON_MACHINE and k not in why_not]
    for kind in set(options.kinds) & set(why_not):
        print(f"skipped: {kind}, as {why_not[kind]}")
    for engine in options.engines:
        for _ in range(options.clusters if "node cut" in options.kinds else 0):
            campaign.study(engine, MODES[options.modes[0]], list(ON_CLUSTER), cluster=True)
    while kinds and campaign.struck < options.faults and time.monotonic() < until:
        turn, engine = divmod(campaign.number, len(options.engines))
        mode = MODES[options.modes[turn % len(options.modes)]]
        if mode.name == "search" and turn // len(options.modes) % 2:
            mode = ASHA
        campaign.study(options.engines[engine], mode, kinds)
        print(f"{campaign.number} studies, {campaign.struck} faults", flush=True)


def main() -> None:
    """The table, and what was lost, duplicated, changed and left behind: all of it must be 0."""
    every = [*ON_MACHINE, *ON_CLUSTER]
    parser = argparse.ArgumentParser(description="Faults at random moments of real runs.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60, help="start no study after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--timeout", type=float, default=4, help="a trial's; more on a busy machine"
    )
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--engines", nargs="+", default=["ray_tune", "fused"])
    parser.add_argument("--kinds", nargs="+", choices=every, default=every)
    parser.add_argument("--clusters", type=int, default=1, help="studies with node cuts, an engine")
    options = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a shell's background it is deaf
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the disk is unmounted then
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        orders, results = Path(folder) / "orders", Path(folder) / "results"
        orders.mkdir()
        os.environ[FOLDER] = str(orders)
        with small_disk(results):
            campaign = Campaign(orders, results, options.seed, options.timeout)
            run_all(options, campaign, began + 60 * options.minutes)
            left = left_behind(orders)
    print(campaign.table().to_string(index=False))
    for command in left:
        print(f"left behind: {command}")
    found = {**vars(campaign.total), "left_behind": len(left)}
    totals = {"studies": campaign.number, "faults": campaign.struck}
    print(json.dumps({**totals, "minutes": round((time.monotonic() - began) / 60, 1), **found}))
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
