"""The ledger: every attempt as a trial in Optuna's storage, which is where a study survives.

Optuna never re-opens a trial, so an attempt is an Optuna trial of its own. It carries `trial` (our
number) and `attempt`, and, for each finished cell, `fold:<i>`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.errors import ResultsError, StudyError
from tuner.search_space.space import SearchSpace
from tuner.store.journal import Journal
from tuner.store.layout import JOURNAL_FILE
from tuner.store.log import cut_unfinished
from tuner.store.optuna_internals import behind_cache, storage_of, study_id, trial_id
from tuner.trial.cells import State

FOLD = "fold:"
GOALS = "goals:"
"""Before an epoch, the attribute of an attempt that holds the values of several goals there."""
VIOLATION = "violation"
"""The attribute of how far an attempt was last from keeping the constraints."""

OPTUNA_STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.STOPPED: TrialState.PRUNED,
    State.DIVERGED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}


def journal_storage(folder: Path) -> BaseStorage:
    """The journal in a study's folder, its tail repaired. Call it with the study's lock held.

    Raises ResultsError for one that is broken elsewhere.
    """
    path = folder / JOURNAL_FILE
    cut_unfinished(path)
    with _whole():
        return JournalStorage(Journal(path))


def url_storage(url: str) -> BaseStorage:
    """The database behind an Optuna RDB URL. Raises StudyError if it cannot be opened."""
    from sqlalchemy.exc import SQLAlchemyError

    shown_url(url)
    try:
        return RDBStorage(url)
    except (ImportError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise StudyError(unreachable(url, error)) from None


def unreachable(url: str, error: Exception) -> str:
    """A line that says why a database cannot be opened, without the password."""
    from sqlalchemy import make_url

    shown = shown_url(url)
    if isinstance(error, ImportError):
        driver = getattr(error, "name", None) or str(error)
        return f"the database {shown} needs the package {driver}: `pip install 'tuner[postgresql]'`"
    reason = " ".join(str(error).partition("\n")[0].split()).replace(url, shown)
    password = make_url(url).password
    if password:
        reason = reason.replace(str(password), "***")
    return f"the database {shown} cannot be opened: {reason}"


def shown_url(url: str) -> str:
    """The URL without its password. Raises StudyError for what is not a database URL."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        raise StudyError(
            "it is not a database URL such as sqlite:///study.db or postgresql://host/name",
            field="storage",
        ) from None


@contextmanager
def _whole() -> Iterator[None]:
    """Say in a line what Optuna trips over in a ledger that is broken."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise broken_ledger(f"{type(error).__name__}: {error}") from None


def broken_ledger(why: str) -> ResultsError:
    """The error for a ledger that cannot be gone on with."""
    return ResultsError(
        f"the study's ledger ({JOURNAL_FILE}, or its database) is broken "
        f"({' '.join(why.split())}), and all else is made of it: put back a copy; "
        "the tables beside it can still be read"
    )


def _name_objectives(study: optuna.Study, metrics: list[str]) -> None:
    """Say what a study's values are, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if study.metric_names != metrics:
            study.set_metric_names(metrics)


