"""The training function of `benchmarks/overhead.py` that computes with TensorFlow."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any


def second(trial: Any) -> float:
    """Compute for one second, and write down when."""
    import tensorflow as tf

    began = time.time()
    matrix = tf.random.stateless_uniform((64, 64), (1, 2))
    while time.time() - began < 1.0:
        matrix = tf.linalg.l2_normalize(matrix @ matrix)
    with Path(trial["log"]).open("a") as file:
        file.write(f"{os.getpid()} {began} {time.time()}\n")
    return 0.5
