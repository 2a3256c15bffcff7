"""tuner: hyperparameter search for Keras, on Ray, with Optuna, into Parquet.

A name is imported when it is first asked for: `import tuner` loads neither Ray, TensorFlow nor
pandas, and `python -m tuner` can first see to it that no file of the user's stands for a module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset
    from tuner.errors import TunerError
    from tuner.experiment.experiment import Experiment, KerasModel
    from tuner.results.own_loop import Study
    from tuner.results.results import Results, load
    from tuner.results.run import run
    from tuner.runner.confirm import confirm
    from tuner.search_space.axes import Categorical, Constant, Float, Int
    from tuner.search_space.space import SearchSpace
    from tuner.trial.trial import Trial

__version__ = "0.1.0"

_HOMES = {
    "Categorical": "tuner.search_space.axes",
    "Constant": "tuner.search_space.axes",
    "Dataset": "tuner.data.datasets",
    "Experiment": "tuner.experiment.experiment",
    "Float": "tuner.search_space.axes",
    "Int": "tuner.search_space.axes",
    "KerasModel": "tuner.experiment.experiment",
    "Results": "tuner.results.results",
    "SearchSpace": "tuner.search_space.space",
    "Study": "tuner.results.own_loop",
    "Trial": "tuner.trial.trial",
    "TunerError": "tuner.errors",
    "confirm": "tuner.runner.confirm",
    "load": "tuner.results.results",
    "run": "tuner.results.run",
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
    "Study",
    "Trial",
    "TunerError",
    "confirm",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    import warnings
    from importlib import import_module

    with warnings.catch_warnings():
        # tqdm, which Optuna and Ray import, asks for ipywidgets in every notebook.
        warnings.filterwarnings("ignore", "IProgress not found")
        # runs code: ours
        return getattr(import_module(_HOMES[name]), name)
