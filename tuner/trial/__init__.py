from tuner.trial.cells import Cell, Decision, Ending, Outcome, State
from tuner.trial.trial import Trial

__all__ = ["Cell", "Decision", "Ending", "Outcome", "State", "Trial"]
