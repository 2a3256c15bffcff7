"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before TensorFlow is imported anywhere: its start-up lines are no news.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import psutil
import pytest

hypothesis.settings.register_profile("tuner", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tuner")


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The path of a real MNIST, named by TUNER_MNIST."""
    path = os.environ.get("TUNER_MNIST")
    if path is None:
        pytest.skip("TUNER_MNIST names no mnist.npz")
    return Path(path)


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Whatever the tests started has ended with them."""
    yield
    children = psutil.Process().children(recursive=True)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, [process.cmdline() for process in alive]
