"""A study for those who own their training loop: ask, report and tell, without Ray or workers.

    space = {"rate": Float(1e-4, 1, log=True)}
    with tuner.Study(space, metric="loss", epochs=9, trials=50) as study:
        while (trial := study.ask()) is not None:
            for epoch in range(trial.start + 1, trial.epochs + 1):
                loss = ...  # train an epoch with trial["rate"]
                if study.report(trial, epoch, {"loss": loss}) != "CONTINUE":
                    break
            study.tell(trial)
    study.results().best

The brain is that of every other run, and so are the folder, the tables, the resume and the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tuner.data.splits import Data
from tuner.errors import EngineError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded, Source
from tuner.results.callers_part import OwnLoop, check_given, check_told, elsewhere
from tuner.runner.enqueue import Given
from tuner.runner.place import find_place
from tuner.runner.request import Request
from tuner.runner.run import cut_logs, described, open_study
from tuner.samplers.registry import check_sampler
from tuner.search_space.space import SearchSpace
from tuner.store.copying import mirrored
from tuner.store.database_lock import ledger_locked
from tuner.store.folder import locked
from tuner.store.layout import FILES_FOLDER
from tuner.store.write_errors import writing
from tuner.study.study import Study as Brain
from tuner.tracebacks import failure_text
from tuner.trial.cells import Cell, CellKey, Decision, Ending, Outcome
from tuner.trial.checks import checked_metrics
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    from tuner.results.results import Results


class Study:
    """A study in the folder `results/study`, open within `with`; the caller trains its trials.

    `space` is a space as an Experiment has it, `metric` what is searched in its `direction`, and
    `fields` are the Experiment's others (`trials`, `epochs`, `sampler`, `scheduler`, `seed`, ...).
    `resume` goes on with the `study` of that name. Any of its calls may come from any thread.
    Raises a TunerError for what an experiment's run refuses.
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        *,
        metric: str | Sequence[str],
        study: str = "study",
        results: str | Path = "results",
        resume: bool = False,
        storage: str | None = None,
        enqueue: Given = None,
        **fields: Any,
    ) -> None:
        check_given(fields)
        fields = {"dataset": None, **fields, "engine": OwnLoop(), "metric": metric}
        experiment = Experiment(study, space, elsewhere, **fields)
        self._goals = [goal.metric for goal in experiment.goals]
        self._loaded = Loaded(experiment, Source("object", __name__))
        self._request = Request(
            experiment,
            results=str(results),
            study=study,
            resume=resume,
            storage=storage,
            enqueue=enqueue,
        )
        self._brain: Brain | None = None
        self._path: Path | None = None
        self._open = ExitStack()
        self._closed = False
        self._answers: dict[CellKey, Decision] = {}
        self._told: set[CellKey] = set()
        """What is over, as long as it is not asked for again."""

    # ------------------------------------------------------------------ the loop

    def ask(self) -> Trial | None:
        """The next trial to train; None when there is none right now, or the study is `finished`.

        `trial.start` epochs of it were trained before it was set aside: go on from there with what
        you kept of it, or train again from epoch 1, which changes nothing.
        """
        with self._writing() as brain:
            cell = brain.ask()
        if cell is None:
            return None
        self._told.discard(cell.key)
        return self._trial(cell)

    def report(self, trial: Trial, epoch: int, metrics: Mapping[str, Any]) -> Decision:
        """Report an epoch's metrics; CONTINUE, or STOP or PAUSE, which both end its training now.

        A trial that is paused may be asked for again. Raises ReportError for what is not a report.
        """
        self._check_in_flight(trial)
        if trial.should_stop:
            raise StudyError(
                f"trial {trial.number} was told {self._answers.get(trial.cell.key, 'its end')} "
                "before this report",
                way_out="end its training at the first answer that is not CONTINUE",
            )
        trial.report(epoch, metrics)
        return self._answers[trial.cell.key]

    def tell(
        self,
        trial: Trial,
        metrics: Mapping[str, Any] | float | None = None,
        *,
        error: BaseException | str | None = None,
    ) -> None:
        """Say that a trial's training is over, or that it failed with an `error`.

        `metrics`, or the searched metric's value, are for trainings that report no epochs. Telling
        of a trial that was paused says nothing, and is allowed. Raises ReportError for metrics of
        which one that is searched is missing, StudyError for what is said twice, or not at all.
        """
        self._check_in_flight(trial)
        returned = None
        if metrics is not None:
            if error is not None:
                raise StudyError(
                    f"trial {trial.number} has an error and metrics, and one that failed has none",
                    field="metrics",
                    way_out="tell one of the two",
                )
            if trial.reports:
                raise StudyError(
                    f"trial {trial.number} has reported epochs, and reports are what counts",
                    field="metrics",
                    way_out="report this as its last epoch, and tell without it",
                )
            named = metrics if isinstance(metrics, Mapping) else {self._goals[0]: metrics}
            returned = checked_metrics(named)
            for goal in self._goals:
                check_told(goal, returned)
        elif error is None and not trial.reports and not trial.start:
            raise StudyError(
                f"nothing was reported of trial {trial.number}, and nothing is told",
                field="metrics",
                way_out=f"tell its {self._goals[0]}, or the error that it ended in",
            )
        self._told.add(trial.cell.key)
        if self._answers.pop(trial.cell.key, None) is Decision.PAUSE:
            return
        text = failure_text(error) if isinstance(error, BaseException) else error
        ending = Ending.FINISHED if error is None else Ending.RAISED
        with self._writing() as brain:
            brain.tell(trial.cell, Outcome(ending, text, trial.seconds, returned=returned))

    @property
    def finished(self) -> bool:
        """Whether nothing is in flight and nothing is left to try, or a limit is reached."""
        return self._opened.finished

    def results(self) -> Results:
        """The results as they are now. Raises StudyError before the study was opened."""
        from tuner.results.results import load

        if not self._closed:
            with self._writing() as brain:
                brain.save()
        return load(self._folder)

    def _check_in_flight(self, trial: Trial) -> None:
        """Raises StudyError for what is not a trial that was asked for and is still open."""
        if not isinstance(trial, Trial):
            raise StudyError(
                f"{trial!r:.200} is not a trial", field="trial", way_out="give what `ask` returned"
            )
        if trial.cell.key in self._told:
            raise StudyError(
                f"trial {trial.number} has ended: its end was told already",
                field="trial",
                way_out="ask for another",
            )

    # ------------------------------------------------------------------ open and close

    def __enter__(self) -> Self:
        request = self._request
        place = find_place(request, self._loaded, dict(request.overrides), _unsaid)
        settled = place.settled
        space, goals = SearchSpace(settled.space), len(settled.goals)
        check_sampler(settled.sampler, space, goals, learns=bool(settled.learn_from))
        made = place.make()
        with ExitStack() as undo:

            def forget() -> None:
                if made is not None and not (self._brain and self._brain.records):
                    place.remove(made)  # a mistake leaves no half-made study behind

            undo.callback(forget)
            undo.enter_context(locked(place.path))
            undo.enter_context(mirrored(place.mirror, place.path, self._give_up))
            undo.enter_context(ledger_locked(place.storage, place.name, self._give_up))
            said = described(place, self._loaded, settled, None, "", _unsaid)
            cut_logs(place.path, _unsaid)
            with writing(place.path):
                place.write(said)
                self._brain = open_study(settled, place)
            self._path = place.path
            undo.callback(self._close)
            self._open = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def _close(self) -> None:
        brain = self._opened
        self._closed = True
        with writing(self._folder):
            if not brain.records:
                brain.ledger.forget()  # while its lock is held
            brain.close()
        if brain.abort is not None:
            raise brain.abort

    def _give_up(self, error: StudyError) -> None:
        if self._brain is not None:
            self._brain.give_up(error)  # another driver may have the study

    @property
    def _folder(self) -> Path:
        self._opened  # noqa: B018  # raises where the study was not opened
        assert self._path is not None
        return self._path

    @property
    def _opened(self) -> Brain:
        if self._brain is None:
            raise StudyError("the study was not opened", way_out="write: with study: ...")
        return self._brain

    @contextmanager
    def _writing(self) -> Iterator[Brain]:
        """The brain, for a call that writes. Raises what ended the study, a lost lock say."""
        brain = self._opened
        if self._closed:
            raise StudyError("the study is closed", way_out="open it again with `resume`")
        if brain.abort is not None:
            raise brain.abort
        with writing(self._folder):
            yield brain

    def _trial(self, cell: Cell) -> Trial:
        def send(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
            with self._writing() as brain:
                decision = brain.report(cell, epoch, metrics, time_s)
            self._answers[cell.key] = decision
            return Decision.CONTINUE if decision is Decision.CONTINUE else Decision.STOP

        def no_data() -> Data:
            raise EngineError("this study's data are its caller's own: it loads none")

        folder = self._folder / FILES_FOLDER / str(cell.trial)
        return Trial(cell, send, no_data, folder, self._goals[0])


def _unsaid(line: str) -> None:
    """A loop of the caller's has no display."""
