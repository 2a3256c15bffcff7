"""For authors of samplers, schedulers and engines: what they write against.

`docs/extending/` shows one of each; `tuner.testing` has the suites that they should pass. A change
of a name here stands in the changelog. Samplers are Optuna's: `optuna.samplers.BaseSampler`.
"""

from __future__ import annotations

from tuner.engines.contract import Carrier, Ended, Engine, Job, Reported, Study
from tuner.engines.drive import drive
from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Finishing, Pausing, Scheduler, Verdict
from tuner.trial.cells import Cell, CellKey, Decision, Ending, Outcome, State

__all__ = [
    "GO_ON",
    "Board",
    "Carrier",
    "Cell",
    "CellKey",
    "Decision",
    "Ended",
    "Ending",
    "Engine",
    "Finishing",
    "Job",
    "Outcome",
    "Pausing",
    "Reported",
    "Scheduler",
    "State",
    "Study",
    "Verdict",
    "drive",
]
