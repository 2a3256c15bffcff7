from tuner.experiment.experiment import Experiment, KerasModel

__all__ = ["Experiment", "KerasModel"]
