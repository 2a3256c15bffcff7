"""Everything that tuner refuses, as types.

    TunerError                  the user can mend it; the command line prints one line and exits 2
    ├── SearchSpaceError        an axis, or a point that does not fit the axes
    ├── ExperimentError         a field of an Experiment, or a file that declares none
    ├── DatasetError            data that cannot be had, or has the wrong shape
    ├── ReportError             a report that a training function may not make
    ├── StudyError              a study that cannot be opened, made or resumed
    ├── ResultsError            a folder or table that cannot be read or written
    └── EngineError             an engine that cannot start or place the trials
        └── UnfitError          an engine that cannot train this experiment

Each message names the value, the rule it breaks and the way out, in one line.
"""


class TunerError(Exception):
    """Base of every error that a user can mend."""


class SearchSpaceError(TunerError):
    """An axis of a search space, or a point, breaks a rule."""


class ExperimentError(TunerError):
    """A field of an Experiment breaks a rule, or an experiment cannot be loaded."""


class DatasetError(TunerError):
    """A dataset cannot be had, or lacks the layout that is asked for."""


class ReportError(TunerError):
    """A training function reported what it may not report."""


class StudyError(TunerError):
    """A study cannot be made, opened or resumed."""


class ResultsError(TunerError):
    """A results folder or a table in it cannot be read or written."""


class EngineError(TunerError):
    """An engine cannot start, or no place exists for the trials asked for."""


class UnfitError(EngineError):
    """An engine cannot train this experiment; `reason` says why."""

    def __init__(self, engine: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"engine {engine!r} cannot train this experiment, since {reason}; take engine "
            "'ray_tune'"
        )
