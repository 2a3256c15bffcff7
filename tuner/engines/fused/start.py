"""Where a lanes' process begins."""

from __future__ import annotations

import time
from typing import Any

from tuner.engines.fused.worker import LaneWorker
from tuner.engines.process import loaded
from tuner.engines.shipping import Shipment


def lane_worker(shipped: Shipment, dataset: Any, host: str, lanes: int) -> LaneWorker:
    """A LaneWorker in a process of its own, of which it takes no more than it was given."""
    from tuner.training import process

    began = time.monotonic()
    process.limit_threads(shipped.cpus)
    process.limit_gpu_memory(shipped.gpus)
    process.warm_up()
    worker = LaneWorker(shipped, loaded(dataset), lanes, host)
    worker.seconds["start"] = time.monotonic() - began
    return worker
