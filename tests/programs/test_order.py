"""The order of a fit's samples, computed, is the one that TensorFlow would draw."""

from __future__ import annotations

import pytest

from tuner.programs.order import order_of_fit


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 9), (1, 2), (3, 1), (7, 10_001), (2**31 - 2, 12), (2**31 - 1, 12), (2**32 - 1, 12)],
)
def test_the_order_is_that_of_a_seeded_dataset(seed: int, count: int) -> None:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    orders = tf.data.Dataset.range(1).map(lambda _: tf.random.shuffle(tf.range(count)))
    assert order_of_fit(seed, count).tolist() == next(iter(orders)).numpy().tolist()


def test_an_order_is_every_samples_place_once() -> None:
    order = order_of_fit(5, 1000)
    assert sorted(order) == list(range(1000))
    assert (order != order_of_fit(6, 1000)).any()
