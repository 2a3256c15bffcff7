"""Mutated studies' folders through every command that reads one: what becomes of it?

    python -m benchmarks.mutations [--folders 2000] [--seed 0]

A small study is written, then mutated at random: bytes, JSON values, log records with a right
checksum, tables' columns and values, files that are missing, folders or links out of it. Each
mutated folder goes through show, show TRIAL, logs, load, report, simulate, dashboard, --resume (all
but the training) and repair, in a process of its own. Each must end well or in one line: without a
traceback, without a write outside of the folder, with at most 200 MB more than before, within
20 s of CPU, and with nothing printed that a terminal would obey. A row a command; exit 1 where any
other end was met.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import tuner
from tuner.cli.app import run_command
from tuner.engines.simulated import Step, VirtualClock
from tuner.engines.simulated import run as run_simulated
from tuner.errors import TunerError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import settle
from tuner.registry import said
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.log import decode, encode
from tuner.store.study_json import describe
from tuner.store.tables import Recorder
from tuner.study.study import Study
from tuner.trial.cells import Cell

MOST_MB = 200
MOST_S = 20
FILES = ("study.json", "trials.parquet", "reports.parquet/part-00000.parquet",
         "reports.parquet/part-00001.parquet", "journal.log", "reports.log")  # fmt: skip
DEEP: Any = "[" * 3000 + "]" * 3000
HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 70, 3_000_000, 1e308, float("nan"), float("inf"), "", "x", [], {},
    [[[]]], {"a": {"b": 1}}, "\x1b]0;owned\x07", "[/tanh]", "<script>alert(1)</script>",
    "../../outside", "/etc/passwd", "\ud800", "a" * 100_000, "2026-99-99", "COMPLETE",
)  # fmt: skip

Mutation = Callable[[Path, random.Random], None]


def never(trial: Any) -> None:
    raise AssertionError("a simulated study trains nothing")


EXPERIMENT = Experiment(
    name="whole",
    space={"x": Float(0.0, 1.0), "kind": Categorical(["relu", "tanh"]), "epochs": Int(1, 9)},
    objective=never, trials=12, eta=2, seed=3, dataset=None,
)  # fmt: skip


TO_THE_END = {"sampler": "random", "scheduler": "none"}
"""Of every other folder's study: only one without stopped trials can be simulated."""


def curve(cell: Cell) -> Iterator[Step]:
    """Rising curves, of which those with x above 0.8 end in NaN."""
    top = 1.0 - (cell.params["x"] - 0.3) ** 2
    for epoch in range(1, (cell.epochs or 9) + 1):
        value = float("nan") if cell.params["x"] > 0.8 else top * (1.0 - 0.5**epoch)
        yield Step(epoch, {"val_accuracy": value, "loss": 1.0 / epoch})


def make_study(folder: Path, overrides: dict[str, Any]) -> None:
    """A study of 12 trials, simulated, with all of its files."""
    settled = settle(EXPERIMENT, overrides)
    loaded = Loaded(EXPERIMENT, Source("object", __name__))
    describe(loaded, settled, None, name=folder.name).write(folder)
    clock = VirtualClock()
    recorder = Recorder(folder, SearchSpace(settled.space), said(settled.engine))
    ledger = Ledger(folder.name, settled.direction, journal_storage(folder), new=True)
    study = Study(settled, ledger, recorder=recorder, clock=clock)
    run_simulated(study, curve, workers=2, clock=clock)
    recorder.close(study.records)
    ledger.disconnect()
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs" / "0.log").write_text("== attempt 1\nprinted\n")


# ---------------------------------------------------------------------------- mutations


def change_bytes(folder: Path, chance: random.Random) -> None:
    path = folder / chance.choice(FILES)
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    until = min(len(content), at + chance.choice((1, 4, 64, 4096)))
    match chance.randrange(5):
        case 0:
            content[at:until] = chance.randbytes(until - at)
        case 1:
            del content[at:]
        case 2:
            del content[at:until]
        case 3:
            content[at:at] = content[at:until]
        case 4:
            content[at:until] = bytes(until - at)
    path.write_bytes(content)


def change_study_json(folder: Path, chance: random.Random) -> None:
    path = folder / "study.json"
    content = _mutated(json.loads(path.read_text()), chance)
    path.write_text(DEEP if chance.random() < 0.02 else json.dumps(content))


def change_report_log(folder: Path, chance: random.Random) -> None:
    """A record is changed, doubled, moved or left out; its checksum is right."""
    path = folder / "reports.log"
    records = [decode(line) for line in path.read_bytes().splitlines(keepends=True)]
    path.write_bytes(b"".join(encode(record) for record in _records(records, chance)))


def change_journal(folder: Path, chance: random.Random) -> None:
    path = folder / "journal.log"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    changed = _records(records, chance)
    path.write_text("".join(json.dumps(record) + "\n" for record in changed))


def _records(records: list[Any], chance: random.Random) -> list[Any]:
    at = chance.randrange(len(records))
    match chance.randrange(6):
        case 0:
            del records[at]
        case 1:
            records.insert(chance.randrange(len(records)), records[at])
        case 2:
            del records[at:]
        case _:
            records[at] = _mutated(records[at], chance)
    return records


