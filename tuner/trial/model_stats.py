"""What a Keras model weighs and takes, as metrics: `trial.model_stats(model)`."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from tuner.errors import ReportError

if TYPE_CHECKING:
    import keras

WARM_UP, TIMED = 10, 50
"""Predictions before the clock counts, and those whose median is taken."""


def model_stats(model: keras.Model) -> dict[str, float]:
    """`parameters`, `size_mb`, `mflops` and `latency_ms` of a built model.

    `size_mb` is that of the weights as they are held, 10**6 bytes a MB. `mflops` are a million
    floating point operations a prediction of one sample, by TensorFlow's own count of the graph;
    `latency_ms` is the median time of one, compiled, on the device that the worker has and beside
    whatever else runs there. Raises ReportError for a model that has no shapes yet.
    """
    import tensorflow as tf

    inputs = getattr(model, "inputs", None) if model.built else None
    if not inputs:
        raise ReportError(
            f"model {model.name!r} does not say the shape of a sample, so a prediction cannot be "
            "timed: give it an Input, or call it once"
        )
    samples = [tf.zeros([1, *(size or 1 for size in one.shape[1:])], one.dtype) for one in inputs]
    given = samples if len(samples) > 1 else samples[0]
    traced = tf.function(lambda x: model(x, training=False), autograph=False)
    predict = traced.get_concrete_function(given)
    return {
        "parameters": float(model.count_params()),
        "size_mb": sum(_bytes(weight) for weight in model.weights) / 1e6,
        "mflops": _flops(predict) / 1e6,
        "latency_ms": _latency_ms(predict, samples),
    }


def _bytes(weight: Any) -> int:
    value = weight.value
    return int(value.shape.num_elements()) * int(value.dtype.size)


def _flops(predict: Any) -> float:
    import tensorflow as tf

    counts = tf.compat.v1.profiler
    said = tf.get_logger()
    level = said.level
    said.setLevel("ERROR")  # that the profiler is of an earlier TensorFlow helps nobody here
    options = counts.ProfileOptionBuilder(counts.ProfileOptionBuilder.float_operation())
    try:
        profile = counts.profile(predict.graph, options=options.with_empty_output().build())
    finally:
        said.setLevel(level)
    return float(profile.total_float_ops)


def _latency_ms(predict: Any, samples: list[Any]) -> float:
    times = []
    for _ in range(WARM_UP + TIMED):
        began = time.perf_counter()
        predict(*samples)
        times.append(time.perf_counter() - began)
    return 1000.0 * statistics.median(times[WARM_UP:])