def _listed(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


class Ledger:
    """The attempts of one study. Safe to use from several threads, as Optuna's storages are."""

    def __init__(
        self,
        name: str,
        direction: str | Sequence[str],
        storage: BaseStorage | None = None,
        *,
        new: bool = False,
        metric: str | Sequence[str] | None = None,
    ) -> None:
        """Open the study `name` of a storage; with `new`, raises StudyError if it is there.

        `metric` is what its objective is called, in Optuna's dashboard say. With several goals both
        are lists.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with _whole():
                self._study = optuna.create_study(
                    storage=storage or InMemoryStorage(),
                    study_name=name,
                    directions=[StudyDirection[one.upper()] for one in _listed(direction)],
                    load_if_exists=not new,
                )
        except optuna.exceptions.DuplicatedStudyError:
            raise StudyError(
                f"the storage holds a study {name!r} already",
                field="study",
                way_out="give another name",
            ) from None
        if metric is not None:
            _name_objectives(self._study, _listed(metric))
        self._violations: dict[int, float] = {}
        self._storage = storage_of(self._study)
        # Making a Trial object asks the study's sampler: closing goes by one that costs nothing.
        self._closing = optuna.load_study(
            study_name=name, storage=self._storage, sampler=optuna.samplers.RandomSampler()
        )

    def disconnect(self) -> None:
        """Let go of the journal, or a database's connections.

        To be called by the thread that used it last.
        """
        self.end_thread()
        backend = behind_cache(self._storage)
        if isinstance(backend, RDBStorage):
            backend.engine.dispose()
        elif isinstance(backend, Journal):
            backend.close()

    def end_thread(self) -> None:
        """Give back the connection to a database that this thread holds; it asks no more."""
        backend = behind_cache(self._storage)
        if isinstance(backend, RDBStorage):
            backend.remove_session()

    def forget(self) -> None:
        """Take a study that never began out of its database, where another could not have its name.

        A journal goes with its folder.
        """
        if not isinstance(behind_cache(self._storage), RDBStorage):
            return
        # The error that brought us here says more than one that comes of the same cause.
        with suppress(optuna.exceptions.StorageInternalError, KeyError):
            self._storage.delete_study(study_id(self._study))
        self.disconnect()

    def sync(self) -> None:
        """Put the journal on the disk: the report log may speak of what it holds from then on.

        A database has it there already.
        """
        backend = behind_cache(self._storage)
        if isinstance(backend, Journal):
            backend.sync()

    def attempts(self) -> list[FrozenTrial]:
        """Every attempt, in the order they were opened."""
        return list(self._study.get_trials(deepcopy=False))

    def propose(
        self,
        sampler: optuna.samplers.BaseSampler,
        space: SearchSpace,
        trial: int,
        known: Mapping[str, Any],
    ) -> tuple[int, dict[str, Any]]:
        """Open the first attempt of `trial` at a point of the sampler's; its id and the point.

        `known` fixes some parameters of it, choices by their labels.
        """
        self._study.sampler = sampler
        if known:
            self._study.enqueue_trial(dict(known))
        proposal = self._study.ask()
        params = space.suggest(proposal)
        proposal.set_user_attr("trial", trial)
        proposal.set_user_attr("attempt", 1)
        return trial_id(proposal), params

    def open(self, space: SearchSpace, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> int:
        """Open an attempt at a given point, with these attributes; its id."""
        distributions = space.distributions(params)
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=space.encode({name: params[name] for name in distributions}),
            distributions=distributions,
            user_attrs=dict(attrs),
        )
        return self._storage.create_new_trial(study_id(self._study), template_trial=template)

    def report(self, attempt_id: int, step: int, value: float) -> None:
        """Keep an intermediate value."""
        self._storage.set_trial_intermediate_value(attempt_id, step, value)

    def keep(self, attempt_id: int, name: str, value: Any) -> None:
        """Keep an attribute of an attempt."""
        self._storage.set_trial_user_attr(attempt_id, name, value)

    def keep_cell(self, attempt_id: int, fold: int, result: Mapping[str, Any]) -> None:
        """Keep a finished cell of an attempt."""
        self.keep(attempt_id, f"{FOLD}{fold}", dict(result))

    def keep_scores(self, attempt_id: int, epoch: int, scores: Sequence[float]) -> None:
        """Keep the values of several goals at an epoch, which Optuna keeps of one alone."""
        self.keep(attempt_id, f"{GOALS}{epoch}", list(scores))

    def keep_violation(self, attempt_id: int, violation: float) -> None:
        """Keep how far a running attempt is from keeping the constraints, where it changed."""
        if violation != self._violations.get(attempt_id):
            self._violations[attempt_id] = violation
            self.keep(attempt_id, VIOLATION, violation)

    def discard(self, attempt_id: int) -> None:
        """Fail an attempt whose ask was never over, or whose point is not taken: no trial's."""
        self.keep(attempt_id, "trial", None)
        self._storage.set_trial_state_values(attempt_id, TrialState.FAIL)

    def close(
        self,
        attempt_id: int,
        state: State,
        value: float | Sequence[float] | None,
        violation: float | None = None,
    ) -> None:
        """Tell Optuna what became of an attempt; `violation` is that of the constraints, if any.

        DIVERGED is PRUNED with a violated constraint: PRUNED alone does not repel TPE.
        """
        trial = optuna.trial.Trial(self._closing, attempt_id)
        name, by = ("diverged", 1.0) if state is State.DIVERGED else ("constraints", violation)
        # A driver that was killed before the `tell` below has set it.
        if by is not None and name not in self._storage.get_trial(attempt_id).constraints:
            trial.set_constraint(name, by)
        self._violations.pop(attempt_id, None)
        self._closing.tell(
            trial, value if state is State.COMPLETE else None, state=OPTUNA_STATES[state]
        )
