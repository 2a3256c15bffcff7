"""The main job, from an experiment's name to its results: what `tuner run` and `tuner.run` do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.datasets import load as load_dataset
from tuner.display import Display, params_text
from tuner.enqueue import read_points
from tuner.errors import ExperimentError, StudyError, TunerError
from tuner.event_files import EventFiles
from tuner.experiment import (
    GRID,
    Experiment,
    cells_per_trial,
    epochs_are_budget,
    last_epoch,
    settle,
)
from tuner.files import cut_unfinished_line
from tuner.filesystems import is_uri
from tuner.folds import Splits
from tuner.grid import grid_points
from tuner.ledger import Ledger, journal_storage, shown_url, url_storage
from tuner.ledger_lock import ledger_locked
from tuner.loading import Loaded, Source
from tuner.loading import load as load_experiment
from tuner.mirror import Mirror, mirrored
from tuner.recorder import Recorder
from tuner.resume import restore
from tuner.runtime import connect
from tuner.sampler import caveat, check_sampler
from tuner.scheduler import make_scheduler
from tuner.schema import (
    FILES_FOLDER,
    JOURNAL_FILE,
    REPORT_LOG_FILE,
    REPORTS_FOLDER,
    TRIALS_FILE,
)
from tuner.search_space import Int, SearchSpace
from tuner.set_axes import set_axes
from tuner.study import Study
from tuner.study_file import check_dataset, describe, resumed, resumed_storage
from tuner.study_folder import (
    check_place,
    existing_study_path,
    locked,
    make_folder,
    new_study_path,
    read_study_json,
    write_study_json,
)
from tuner.trial import State
from tuner.writing import writing

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.engines.choice import Chosen
    from tuner.results import Results


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run. The text says what is kept and how to go on."""


@dataclass(frozen=True)
class Finished:
    """A run that came to its end. `place` is where users find it: its folder, or its URI."""

    path: Path
    study: Study
    seconds: float
    place: str
    spent: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """1 for a grid or cross-validation with failed cells, else 0."""
        every_point = self.study.experiment.plan != "search"
        return int(every_point and self.study.counts()[State.FAILED] > 0)

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs trained, and epochs that ending trials early saved."""
        trained = saved = 0
        for record in self.study.records:
            if record.shared_with is not None:
                continue
            trained += record.epochs
            limit = last_epoch(self.study.experiment, record.params)
            if record.state in (State.STOPPED, State.DIVERGED) and limit is not None:
                saved += limit * self.study.cells - record.epochs
        return trained, saved

    @property
    def shared_epochs(self) -> int:
        """Epochs that grid points took over from another's training."""
        return sum(r.epochs for r in self.study.records if r.shared_with is not None)

    def summary(self) -> dict[str, Any]:
        """What `--json` prints."""
        best = self.study.best()
        trained, saved = self.epochs
        return {
            "study": self.path.name,
            "path": self.place,
            "metric": self.study.experiment.metric,
            "states": {str(state): n for state, n in sorted(self.study.counts().items())},
            "best": None
            if best is None
            else {"trial": best.trial, "value": best.value, "params": best.params},
            "epochs_trained": trained,
            "epochs_saved": saved,
            "epochs_shared": self.shared_epochs,
            "engine": self.study.experiment.engine,
            "seconds": round(self.seconds, 3),
            "worker_seconds": dict(self.spent),
        }

    def show(self, console: Console) -> None:
        """Print the answer, what it cost, and where the tables are."""
        display = Display(console)
        best = self.study.best()
        states = ", ".join(f"{n} {state}" for state, n in sorted(self.study.counts().items()))
        if best is None:
            display.line("no trial is COMPLETE, so there is no best one")
        else:
            metric = self.study.experiment.metric
            display.line(f"best: trial {best.trial}, {metric} {best.value:.4f}")
            display.line(f"  {params_text(best.params)}")
        display.line(f"{len(self.study.records)} trials in {self.seconds:.0f} s: {states}")
        trained, saved = self.epochs
        if saved:
            share = saved / (trained + saved)
            display.line(
                f"{trained} epochs trained; ending trials early saved {saved} ({share:.0%})"
            )
        if self.shared_epochs:
            shared = self.shared_epochs
            display.line(
                f"sharing one training between points saved {shared} of {trained + shared}"
            )
        if self.spent:
            whole = sum(self.spent.values())
            parts = sorted(self.spent.items(), key=lambda part: -part[1])
            shares = ", ".join(f"{name} {seconds / whole:.0%}" for name, seconds in parts)
            display.line(f"the workers' {whole:.0f} s: {shares}")
        failed = next((r for r in self.study.records if r.state is State.FAILED), None)
        if failed is not None:
            last = (failed.error or "").strip().splitlines()[-1:]
            why = f"python -m tuner logs {self.place} {failed.trial}"
            display.line(f"trial {failed.trial} failed: {''.join(last)}")
            display.line(f"  its traceback: {why}; --resume runs it again")
        display.line(f"results: {self.place}")
        display.line("\n  import pandas as pd")
        display.line(f'  trials = pd.read_parquet("{self.place}/{TRIALS_FILE}")')
        display.line(f'  reports = pd.read_parquet("{self.place}/{REPORTS_FOLDER}")')