def _mutated(content: Any, chance: random.Random) -> Any:
    """The content with one node of it replaced, taken away or added."""
    if not isinstance(content, dict | list) or not content or chance.random() < 0.15:
        return chance.choice(HOSTILE)
    keys: list[Any] = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = chance.choice(keys)
    match chance.randrange(8):
        case 0:
            del content[key]
        case 1 if isinstance(content, dict):
            content[chance.choice(("\x1b[2J", "trial", "[/x]", "<b>"))] = content.pop(key)
        case _:
            content[key] = _mutated(content[key], chance)
    return content


def change_table(folder: Path, chance: random.Random) -> None:
    path = folder / chance.choice([name for name in FILES if name.endswith(".parquet")])
    table = pq.read_table(path)
    at = chance.randrange(table.num_columns)
    name, column = table.column_names[at], table.column(at)
    kind = chance.choice((pa.string(), pa.int64(), pa.float64(), pa.null(), pa.list_(pa.int64())))
    match chance.randrange(7):
        case 0:
            table = table.remove_column(at)
        case 1:
            table = table.set_column(at, chance.choice(("<b>", "x", "trial")), column)
        case 2:
            table = table.set_column(at, name, pa.nulls(len(table), kind))
        case 3:
            table = table.slice(0, chance.randrange(len(table) + 1))
        case 4:
            table = pa.concat_tables([table, table])
        case 5:
            table = table.take(list(chance.choices(range(len(table)), k=len(table))))
        case 6:
            values = column.to_pylist()
            if values:
                values[chance.randrange(len(values))] = chance.choice(HOSTILE)
            with contextlib.suppress(pa.ArrowException, OverflowError, TypeError, UnicodeError):
                table = table.set_column(at, name, pa.array(values))
    pq.write_table(table, path)


def change_files(folder: Path, chance: random.Random) -> None:
    """A file or folder is missing, empty, the other kind of thing, or a link out of the folder."""
    path = folder / chance.choice((*FILES, "reports.parquet", "lock", "logs", "logs/0.log"))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    outside = folder.parent.parent / "outside"
    match chance.randrange(6):
        case 0:
            path.touch()
        case 1:
            path.mkdir()
        case 2:
            path.symlink_to(outside / "file")
        case 3:
            path.symlink_to(outside)
        case 4:
            path.symlink_to(outside / "nothing")


MUTATIONS: tuple[Mutation, ...] = (
    change_bytes, change_study_json, change_report_log, change_journal, change_table, change_files,
)  # fmt: skip

# ----------------------------------------------------------------------------- commands


def resume(folder: Path) -> None:
    """What `run --resume` does with the folder before and after the training."""
    from tuner.runner.place import reopened
    from tuner.runner.run import open_study
    from tuner.store.database_lock import ledger_locked
    from tuner.store.folder import locked
    from tuner.store.write_errors import writing

    loaded = Loaded(EXPERIMENT, Source("object", __name__))
    place = reopened(folder, None, loaded, {}, None)
    with locked(folder), ledger_locked(place.storage, place.name), writing(folder):
        assert place.kept is not None
        place.kept.write(folder)
        study = open_study(place.settled, place)
        study.recorder.close(study.records)
        study.ledger.disconnect()


def load(folder: Path) -> None:
    results = tuner.load(folder)
    if results.best is not None:
        assert isinstance(results.best_params, dict)


def dashboard(folder: Path) -> None:
    import optuna

    from tuner.runner.dashboard import watched_storage

    storage = watched_storage(folder, None)
    for name in optuna.get_all_study_names(storage):
        assert optuna.load_study(study_name=name, storage=storage).trials is not None


