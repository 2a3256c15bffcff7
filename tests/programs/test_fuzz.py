"""Random pairs of trainings, by programs and by plain `fit`; `make fuzz` tries many more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.programs.fuzz import compare
from tests.programs.pairs import float64

PAIRS = 40


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    with float64():
        yield
    keras.backend.clear_session()


@pytest.mark.filterwarnings("ignore")  # of Keras, on what a random recipe puts together
@pytest.mark.parametrize("seed", range(1, PAIRS + 1))
def test_programs_train_as_fit_does(seed: int) -> None:
    assert compare(seed).total() > 0
