"""A look at a cluster from outside: which studies are on it, and what they hold.

    python -m tuner.sharing.glance      # on the cluster: a line of JSON now, and one each 2 s

Whoever reaches the job server alone looks through the lines of such a job.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuner.cluster.address import check_address
from tuner.sharing.messages import Row

ANSWER_S = 10.0
"""How long the broker may take."""
EACH_S = 2.0
"""How often a job that looks says what it sees."""
LONGEST_S = 3600.0
"""A job that looks ends by itself after so long, where whoever started it is gone."""


@contextmanager
def looking(address: str) -> Iterator[Callable[[], list[Row]]]:
    """A function that lists the studies on the cluster at `address` ("auto" or HOST:PORT) now.

    Raises EngineError where no cluster answers.
    """
    import ray

    from tuner.cluster import ray_internals
    from tuner.sharing.broker import running_broker

    check_address(address)
    ray_internals.silence()
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR)

    def rows() -> list[Row]:
        broker = running_broker()
        if broker is None:
            return []
        try:
            found: list[Row] = ray.get(broker.studies.remote(), timeout=ANSWER_S)
        except ray.exceptions.RayError:  # it starts again just now, and will hear of them
            return []
        return found

    try:
        yield rows
    finally:
        ray.shutdown()


def main() -> None:
    """Print what there is to see, as long as somebody may read it."""
    end = time.monotonic() + LONGEST_S
    with looking("auto") as rows:
        while time.monotonic() < end:
            print(json.dumps(rows()), flush=True)
            time.sleep(EACH_S)


if __name__ == "__main__":
    main()