def run(
    experiment: str | Experiment,
    *,
    results: str | Path = "results",
    study: str | None = None,
    resume: bool = False,
    address: str | None = None,
    storage: str | None = None,
    enqueue: str | Path | None = None,
    quiet: bool = True,
    **fields: Any,
) -> Results:
    """Run an experiment and return its results, as `python -m tuner run` does.

    `experiment` is an Experiment, or what the command line takes. `fields` override fields of the
    Experiment (`trials=50`, `seed=7`, ...); sampler and scheduler given here count as typed. Raises
    a TunerError for whatever the command line would refuse.
    """
    from rich.console import Console

    from tuner.results import load

    finished = run_study(
        experiment,
        results=str(results),
        study=study,
        resume=resume,
        address=address,
        storage=storage,
        sets=(),
        enqueue=None if enqueue is None else Path(enqueue),
        overrides=fields,
        display=Display(None if quiet else Console()),
    )
    return load(finished.path)


def run_study(
    experiment: str | Experiment,
    *,
    results: str,
    study: str | None,
    resume: bool,
    address: str | None,
    storage: str | None,
    sets: Sequence[str],
    enqueue: Path | None,
    overrides: Mapping[str, Any],
    display: Display,
) -> Finished:
    """Run a new study, or go on with one, to its end. Raises Interrupted on Ctrl-C."""
    from tuner.engines.choice import choose

    # An experiment's file may import TensorFlow, here as in the workers: no noise of its start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    mirror = Mirror(results) if is_uri(results) else None
    if mirror is None:
        check_place(Path(results))
    else:
        mirror.fetch_names()
    folder = Path(results) if mirror is None else mirror.folder
    overrides = {**overrides, **_absolute_data(overrides.get("dataset"))}
    loaded = _loaded(experiment, overrides)
    name = loaded.experiment.name
    if sets:
        overrides = {**overrides, "space": set_axes(SearchSpace(loaded.experiment.space), sets)}
    if resume:
        path = existing_study_path(folder, name, study)
        if mirror is not None:
            mirror.fetch(path)
        content = read_study_json(path)
        settled = resumed(loaded, content, overrides)
        storage = resumed_storage(content, storage)
        if enqueue is not None:
            raise StudyError("--enqueue goes with a new study; this one has begun")
    else:
        settled = _settle(loaded.experiment, overrides)
        path = new_study_path(folder, name, study)
        points = [] if enqueue is None else read_points(enqueue, SearchSpace(settled.space))
        shown = None if storage is None else shown_url(storage)
        content = {"name": path.name, "enqueued": points, "storage": shown}
    check_sampler(settled)
    display.line(headline(settled, path))
    if note := caveat(settled):
        display.line(note)
    made = None if resume else make_folder(path)
    opened: Study | None = None

    def give_up(error: StudyError) -> None:
        if opened is not None:
            opened.give_up(error)

    try:
        with (
            connect(*_resources(settled), address=address) as runtime,
            locked(path),
            mirrored(mirror, path),
            ledger_locked(storage, path.name, give_up),
        ):
            dataset = None if settled.dataset is None else load_dataset(settled.dataset)
            described = describe(loaded, settled, dataset)
            if resume:
                check_dataset(content, dataset)
                described = {"experiment": described["experiment"]}
            content |= described
            with writing(path):
                write_study_json(path, content)
            import pandas  # noqa: F401  # PyArrow will, at its first table; Ray is still starting

            runtime.ready()  # what Ray refuses is said before a trial is asked for
            engine = choose(
                settled,
                runtime,
                loaded.source,
                dataset=dataset,
                splits=_splits(settled),
                files=path.resolve() / FILES_FOLDER,
            )
            engine = replace(engine, why=content.setdefault("engine_because", engine.why))
            display.line(f"engine: {engine}")
            settled = replace(settled, engine=engine.name, lanes=engine.lanes)
            content["experiment"] = describe(loaded, settled, dataset)["experiment"]
            for name in (JOURNAL_FILE, REPORT_LOG_FILE):
                if cut_unfinished_line(path / name):
                    display.line(f"{path / name}: cut the half line that the last run left")
            with writing(path):
                write_study_json(path, content)
                opened = _open(settled, path, content["enqueued"], storage, new=not resume)
                _drive(opened, engine, path, display)
    except TunerError as error:
        if opened is not None and opened.abort is not None and error is not opened.abort:
            raise opened.abort from error  # the lock was lost, say, and then the ledger
        if made is not None and (opened is None or not opened.records):
            shutil.rmtree(made)  # a mistake leaves no half-made study behind
            if mirror is not None:
                mirror.remove(path)
        raise
    if opened.abort is not None:
        raise opened.abort
    place = str(path) if mirror is None else f"{mirror.uri}/{path.name}"
    seconds = opened.clock() - opened.started
    return Finished(path, opened, seconds, place, engine.seconds())


