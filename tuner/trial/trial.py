"""A trial as its two sides see it: the study's `Cell`, the training function's `Trial`.

The study hands out cells (one trial on one fold). A worker turns each into a `Trial`, gives it to
the training function, and sends back reports and, at the end, an `Outcome`. All three are plain
data or plain Python: nothing here knows Ray or Keras.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import EngineError, NoEpochsError
from tuner.trial.cells import Cell, Decision, Reported
from tuner.trial.checks import check_searched, checked_epoch, checked_metrics

if TYPE_CHECKING:
    from tuner.data.splits import Data
    from tuner.trial.keras_callback import Keeps


class TrialStopped(BaseException):
    """Ends a training function that reports again after it was told to stop.

    Not an Exception, so that a training function's own `except Exception` lets it through.
    """


class Trial(Mapping[str, Any]):
    """What a training function is given: parameters, data, seed, and the way to report.

    For example::

        def train(trial):
            model = build(trial["learning_rate"])
            data = trial.data
            model.fit(data.x_train, data.y_train, epochs=trial.epochs,
                      validation_data=(data.x_val, data.y_val), callbacks=[trial.callback()])

    `send(epoch, metrics, time_s)` carries a report to the study and says whether to stop;
    `load_data()` loads this cell's data when it is first asked for. `read_epochs` says whether
    anything asked for the number of epochs: if nothing did, a longer training begins like this one.
    `metric` is the name that the study searches: the first report must have it. `keeper` keeps
    the weights of a Keras model that reports by the callback. `inherited` are the reports of
    epochs before its own, where these had to be trained again.
    """

    def __init__(
        self,
        cell: Cell,
        send: Callable[[int, dict[str, float], float], Decision],
        load_data: Callable[[], Data],
        folder: Path | None = None,
        metric: str | None = None,
    ) -> None:
        self.cell = cell
        self.metric = metric
        self._send = send
        self._load_data = load_data
        self._folder = folder
        self._started = time.monotonic()
        self.reports: list[Reported] = []
        self.inherited: list[Reported] = []
        self.last_epoch = 0
        self.should_stop = False
        self.read_epochs = False
        self.keeper: Keeps | None = None

    def __getitem__(self, name: str) -> Any:
        self.read_epochs |= name == "epochs"
        try:
            return self.cell.params[name]
        except KeyError:
            if name == "epochs" and self.cell.epochs is None:
                raise NoEpochsError from None
            known = ", ".join(self.cell.params) or "none"
            raise KeyError(f"no parameter {name!r} in this trial; it has: {known}") from None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # it is there, and raised an AttributeError of its own
                return object.__getattribute__(self, name)
            way_out = ""
            if name.startswith("suggest_"):
                way_out = "; declare the axis in the space, and read trial[name]"
            elif "cell" in self.__dict__ and name in self.cell.params:
                way_out = f"; read trial[{name!r}]"
            raise AttributeError(f"a trial has no attribute {name!r}{way_out}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.cell.params)

    def __len__(self) -> int:
        return len(self.cell.params)

    @property
    def number(self) -> int:
        """The trial's number, from 0."""
        return self.cell.trial

    @property
    def params(self) -> dict[str, Any]:
        """The trial's parameters, as a dict of its own."""
        return dict(self)

    @property
    def fold(self) -> int:
        """The fold of a cross-validation, from 0; 0 without one."""
        return self.cell.fold

    @property
    def seed(self) -> int:
        """The cell's seed, below 2**32: the same point and fold always give the same one."""
        return self.cell.seed

    @property
    def epochs(self) -> int | None:
        """The most epochs that this trial may train; None where nothing says."""
        self.read_epochs = True
        return self.cell.epochs

    @property
    def start(self) -> int:
        """The epochs that were trained before the trial was set aside; 0 for one that begins."""
        return self.cell.start

    @property
    def seconds(self) -> float:
        """How long it has trained, in attempts before this one too if it went on from theirs."""
        return time.monotonic() - self._started

    @cached_property
    def data(self) -> Data:
        """This cell's `x_train`, `y_train`, `x_val`, `y_val`, `input_shape` and `n_classes`.

        Raises DatasetError without data.
        """
        return self._load_data()

    @cached_property
    def folder(self) -> Path:
        """A folder for this cell's own files (checkpoints, logs), made when it is first asked for.

        It lies in the study's folder: `files/<trial>`, or `files/<trial>/fold-<fold>` in a
        cross-validation. A worker on another host writes to that path there: what is to come
        together needs a shared file system. Raises EngineError where no study is behind the trial.
        """
        if self._folder is None:
            raise EngineError("this trial belongs to no study's folder; run it by `tuner run`")
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def report(self, epoch: int, metrics: Mapping[str, Any]) -> bool:
        """Report an epoch's metrics (epochs from 1, rising); True means: stop training now.

        A metric of several values becomes `name_0`, `name_1`, ...; None says that a metric was not
        measured. Raises ReportError for an epoch that does not rise, a metric that is not a number,
        and a first report without the metric that is searched; ends the function if it reports
        once more after having been told to stop.
        """
        if self.should_stop:
            raise TrialStopped
        epoch = checked_epoch(epoch, self.last_epoch)
        values = checked_metrics(metrics)
        if self.metric is not None and not self.reports:
            check_searched(self.metric, values, metrics)
        return self._give(epoch, values, self.seconds)

    def end_if_stopped(self) -> None:
        """End the function if the study said stop: a fit that begins after that trains nothing."""
        if self.should_stop:
            raise TrialStopped

    def report_anew(self, reports: Sequence[Reported]) -> bool:
        """Report the epochs that an earlier attempt trained; True means: stop now.

        The time that this attempt takes counts from there on.
        """
        self._started = time.monotonic() - reports[-1][2]
        return any(self._give(*report) for report in reports)

    def _give(self, epoch: int, metrics: dict[str, float], time_s: float) -> bool:
        self.last_epoch = epoch
        self.reports.append((epoch, metrics, time_s))
        asked = time.monotonic()
        decision = self._send(epoch, metrics, time_s)
        if decision is Decision.PAUSE:  # it was set aside, and goes on now
            self._started += time.monotonic() - asked
        self.should_stop = decision is Decision.STOP
        return self.should_stop

    def model_stats(self, model: Any) -> dict[str, float]:
        """What a built Keras model weighs and takes: see `tuner.trial.model_stats`.

        `parameters`, `size_mb`, `mflops`, and `latency_ms`, a prediction's milliseconds.
        """
        from tuner.trial.model_stats import model_stats

        return model_stats(model)

    @property
    def callback(self) -> Any:
        """A Keras callback that reports every epoch and stops the fit when told.

        `trial.callback()` is what the docs write; without the parentheses it is the same. What it
        is called with, `trial.callback(trial.model_stats(model))` say, is part of every report.
        """
        from tuner.trial.keras_callback import report_callback

        return report_callback(self)
