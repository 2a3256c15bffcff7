"""Everything that tuner refuses, as types.

    TunerError                  the user can mend it; the command line prints one line and exits 2
    ├── SearchSpaceError        an axis, or a point that does not fit the axes
    ├── ExperimentError         a field of an Experiment, or a file that declares none
    ├── DatasetError            data that cannot be had, or has the wrong shape
    ├── ReportError             a report that a training function may not make
    │   └── EveryTrialError     what each trial of the study would do wrong as the first one did
    ├── StudyError              a study that cannot be opened, made or resumed
    ├── ResultsError            a folder or table that cannot be read or written
    └── EngineError             an engine that cannot start or place the trials
        └── UnfitError          an engine that cannot train this experiment

Each says in one line what was given, the rule that it breaks, and the way out. `field` is the
argument that it speaks of, by its name in Python; other arguments stand in the text in backquotes.
The command line, and nothing else, turns both into its flags.
"""

from __future__ import annotations


class TunerError(Exception):
    """Base of every error that a user can mend.

    `message` says what was given and the rule; `field` names the argument that it is about, and
    `way_out` what to do instead. `str(error)` is all three: "field: message; way out".
    """

    def __init__(self, message: str, *, field: str | None = None, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.way_out = way_out

    def __str__(self) -> str:
        about = f"{self.field}: " if self.field else ""
        return about + self.message + (f"; {self.way_out}" if self.way_out else "")


class SearchSpaceError(TunerError):
    """An axis of a search space, or a point, breaks a rule."""


class ExperimentError(TunerError):
    """A field of an Experiment breaks a rule, or an experiment cannot be loaded."""


class DatasetError(TunerError):
    """A dataset cannot be had, or lacks the layout that is asked for."""


class ReportError(TunerError):
    """A training function reported what it may not report."""


class EveryTrialError(ReportError):
    """A training function did what it will do in every trial: the run ends with it."""


class NoEpochsError(EveryTrialError, KeyError):
    """A training function asked how many epochs to train, and nothing says."""

    def __init__(self) -> None:
        super().__init__(
            "nothing says how many epochs to train",
            field="epochs",
            way_out='give the space an axis or a constant, "epochs": Int(1, 9) say, or `epochs`',
        )


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
            f"{engine!r} cannot train this experiment, since {reason}",
            field="engine",
            way_out="take 'ray_tune'",
        )
