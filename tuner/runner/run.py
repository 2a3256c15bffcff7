"""The main job, from a request to a finished study: what `tuner run` and `tuner.run` do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cluster.fetch import moved_from
from tuner.cluster.kept import Connect
from tuner.cluster.session import Runtime, connect, is_connected
from tuner.data.datasets import Dataset
from tuner.data.datasets import load as load_dataset
from tuner.engines.process import start_ahead
from tuner.errors import StudyError, TunerError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded, digest
from tuner.experiment.settle import cells_per_trial, splits_of
from tuner.registry import said
from tuner.runner import share
from tuner.runner.best_weights import keep_best
from tuner.runner.display import Display
from tuner.runner.finished import Finished, Interrupted
from tuner.runner.lost_reports import lost_reports
from tuner.runner.place import Place, find_place
from tuner.runner.request import Request
from tuner.runner.resolve import (
    absolute_data,
    check_data,
    headline,
    load_asked,
    notes,
    resources_of,
)
from tuner.samplers.registry import check_sampler
from tuner.search_space.set_option import set_axes
from tuner.search_space.space import SearchSpace
from tuner.store.copying import mirrored
from tuner.store.damage import reading
from tuner.store.database_lock import ledger_locked
from tuner.store.folder import locked
from tuner.store.layout import FILES_FOLDER, JOURNAL_FILE, REPORT_LOG_FILE
from tuner.store.ledger import Ledger, journal_storage, shown_url, url_storage
from tuner.store.log import cut_unfinished
from tuner.store.loggers import Logger, loggers_of
from tuner.store.resume_checks import check_dataset, file_change
from tuner.store.study_json import StoredExperiment, StudyFile, describe
from tuner.store.tables import Recorder
from tuner.store.write_errors import writing
from tuner.study.restore import restore
from tuner.study.study import Study

if TYPE_CHECKING:
    from tuner.engines.choice import Chosen


def run_study(request: Request, display: Display, via: Connect = connect) -> Finished:
    """Run a new study, or go on with one, to its end. Raises Interrupted on Ctrl-C."""
    with opened(request, display, via) as job:
        engine = job.choose()
        study = job.keep(engine)
        job.drive(study, engine)
    return job.finished(study, engine)


@dataclass
class Opened:
    """A run that holds its study's lock: its place, its experiment and data, and Ray's start."""

    place: Place
    loaded: Loaded
    settled: Experiment
    runtime: Runtime
    dataset: Dataset | None
    display: Display
    address: str | None = None
    loggers: Sequence[str | Logger] = ()
    study: Study | None = None

    @property
    def begun(self) -> bool:
        """Whether a trial was asked for, so that there is something to keep."""
        return not self.place.new or (self.study is not None and bool(self.study.records))

    def choose(self) -> Chosen:
        """The engine, once Ray stands: what Ray refuses is said before a trial is asked for."""
        import pandas  # noqa: F401  # PyArrow will, at its first table; Ray is still starting

        from tuner.engines.choice import choose
        from tuner.engines.contract import Job
        from tuner.engines.shipping import needs_keras

        with self.display.phase("starting Ray"):
            self.runtime.ready()
        if self.address is not None:
            path = self.place.path
            share.join(self.settled, path, self.runtime, self.address, self.display.line)
        files = self.place.path.resolve() / FILES_FOLDER
        splits = splits_of(self.settled)
        job = Job(self.settled, self.loaded.source, splits, self.dataset, files)
        waiting = "starting workers"
        if needs_keras(self.settled.objective):
            waiting = "importing TensorFlow in the workers"
        self.display.waiting = waiting
        with self.display.phase(waiting):
            engine = choose(job, self.runtime)
        kept = self.place.kept
        return replace(engine, why=kept.engine_because) if kept and kept.engine_because else engine

    def keep(self, engine: Chosen) -> Study:
        """Write study.json, and open the study that it describes."""
        path = self.place.path
        self.display.line(f"engine: {engine}")
        if self.settled.engine == "auto":
            self.settled = replace(self.settled, engine=engine.name)
        self.settled = replace(self.settled, lanes=engine.lanes)
        said = described(
            self.place, self.loaded, self.settled, self.dataset, engine.why, self.display.line
        )
        cut_logs(path, self.display.line)
        with writing(path):
            self.place.write(said)
            self.study = open_study(self.settled, self.place, self.loggers, self.display.line)
            if (store := self.study.recorder.store) is not None:
                for line in lost_reports(self.study.records, store):
                    self.display.line(line)
        if self.runtime.lease is not None:
            share.follow(self.runtime.lease, self.study)
            self.display.beside = self.runtime.lease.said
        return self.study

    def drive(self, study: Study, engine: Chosen) -> None:
        """Run the study on its engine, and leave its tables whole however that ends."""
        try:
            with writing(self.place.path):
                if not study.finished:
                    with self.display.following(study):
                        engine.run(study)
        except KeyboardInterrupt:
            if not self.begun:
                raise
            raise Interrupted(study.total_ended(), self.place.path) from None
        finally:
            with writing(self.place.path):
                study.close()
                if line := keep_best(study, self.place.path, self._fetch):
                    self.display.line(line)

    def _fetch(self, host: str, file: Path) -> bytes | None:
        return None if self.runtime.local else moved_from(host, file)

    def finished(self, study: Study, engine: Chosen) -> Finished:
        """What the run leaves behind."""
        seconds = study.clock() - study.started
        return Finished(self.place.path, study, seconds, self.place.shown, engine.seconds())


@contextmanager
def opened(request: Request, display: Display, via: Connect = connect) -> Iterator[Opened]:
    """Find the study's place, start Ray (`via`), and hold the study's locks.

    All is undone in reverse. A run that fails before its first trial was asked for leaves nothing
    behind of what it wrote.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # inherited by the workers
    overrides = {**request.overrides, **absolute_data(request.overrides.get("dataset"))}
    loaded = load_asked(request.experiment, overrides)
    if request.sets:
        space = set_axes(SearchSpace(loaded.experiment.space), request.sets)
        overrides = {**overrides, "space": space}
    place = find_place(request, loaded, overrides, display.line)
    settled = place.settled
    note = check_sampler(
        settled.sampler,
        SearchSpace(settled.space),
        len(settled.goals),
        learns=bool(settled.learn_from),
    )
    display.line(headline(settled, place.path))
    for line in notes(settled):
        display.line(line)
    if note is not None:
        display.line(note)
    if request.address is None and not is_connected(None):
        start_ahead(settled.objective)
    made = place.make()
    job: Opened | None = None

    def give_up(error: StudyError) -> None:
        if job is not None and job.study is not None:
            job.study.give_up(error)  # another driver may have the study

    try:
        with (
            via(*resources_of(settled), address=request.address) as runtime,
            share.given_back(runtime),
            locked(place.path),
            mirrored(place.mirror, place.path, give_up),
            ledger_locked(place.storage, place.name, give_up),
        ):
            dataset = None if settled.dataset is None else load_dataset(settled.dataset)
            if dataset is not None and dataset.done:
                display.line(f"data: {'; '.join(dataset.done)}")
            if place.kept is not None:
                check_dataset(place.kept, dataset)
            for line in place.learned.said_of_data(dataset) if place.new else ():
                display.line(line)
            check_data(settled, dataset)
            job = Opened(
                place, loaded, settled, runtime, dataset, display, request.address, request.loggers
            )
            runtime.on_death = give_up
            try:
                yield job
            except BaseException:
                if job.study is not None and not job.begun and job.study.abort is None:
                    job.study.ledger.forget()  # while its lock is held
                raise
    except BaseException as error:
        if made is not None and not (job is not None and job.begun):
            place.remove(made)  # a mistake, or Ctrl-C, leaves no half-made study behind
        abort = None if job is None or job.study is None else job.study.abort
        if isinstance(error, TunerError) and abort is not None and error is not abort:
            raise abort from error  # the lock was lost, say, and then the ledger
        raise
    if job.study is not None and job.study.abort is not None:
        raise job.study.abort


