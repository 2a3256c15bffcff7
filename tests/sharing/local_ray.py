"""One Ray for the tests of a file, and a way to wait for what is to happen."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import ray

from tuner.cluster.ray_internals import forget_token
from tuner.cluster.session import LOCAL_ENVIRONMENT


def local_ray(cpus: int) -> Iterator[None]:
    """Connects this process to a Ray of its own, of so many logical CPUs, and ends it."""
    before = dict(os.environ)
    os.environ.update({**LOCAL_ENVIRONMENT, "RAY_USAGE_STATS_ENABLED": "0"})
    forget_token()
    folder = tempfile.mkdtemp(prefix="shr", dir="/tmp")
    ray.init(
        address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR, _temp_dir=folder, object_store_memory=100 << 20,
    )  # fmt: skip
    try:
        yield
    finally:
        ray.shutdown()
        forget_token()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def until(what: Callable[[], Any], seconds: float = 300.0) -> None:
    """Wait for something that is to happen soon."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.05)
