"""Ray Tune without the trackers that it imports where they are there, and workers without it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from tuner.cluster.light_tune import tune
assert tune.run
print(sorted(name for name in ("wandb", "mlflow") if name in sys.modules))
import mlflow
print(mlflow.__name__)
"""


def test_trackers_are_left_out_and_can_be_imported_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "mlflow"]


def test_a_worker_imports_no_ray_tune_and_what_that_brings() -> None:
    code = "import sys, tuner.engines.ray_tune.worker; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    assert not {"ray.tune", "ray.train", "pandas", "pyarrow"} & set(done.stdout.splitlines())
