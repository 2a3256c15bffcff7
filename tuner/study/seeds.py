"""Seeds as functions of what they belong to, so that no order of events can change them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.search_space.values import point_text


def cell_seed(study_seed: int, params: Mapping[str, Any], fold: int, repeat: int) -> int:
    """The seed of a point's cell, below 2**32.

    `epochs` does not count: a longer training is the continuation of a shorter one.
    """
    point = {name: value for name, value in params.items() if name != "epochs"}
    digest = int.from_bytes(hashlib.sha256(point_text(point).encode()).digest()[:16], "big")
    return _first_state(study_seed, digest, fold, repeat)


def _first_state(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
