"""Random pairs of trainings, by programs and by plain `fit`; `make fuzz` tries many more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.programs.fuzz import compare
from tests.programs.pairs import float64

SEEDS = (
    8, 9, 11, 12, 20, 24, 25, 29, 30, 31, 32, 34, 36, 37, 39, 42, 43, 44, 46, 48,
    53, 54, 58, 60, 61, 62, 63, 64, 70, 71, 72, 74, 75, 78, 81, 83, 85, 86, 88, 100,
)  # fmt: skip
"""Of the first hundred, the forty that fit accepts and that take least."""


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    with float64():
        yield
    keras.backend.clear_session()


@pytest.mark.filterwarnings("ignore")  # of Keras, on what a random recipe puts together
@pytest.mark.parametrize("seed", SEEDS)
def test_programs_train_as_fit_does(seed: int) -> None:
    assert compare(seed).total() > 0
