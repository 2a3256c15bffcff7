"""A study is what its log says: applied to any point, it gives the state that the live one had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.engines.simulated import VirtualClock, run
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.ledger import Ledger
from tuner.study.entries import Entry
from tuner.study.state import StudyState
from tuner.study.study import Study
from tuner.testing.curves import diverging, noisy, raising, rising
from tuner.testing.simulation import simulated

DISCRETE = {"a": Categorical([0.1, 0.3, 0.6]), "b": Categorical([1, 2]), "epochs": Int(1, 9)}
EPOCHS_GRID = {"a": Categorical([0.1, 0.4]), "epochs": Int(1, 9, grid=[3, 9, 6])}
CV = {"mode": "cv", "folds": 3, "dataset": "digits"}
TWO = {"metric": ["val_accuracy", "loss"], "direction": ["maximize", "minimize"]}


def _most_of_it(metrics: Mapping[str, float]) -> list[float]:
    return [0.6 - metrics["val_accuracy"]]


def _built(trial: Any) -> Any:
    raise NotImplementedError("a simulated study trains nothing")


DECLARED = {"objective": KerasModel(build=_built, optimizer=_built)}

KINDS: dict[str, dict[str, Any]] = {
    "population": {"scheduler": "pbt", "interval": 2, **DECLARED},
    "promotion": {"scheduler": "asha", "eta": 2},
    "stopping": {"scheduler": "asha_stopping", "eta": 2},
    "none": {"scheduler": "none", "epochs": 3},
    "duplicates": {"scheduler": "asha", "eta": 2, "space": DISCRETE},
    "shared trainings": {"mode": "grid", "space": EPOCHS_GRID, "sampler": "grid", **DECLARED},
    "racing": {
        **CV,
        "space": {"x": Float(0, 1, grid=[0.1, 0.3, 0.5, 0.7]), "epochs": 3},
        "fold_racing": "aggressive",
        "sampler": "grid",
    },
    "folds promoted": {**CV, "scheduler": "asha", "eta": 2, "sampler": "random"},
    "goals": {"scheduler": "asha", "eta": 2, **TWO, "constraints": _most_of_it},
    "folds of goals": {**CV, "scheduler": "asha", "eta": 2, "sampler": "random", **TWO},
    "constraints": {"scheduler": "rung_gp", "eta": 2, "constraints": _most_of_it},
    "folds stopped": {**CV, "scheduler": "asha_stopping", "eta": 2, "sampler": "random"},
}


def made(kind: str, **fields: Any) -> Experiment:
    return simulated(trials=8, **KINDS[kind], **fields)


def state(study: StudyState) -> str:
    """All that a study knows, in a form that can be compared."""
    records = [
        {name: getattr(record, name) for name in record.__slots__ if name != "_value"}
        for record in study.records
    ]
    open_cells = {
        key: (cell.cell, cell.opened_at, cell.epochs, cell.time_s, cell.rung, cell.values)
        for key, cell in study.open.items()
    }
    return repr(
        {
            "records": records,
            "open": open_cells,
            "out": study.out,
            "board": vars(study.board),
            "window": [record.trial for record in study.window],
            "windows": study.windows,
            "order": study.order,
            "incumbent": study.incumbent,
            "waits": study.queue.waits,
        }
    )


class Kept(Study):
    """A study that keeps its entries, and its state after each."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log: list[tuple[Entry, str]] = []

    def apply(self, entry: Entry) -> None:
        super().apply(entry)
        self.log.append((entry, state(self)))


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.booleans(),
    st.integers(1, 4),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.3]),
)
def test_a_study_rebuilt_from_any_prefix_of_its_log_equals_the_live_one(
    kind: str, deterministic: bool, workers: int, seed: int, trouble: float
) -> None:
    settled = made(kind, deterministic=deterministic, seed=seed, window=4)
    curve = raising(diverging(noisy(rising, by=0.05), share=trouble, at=2), share=trouble)
    clock = VirtualClock()
    study = Kept(settled, Ledger("log", settled.direction), clock=clock)
    run(study, curve, workers=workers, clock=clock)
    again = Study(settled, Ledger("again", settled.direction), clock=VirtualClock())
    for entry, then in study.log:
        again.apply(entry)
        assert state(again) == then, entry