def described(
    place: Place,
    loaded: Loaded,
    settled: Experiment,
    dataset: Dataset | None,
    why: str,
    say: Callable[[str], None],
) -> StudyFile:
    """What study.json says from now on: a resume changes its experiment alone. `why` is the
    engine's reason."""
    kept = place.kept
    if kept is not None:
        changed = StoredExperiment.of(settled).model_dump(exclude={"goals"})
        experiment = kept.experiment.model_copy(update=changed)
        if changed_file := file_change(kept, loaded.source):
            say(changed_file)
        now = {"source_sha256": digest(loaded.source)}
        return kept.model_copy(update={"experiment": experiment, **now})
    return describe(
        loaded,
        settled,
        dataset,
        name=place.name,
        enqueued=place.enqueued,
        storage=None if place.storage is None else shown_url(place.storage),
        engine_because=why,
    )


def cut_logs(path: Path, say: Callable[[str], None]) -> None:
    """Cut what a run that ended amid a line has left, before anything is appended."""
    for name in (JOURNAL_FILE, REPORT_LOG_FILE):
        if cut := cut_unfinished(path / name):
            say(f"{path / name}: cut {cut} bytes that the last run left")


def open_study(
    settled: Experiment,
    place: Place,
    loggers: Sequence[str | Logger] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Study:
    """The study at a place, restored from what it kept; `say` is told of a logger that fails."""
    path, storage = place.path, place.storage
    with reading(path, writes=True):
        backend = journal_storage(path) if storage is None else url_storage(storage)
        ledger = Ledger(
            place.name, settled.direction, backend, new=place.new, metric=settled.metric
        )
        try:
            named = [settled.log] if settled.log else []
            given = [*named, *(["tensorboard"] if settled.tensorboard else []), *loggers]
            cells = cells_per_trial(settled)
            metric = settled.goals[0].metric
            told = loggers_of(given, path, metric=metric, cells=cells, say=say)
            recorder = Recorder(path, SearchSpace(settled.space), said(settled.engine), told)
            learned = place.learned.learned(SearchSpace(settled.space))
            study = Study(
                settled, ledger, recorder=recorder, enqueued=place.enqueued, learned=learned
            )
            restore(study)
            study.save()
        except BaseException:
            if place.new:
                ledger.forget()
            raise
    return study