def headline(settled: Experiment, path: Path) -> str:
    """One line that says what runs, and how epochs are spent."""
    space = SearchSpace(settled.space)
    epochs = ""
    if epochs_are_budget(settled) and "epochs" in space:
        epochs = f"; epochs are the budget, {last_epoch(settled, space.constants())} at most"
    elif isinstance(space.get("epochs"), Int):
        epochs = "; epochs is a parameter"
    data = "its own data" if callable(settled.dataset) else settled.dataset or "no data"
    judged = ", judged on the test set" if settled.validation == "test" else ""
    cells = cells_per_trial(settled)
    points = f"{settled.trials} trials"
    if settled.sampler == GRID:
        points = f"{len(grid_points(space))} grid points"
    if cells > 1:
        points += f" on {cells} folds"
    return (
        f"{path.name}: {points}, {settled.sampler} + {settled.scheduler}, seed "
        f"{settled.seed}, {data}{judged}{epochs}"
    )


def _loaded(experiment: str | Experiment, overrides: Mapping[str, Any]) -> Loaded:
    if isinstance(experiment, Experiment):
        return Loaded(experiment, Source("object", experiment.objective.__module__))
    loaded = load_experiment(experiment)
    if loaded.data is not None and "dataset" not in overrides:
        return replace(loaded, experiment=replace(loaded.experiment, dataset=loaded.data))
    return loaded


def _absolute_data(dataset: Any) -> dict[str, str]:
    """The path of an .npz made absolute: a resumed run may start from another folder."""
    if isinstance(dataset, str) and dataset.endswith(".npz"):
        return {"dataset": str(Path(dataset).expanduser().resolve())}
    return {}


def _settle(experiment: Experiment, overrides: Mapping[str, Any]) -> Experiment:
    unknown = sorted(overrides.keys() - vars(experiment).keys())
    if unknown:
        raise ExperimentError(f"an Experiment has no field {', '.join(unknown)}")
    settled = settle(experiment, overrides)
    make_scheduler(settled)  # either refuses here, before anything has begun
    if settled.sampler == GRID:
        grid_points(SearchSpace(settled.space))
    return settled


def _resources(settled: Experiment) -> tuple[int | None, float, float, float | None]:
    return (
        settled.concurrency,
        settled.cpus_per_trial,
        settled.gpus_per_trial,
        settled.memory_per_trial,
    )


def _open(
    settled: Experiment,
    path: Path,
    enqueued: Sequence[Mapping[str, Any]],
    storage: str | None,
    *,
    new: bool,
) -> Study:
    backend = journal_storage(path) if storage is None else url_storage(storage)
    ledger = Ledger(path.name, settled.mode, backend, new=new)
    events = None
    if settled.tensorboard:
        events = EventFiles(path, metric=settled.metric, cells=cells_per_trial(settled))
    recorder = Recorder(path, SearchSpace(settled.space), settled.engine, events)
    study = Study(settled, ledger, recorder=recorder, enqueued=enqueued)
    restore(study)
    study.save()
    return study


def _splits(settled: Experiment) -> Splits:
    return Splits(
        plan=settled.plan,
        validation=settled.validation,
        folds=settled.folds,
        repeats=settled.repeats,
        shuffle=settled.shuffle,
        seed=settled.seed,
    )


def _drive(study: Study, engine: Chosen, path: Path, display: Display) -> None:
    """Run the study on its engine, and leave its tables whole however that ends."""
    try:
        if not study.finished:
            with display.following(study):
                engine.run(study)
    except KeyboardInterrupt:
        kept = study.total_ended()
        raise Interrupted(
            f"interrupted: {kept} finished trials are kept in {path}; go on with "
            f"--study {path.name} --resume"
        ) from None
    finally:
        study.recorder.close(study.records)
        study.ledger.disconnect()