def command(*arguments: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        given = [argument.replace("STUDY", str(folder)) for argument in arguments]
        code = run_command(given)
        if code == 2:
            assert isinstance(sys.stderr, io.StringIO)
            raise TunerError(sys.stderr.getvalue().strip())

    return run


COMMANDS: dict[str, Callable[[Path], None]] = {
    "show": command("show", "STUDY"),
    "show 0": command("show", "STUDY", "0"),
    "show --csv": command("show", "STUDY", "--csv"),
    "logs 0": command("logs", "STUDY", "0"),
    "load": load,
    "report": command("report", "STUDY"),
    "simulate": command("simulate", "STUDY", "--seeds", "2"),
    "dashboard": dashboard,
    "resume": resume,
    "repair": command("repair", "STUDY"),
    "show again": command("show", "STUDY"),
}


def outcome(do: Callable[[Path], None], folder: Path) -> str:
    """What became of a command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    _limit(MOST_S)
    said = ""
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            do(folder)
        ended = "fine"
    except TunerError as error:
        ended, said = "one line", str(error)
        if "\n" in said:
            ended = f"many lines: {said[:300]}"
    except TimeoutError:
        ended = "hung"
    except (Exception, SystemExit):  # noqa: BLE001 - finding them is what this is for
        ended = f"traceback: {traceback.format_exc()}"
    _limit(0)
    if any(sign in out.getvalue() + err.getvalue() for sign in "\x1b\x07\x9b\ud800"):
        ended = f"obeyed: {ascii(out.getvalue())[:300]}"
    if _memory("VmHWM") - before > MOST_MB:
        ended = f"memory: {_memory('VmHWM') - before:.0f} MB"
    return ended


def _memory(name: str) -> float:
    """A line of /proc/self/status, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _limit(seconds: int) -> None:
    """End by TimeoutError what takes more than so many seconds of CPU, or ten times as many that it
    waits: on a busy machine the one, where it blocks the other."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(10 * seconds)


def _timeout(signum: int, frame: Any) -> None:
    raise TimeoutError


def try_folder(whole: Path, place: Path, seed: int, commands: list[str]) -> dict[str, str]:
    """The outcome of each command on the folder of this seed; the process is forked for it."""
    chance = random.Random(seed)
    shutil.rmtree(place, ignore_errors=True)
    folder = place / "results" / "came"
    shutil.copytree(whole, folder)
    (place / "outside").mkdir()
    (place / "outside" / "file").write_text("mine\n")
    for _ in range(chance.choice((1, 1, 1, 2))):
        with contextlib.suppress(OSError, ValueError, IndexError, pa.ArrowException):
            chance.choice(MUTATIONS)(folder, chance)

    def run() -> dict[str, str]:
        for number in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, _timeout)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(place)
        ended: dict[str, str] = {}
        outside = _digest(place)
        for name in commands:
            ended[name] = outcome(COMMANDS[name], folder)
            if _digest(place) != outside:
                ended[name] = "wrote outside"
                outside = _digest(place)
        return ended

    return forked(run) or dict.fromkeys(commands, "traceback: the process died")


def forked(do: Callable[[], Any]) -> Any:
    """What a call gives in a process of its own; None where that process died of it.

    Of its own, since what Arrow starts at work does not live on in the forks of its process.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as file:
                json.dump(do(), file)
        except BaseException:  # noqa: BLE001 - to end here, and not in what the parent does next
            traceback.print_exc()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        told = file.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else None


def resample_less() -> None:
    """Two resamples tell as much of a damaged table as sixteen, which take most of a report."""
    from analysis.facts import importance

    whole = vars(importance)["importance_of"]

    def less(*args: Any, **options: Any) -> Any:
        return whole(*args, **{**options, "resamples": 2})

    vars(importance)["importance_of"] = less


def import_what_is_used(whole: Path, place: Path, commands: list[str]) -> None:
    """Import here what the commands import as they run, which each child would pay for again."""
    folder = place / "results" / "came"
    shutil.copytree(whole, folder)

    def run() -> list[str]:
        with contextlib.redirect_stdout(io.StringIO()):
            for name in commands:
                COMMANDS[name](folder)
        return list(sys.modules)

    modules = forked(run)
    if modules is None:
        sys.exit("a command ended badly on the study as it was made")
    for name in modules:
        with contextlib.suppress(ImportError):  # of the process's own: __mp_main__
            importlib.import_module(name)


def _digest(place: Path) -> str:
    """What lies outside of the study's folder."""
    inside = place / "results" / "came"
    files = sorted(p for p in place.rglob("*") if not p.is_relative_to(inside))
    content = [(str(p), p.read_bytes() if p.is_file() else b"") for p in files]
    return hashlib.sha256(repr(content).encode()).hexdigest()


def campaign(
    place: Path, folders: int, seed: int, commands: list[str], say: Callable[[str], None]
) -> pd.DataFrame:
    """A row a command: how many folders ended how. `say` hears of each that should not be."""
    wholes = [place / "stopped" / "whole", place / "to the end" / "whole"]
    for whole in wholes:
        whole.mkdir(parents=True)

    def make() -> bool:
        make_study(wholes[0], {})
        make_study(wholes[1], TO_THE_END)
        return True

    if not forked(make):
        sys.exit("the study to mutate could not be made")
    resample_less()
    import_what_is_used(wholes[1], place / "here", commands)
    counts = {name: Counter[str]() for name in commands}
    for number in range(seed, seed + folders):
        for name, ended in try_folder(wholes[number % 2], place / "here", number, commands).items():
            kind = ended.partition(":")[0]
            counts[name][kind] += 1
            if kind not in ("fine", "one line"):
                say(f"folder {number}, {name}: {ended}")
    kinds = sorted({kind for count in counts.values() for kind in count})
    rows = {name: [count[kind] for kind in kinds] for name, count in counts.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=kinds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Mutated folders through every command.")
    parser.add_argument("--folders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    options = parser.parse_args()
    import_all()
    with tempfile.TemporaryDirectory(prefix="mutations") as folder:
        table = campaign(Path(folder), options.folders, options.seed, options.commands, print)
    print(table.to_string())
    sys.exit(any(kind not in ("fine", "one line") for kind in table.columns))


def import_all() -> None:
    """What the commands import, so that it counts in no child's memory."""
    import analysis.replay_show
    import analysis.report  # noqa: F401
    import tuner.runner.dashboard
    import tuner.runner.repair
    import tuner.runner.show  # noqa: F401


if __name__ == "__main__":
    main()
