"""One cell in one process: from its message to its outcome."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.errors import EveryTrialError, NoEpochsError, ReportError
from tuner.experiment.experiment import KerasModel, Objective
from tuner.programs.fit import FIT, PLAIN, Trained, plain, warm
from tuner.tracebacks import failure_text
from tuner.training.checkpoint import CheckpointFile
from tuner.training.fit import train_model
from tuner.training.kept_models import Keeper
from tuner.training.process import peak_rss_mb, seed_worker
from tuner.trial.cells import Cell, Decision, Ending, Outcome
from tuner.trial.checks import check_searched, checked_metrics
from tuner.trial.trial import Trial, TrialStopped

if TYPE_CHECKING:
    from tuner.data.splits import Data


def run_cell(
    objective: Objective,
    metric: str,
    cell: Cell,
    send: Callable[[int, dict[str, float], float], Decision],
    load_data: Callable[[], Data],
    folder: Path | None = None,
    checkpoint_every: int | None = None,
    *,
    fit: str = "auto",
    exact: bool = False,
    keeper: Keeper | None = None,
) -> Outcome:
    """Carry out one cell and say how it ended; the user's exceptions end here.

    `send(epoch, metrics, time_s)` carries a report to the study. A function that reported nothing
    may return a number, taken as `metric`, or a dict of metrics: both come back as `returned`.
    Beside reports a returned number must be the last report's.
    `peak_rss_mb` is the highest memory of the worker's process since it started, so in a reused
    worker it never falls. `host` is left to the engine. `folder` becomes `trial.folder`; a declared
    model goes on from the checkpoint in it, and writes one every `checkpoint_every` epochs. `fit`
    "plain" leaves every `model.fit` to Keras, `exact` lets equal graphs alone share a program.
    `keeper` keeps the weights of the best trials.
    """
    trial = Trial(cell, send, load_data, folder, metric)
    trial.keeper = keeper
    checkpoint = CheckpointFile(folder, cell, "fit", checkpoint_every)
    ending, error, returned = Ending.FINISHED, None, None
    hopeless = False
    trained = Trained()
    try:
        if isinstance(objective, KerasModel):
            import keras  # noqa: F401  # a process without it has no fit to look after
        with fits(fit, exact=exact) as trained:
            trained.began -= trial.seconds  # Keras' import, in the first one
            if isinstance(objective, KerasModel):
                train_model(objective, trial, checkpoint)
            else:
                seed_worker(trial.seed)
                # runs code: the user's objective
                returned = _returned_metrics(trial, metric, objective(trial))
    except TrialStopped:
        pass  # the study said stop and remembers it: the function ended as it should
    except (Exception, SystemExit) as raised:  # noqa: BLE001  # whatever a user's code raises
        told = _explained(trial, raised)
        ending, error = Ending.RAISED, failure_text(told)
        hopeless = isinstance(told, EveryTrialError)
    if ending is not Ending.FINISHED and keeper is not None:
        keeper.forget(cell.trial)
    if trained.by == FIT and fit != PLAIN:  # into the trial's log
        print(f"trained by plain fit, not by a program: {trained.why}", flush=True)
    checkpoint.remove()
    return Outcome(
        ending,
        error,
        trial.seconds,
        peak_rss_mb(),
        worker=str(os.getpid()),
        returned=returned,
        read_epochs=trial.read_epochs,
        trained_by=trained.by,
        trained_why=trained.why,
        setup_s=trained.setup_s,
        trace_s=trained.trace_s,
        hopeless=hopeless,
    )


def _explained(trial: Trial, raised: BaseException) -> BaseException:
    """What a function raised; where that is for want of a number of epochs, the error says so."""
    wants_epochs = trial.read_epochs and trial.cell.epochs is None
    if isinstance(raised, TypeError) and wants_epochs and not trial.reports:
        told = NoEpochsError()
        told.__traceback__ = raised.__traceback__
        return told
    return raised


@contextmanager
def fits(fit: str, *, exact: bool) -> Iterator[Trained]:
    """While it holds, `model.fit` trains as the experiment says; who trained."""
    if fit == PLAIN:
        with plain() as trained:
            yield trained
        return
    with warm(exact=exact) as trained:
        yield trained


def _returned_metrics(trial: Trial, metric: str, returned: Any) -> dict[str, float] | None:
    if returned is None:
        return None
    if trial.last_epoch > 0:
        _check_is_last_report(trial, metric, returned)
        return None
    epochs = getattr(returned, "history", returned)  # Keras' History
    if isinstance(epochs, Mapping) and isinstance(epochs.get(metric), list):
        raise EveryTrialError(
            f"the training function returned {metric} of {len(epochs[metric])} epochs; give `fit` "
            "callbacks=[trial.callback()], which reports each, or return the last one"
        )
    if isinstance(returned, Mapping):
        values = checked_metrics(returned)
        if returned:
            check_searched(metric, values, returned, more_follow=False)
        return values
    if _is_number(returned):
        return {metric: float(returned)}
    raise ReportError(
        f"the training function reported nothing and returned {returned!r:.200}; "
        "report every epoch, or return a number or a dict of metrics"
    )


def _check_is_last_report(trial: Trial, metric: str, returned: Any) -> None:
    """Refuse a number beside reports that is another than theirs: which of the two is meant?

    A model, which a refit takes, a history and the like are not numbers, and do not matter here.
    """
    if isinstance(returned, Mapping):
        returned = returned.get(metric)
    if trial.should_stop or not _is_number(returned):
        return
    last = trial.reports[-1][1].get(metric)
    if last is None or not math.isclose(float(returned), last, rel_tol=1e-6):
        raise ReportError(
            f"the training function returned {float(returned):.6g} and reported {metric} "
            f"{'nothing' if last is None else format(last, '.6g')} last; report this value too, or "
            "return None: reports are what counts"
        )


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        return False
    scalar = isinstance(value, numbers.Real) or getattr(value, "shape", None) == ()
    return scalar and hasattr(value, "__float__")
