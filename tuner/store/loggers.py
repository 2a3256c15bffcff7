"""Who else is told of a study while it runs: MLflow, Weights & Biases, TensorBoard, or your own.

The driver tells them, from the reports that it takes: workers need nothing, whatever they train.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tuner.errors import EngineError
from tuner.search_space.values import EXACT_WHOLE, is_plain, text_of
from tuner.store.report import Report
from tuner.trial.cells import CellKey

if TYPE_CHECKING:
    from tuner.study.record import Record

NAMES = ("mlflow", "wandb", "tensorboard")
"""What there is by name."""


class Logger(Protocol):
    """Hears of a study: a run a trial, say, below one of the study."""

    def append(self, report: Report) -> None:
        """A cell has trained an epoch."""
        ...

    def ended(self, record: Record) -> None:
        """A trial has ended for good: its parameters, state and value are known."""
        ...

    def drop(self, cell: CellKey) -> None:
        """A cell starts over: what it reported counts no more."""
        ...

    def close(self, records: Iterable[Record]) -> None:
        """The run is over; `records` are all trials, of earlier runs of the study too."""
        ...


class Guarded:
    """A logger whose failure is said once, and ends no study: it is told nothing more."""

    def __init__(self, logger: Logger, say: Callable[[str], None]) -> None:
        self._logger: Logger | None = logger
        self._say = say

    def append(self, report: Report) -> None:
        self._tell("append", report)

    def ended(self, record: Record) -> None:
        self._tell("ended", record)

    def drop(self, cell: CellKey) -> None:
        self._tell("drop", cell)

    def close(self, records: Iterable[Record]) -> None:
        self._tell("close", records)

    def _tell(self, what: str, about: Any) -> None:
        if self._logger is None:
            return
        try:
            getattr(self._logger, what)(about)
        except Exception as error:  # noqa: BLE001  # whatever another service's client raises
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            name = type(self._logger).__name__
            self._say(f"{name} is told nothing more of this study ({reason})")
            self._logger = None


def loggers_of(
    given: Sequence[str | Logger],
    folder: Path,
    *,
    metric: str,
    cells: int,
    say: Callable[[str], None] = lambda line: None,
) -> list[Logger]:
    """The loggers of a study in `folder`, by name or as given, each once.

    Raises EngineError where the package of one is missing, or a name is unknown.
    """
    made: list[Logger] = []
    for one in dict.fromkeys(given):
        if not isinstance(one, str):
            made.append(Guarded(one, say))
        elif one == "tensorboard":
            from tuner.store.tensorboard import EventFiles

            made.append(EventFiles(folder, metric=metric, cells=cells))
        elif one == "mlflow":
            from tuner.store.log_mlflow import MLflow

            made.append(Guarded(MLflow(folder, metric=metric, cells=cells), say))
        elif one == "wandb":
            from tuner.store.log_wandb import WandB

            made.append(Guarded(WandB(folder, metric=metric, cells=cells), say))
        else:
            raise EngineError(f"{one!r} is not one of {', '.join(NAMES)}", field="loggers")
    return made


def tell_again(
    given: Sequence[str | Logger],
    folder: Path,
    records: Iterable[Record],
    *,
    metric: str,
    cells: int,
    say: Callable[[str], None],
) -> None:
    """Tell those of the loggers who say which trial is the best, after confirming."""
    if "mlflow" in given:
        from tuner.store.log_mlflow import MLflow

        Guarded(MLflow(folder, metric=metric, cells=cells), say).close(records)


def missing(package: str, extra: str) -> EngineError:
    """The error for a logger whose package is not there."""
    return EngineError(
        f"the package {package} is not installed",
        field="log",
        way_out=f"pip install 'tuner[{extra}]'",
    )


def plain_params(record: Record) -> dict[str, Any]:
    """A trial's parameters as other services keep them."""
    return {n: v if _is_kept(v) else text_of(v) for n, v in record.params.items()}


def _is_kept(value: Any) -> bool:
    """Whether all services keep a value as it is: whole numbers as far as a float is exact."""
    return is_plain(value) and not (isinstance(value, int) and abs(value) > EXACT_WHOLE)


def metric_name(name: str, fold: int, cells: int) -> str:
    """What a cell's metric is called, in a run that holds all of its trial's folds."""
    return name if cells == 1 else f"{name}_fold{fold}"
