"""tuner: hyperparameter search for Keras, on Ray, with Optuna, into Parquet.

Imports of what is heavy wait until they are needed: `import tuner` loads neither Ray, TensorFlow
nor pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuner.errors import TunerError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Constant, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset
    from tuner.results.results import Results, load
    from tuner.runner.run import run

__version__ = "0.1.0"

_LAZY = {
    "Dataset": "tuner.data.datasets",
    "Results": "tuner.results.results",
    "load": "tuner.results.results",
    "run": "tuner.runner.run",
}

__all__ = [
    "Categorical",
    "Constant",
    "Dataset",
    "Experiment",
    "Float",
    "Int",
    "KerasModel",
    "Results",
    "SearchSpace",
    "Trial",
    "TunerError",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
