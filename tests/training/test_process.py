from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import EngineError
from tuner.training.process import clear_worker, limit_gpu_memory, limit_threads

FRESH_WORKER = """
import json, os
from tuner.training.process import limit_gpu_memory, limit_threads, warm_up
limit_threads(CPUS)
limit_gpu_memory(0)
warm_up()
import tensorflow as tf
x = tf.random.normal((600, 600))
tf.matmul(x, x).numpy()
print(json.dumps({
    "threads": len(os.listdir("/proc/self/task")),
    "omp": os.environ["OMP_NUM_THREADS"],
    "gpus": len(tf.config.list_physical_devices("GPU")),
}))
"""


def fresh_worker(cpus: float) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", FRESH_WORKER.replace("CPUS", str(cpus))],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_fresh_worker_computes_on_the_threads_it_was_given() -> None:
    one, many = fresh_worker(0.5), fresh_worker(7)
    assert (one["omp"], many["omp"]) == ("1", "7")
    assert one["gpus"] == many["gpus"] == 0
    assert many["threads"] - one["threads"] >= 6


def test_threads_cannot_be_limited_once_tensorflow_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM"):
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    tf.constant(0.0)
    with pytest.raises(EngineError, match="cannot be limited to 3: TensorFlow has run"):
        limit_threads(3)


def test_a_share_of_no_gpu_is_refused() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match=r"gpus_per_trial: 0\.5 of a GPU"):
        limit_gpu_memory(0.5)


def test_what_autograph_wrote_for_a_function_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    @tf.function
    def doubled(x: Any) -> Any:
        return 2 * x if x > 0 else x

    assert int(doubled(tf.constant(3))) == 6
    assert list(tmp_path.glob("*.py"))
    clear_worker()
    assert list(tmp_path.glob("*.py")) == []
    assert int(doubled(tf.constant(-3))) == -3
    assert int(doubled(tf.constant(4))) == 8
