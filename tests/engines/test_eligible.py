"""The cells by which it is judged what can be trained in lanes."""

from __future__ import annotations

from tests.brain import experiment
from tuner.engines.fused.eligible import some_cells
from tuner.search_space.axes import Float, Int


def test_a_real_number_is_one_however_its_end_was_written() -> None:
    space = {"momentum": Float(0, 0.9), "units": Int(8, 16), "epochs": 3}
    low, other = (cell.params for cell in some_cells(experiment(space=space), 2))
    assert (low["momentum"], low["units"]) == (0.0, 8)
    assert isinstance(low["momentum"], float)  # Keras refuses SGD(momentum=0)
    assert isinstance(other["momentum"], float)
