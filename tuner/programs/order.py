"""The order in which a seeded `model.fit` sees its samples, without TensorFlow.

Keras shuffles by `tf.random.shuffle` in a dataset that begins anew each epoch: it sees the same
order every epoch, which follows from the seed and the number of samples alone. To ask TensorFlow
for it is to trace a function for each fit; here it is computed.

The numbers are Philox4x32-10's (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC
2011), the shuffle is TensorFlow's own, by swaps from the front.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

LARGEST = 2**31 - 1
"""TensorFlow counts seeds up to this one, and from 0 again."""
ROUNDS = 10
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@lru_cache(maxsize=32)
def order_of_fit(seed: int, count: int) -> npt.NDArray[np.int64]:
    """The order of `count` samples after `keras.utils.set_random_seed(seed)`; not to be written."""
    order = list(range(count))
    left = np.arange(count, 1, -1, dtype=np.uint64)
    steps = (_drawn(seed, count - 1) % left).tolist() if count > 1 else []
    for here, step in enumerate(steps):
        there = here + step
        order[here], order[there] = order[there], order[here]
    found = np.asarray(order, np.int64)
    found.flags.writeable = False
    return found


def _drawn(seed: int, count: int) -> npt.NDArray[np.uint64]:
    """The first `count` numbers of 32 bits that TensorFlow draws for a graph's seed."""
    seed %= LARGEST
    # TensorFlow takes two zeros for "any seed", and so puts another in place of the second.
    other = 0 if seed else LARGEST
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    words = [blocks & LOW, blocks >> HALF, np.full_like(blocks, other), np.zeros_like(blocks)]
    key = [seed, 0]
    for _ in range(ROUNDS):
        first, second = words[0] * MULTIPLIERS[0], words[2] * MULTIPLIERS[1]
        words = [
            (second >> HALF) ^ words[1] ^ np.uint64(key[0]),
            second & LOW,
            (first >> HALF) ^ words[3] ^ np.uint64(key[1]),
            first & LOW,
        ]
        key = [(part + step) & 0xFFFFFFFF for part, step in zip(key, KEY_STEPS, strict=True)]
    return np.stack(words, axis=1).reshape(-1)[:count]
