"""The main job, from an experiment's name to its results: what `tuner run` and `tuner.run` do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.cluster.session import connect
from tuner.data.datasets import load as load_dataset
from tuner.errors import StudyError, TunerError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded
from tuner.experiment.settle import cells_per_trial
from tuner.runner.display import Display
from tuner.runner.enqueue import Given, first_points
from tuner.runner.finished import Finished, Interrupted
from tuner.runner.lost_reports import lost_reports
from tuner.runner.resolve import (
    _absolute_data,
    _loaded,
    _resources,
    _settle,
    _splits,
    headline,
    notes,
)
from tuner.samplers.registry import caveat, check_sampler
from tuner.search_space.set_option import set_axes
from tuner.search_space.space import SearchSpace
from tuner.store.damage import reading
from tuner.store.database_lock import ledger_locked
from tuner.store.folder import (
    check_place,
    existing_study_path,
    locked,
    make_folder,
    new_study_path,
    remove_begun,
)
from tuner.store.layout import (
    FILES_FOLDER,
    JOURNAL_FILE,
    REPORT_LOG_FILE,
)
from tuner.store.ledger import Ledger, journal_storage, shown_url, url_storage
from tuner.store.log import cut_unfinished
from tuner.store.mirror import Mirror, mirrored
from tuner.store.study_json import (
    check_dataset,
    describe,
    read_study_json,
    resumed,
    resumed_storage,
    study_name,
    write_study_json,
)
from tuner.store.tables import Recorder
from tuner.store.tensorboard import EventFiles
from tuner.store.uris import is_uri
from tuner.store.write_errors import writing
from tuner.study.restore import restore
from tuner.study.study import Study

if TYPE_CHECKING:
    from tuner.engines.choice import Chosen
    from tuner.results.results import Results


def run(
    experiment: str | Experiment,
    *,
    results: str | Path = "results",
    study: str | None = None,
    resume: bool = False,
    address: str | None = None,
    storage: str | None = None,
    enqueue: Given = None,
    quiet: bool = True,
    **fields: Any,
) -> Results:
    """Run an experiment and return its results, as `python -m tuner run` does.

    `experiment` is an Experiment, or what the command line takes. `enqueue` is a file, a study's
    folder, a list of points or a DataFrame. `fields` override fields of the
    Experiment (`trials=50`, `seed=7`, ...); sampler and scheduler given here count as typed. Raises
    a TunerError for whatever the command line would refuse.
    """
    from rich.console import Console

    from tuner.results.results import load

    finished = run_study(
        experiment,
        results=str(results),
        study=study,
        resume=resume,
        address=address,
        storage=storage,
        sets=(),
        enqueue=enqueue,
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
    enqueue: Given,
    overrides: Mapping[str, Any],
    display: Display,
) -> Finished:
    """Run a new study, or go on with one, to its end. Raises Interrupted on Ctrl-C."""
    from tuner.engines.choice import choose
    from tuner.engines.contract import Job

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
        content, settled, storage = reopened(path, loaded, overrides, storage)
        if enqueue is not None:
            raise StudyError("--enqueue goes with a new study; this one has begun")
    else:
        settled = _settle(loaded.experiment, overrides)
        path = new_study_path(folder, name, study)
        points = first_points(settled, enqueue, display.line)
        shown = None if storage is None else shown_url(storage)
        content = {"name": path.name, "enqueued": points, "storage": shown}
    check_sampler(settled)
    display.line(headline(settled, path))
    for line in notes(settled):
        display.line(line)
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
            ledger_locked(storage, study_name(content, path), give_up),
        ):
            dataset = None if settled.dataset is None else load_dataset(settled.dataset)
            if dataset is not None and dataset.done:
                display.line(f"data: {'; '.join(dataset.done)}")
            described = describe(loaded, settled, dataset)
            if resume:
                check_dataset(content, dataset)
                described = {"experiment": described["experiment"]}
            content |= described
            with writing(path):
                write_study_json(path, content)
            import pandas  # noqa: F401  # PyArrow will, at its first table; Ray is still starting

            runtime.ready()  # what Ray refuses is said before a trial is asked for
            files = path.resolve() / FILES_FOLDER
            job = Job(settled, loaded.source, _splits(settled), dataset, files)
            engine = choose(job, runtime)
            engine = replace(engine, why=content.setdefault("engine_because", engine.why))
            display.line(f"engine: {engine}")
            settled = replace(settled, engine=engine.name, lanes=engine.lanes)
            content["experiment"] = describe(loaded, settled, dataset)["experiment"]
            for name in (JOURNAL_FILE, REPORT_LOG_FILE):
                if cut := cut_unfinished(path / name):
                    display.line(
                        f"{path / name}: cut {cut} bytes that the last run left unfinished"
                    )
            with writing(path):
                write_study_json(path, content)
                name = study_name(content, path)
                opened = _open(settled, path, name, content["enqueued"], storage, new=not resume)
                if (store := opened.recorder.store) is not None:
                    for line in lost_reports(opened.records, store):
                        display.line(line)
                _drive(opened, engine, path, display)
    except BaseException as error:
        begun = made is None or (opened is not None and opened.records)
        if made is not None and not begun:  # a mistake, or Ctrl-C, leaves no half-made study behind
            remove_begun(path, made)
            if mirror is not None:
                mirror.remove(path)
        abort = None if opened is None else opened.abort
        if isinstance(error, TunerError) and abort not in (None, error):
            raise abort from error  # the lock was lost, say, and then the ledger
        if isinstance(error, KeyboardInterrupt) and not begun:
            raise Interrupted("interrupted before the first trial; nothing was kept") from None
        raise
    if opened.abort is not None:
        raise opened.abort
    place = str(path) if mirror is None else f"{mirror.uri}/{path.name}"
    seconds = opened.clock() - opened.started
    return Finished(path, opened, seconds, place, engine.seconds())


def reopened(
    path: Path, loaded: Loaded, overrides: Mapping[str, Any], storage: str | None
) -> tuple[dict[str, Any], Experiment, str | None]:
    """What a study's folder says that it goes on with: study.json, experiment, ledger's URL."""
    with reading(path):
        content = read_study_json(path)
        study_name(content, path)
        return content, resumed(loaded, content, overrides), resumed_storage(content, storage)


def _open(
    settled: Experiment,
    path: Path,
    name: str,
    enqueued: Sequence[Mapping[str, Any]],
    storage: str | None,
    *,
    new: bool,
) -> Study:
    with reading(path, writes=True):
        backend = journal_storage(path) if storage is None else url_storage(storage)
    ledger = Ledger(name, settled.direction, backend, new=new)
    events = None
    if settled.tensorboard:
        events = EventFiles(path, metric=settled.metric, cells=cells_per_trial(settled))
    with reading(path, writes=True):
        recorder = Recorder(path, SearchSpace(settled.space), settled.engine, events)
    study = Study(settled, ledger, recorder=recorder, enqueued=enqueued)
    with reading(path, writes=True):
        restore(study)
        study.save()
    return study


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
