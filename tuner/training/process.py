"""What a fresh worker's process does before its first trial: take no more than it was given."""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Callable

from tuner.errors import EngineError
from tuner.training.autograph_files import remove_autograph_files
from tuner.training.declared import forget_builds, seed_python
from tuner.training.globals_internals import CLEARING, forget_custom_gradients

_NUMERIC_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


def limit_threads(cpus: float) -> None:
    """Let this process compute on as many threads as it was given CPUs, and at least one.

    TensorFlow gets that many intra-op threads and one inter-op thread; its defaults, one a core in
    every worker, would start cores x workers of them. To be called before TensorFlow's first
    operation and, for NumPy's own libraries, before NumPy's import. Raises EngineError when
    TensorFlow has begun.
    """
    threads = max(1, int(cpus))
    for library in _NUMERIC_LIBRARIES:
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    if "tensorflow" in sys.modules:  # it may have read its environment already
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError as error:
            raise EngineError(
                f"threads cannot be limited to {threads}: TensorFlow has run in this process; "
                "limit them in a fresh worker"
            ) from error


def limit_gpu_memory(fraction: float) -> None:
    """Let this process see its GPU's memory up to `fraction`; 0 hides the GPU, 1 lets it
    take all of it, as it needs it.

    To be called before TensorFlow's first operation. Raises EngineError when TensorFlow has begun
    with other devices, or when a fraction is asked for and there is no GPU.
    """
    if fraction <= 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        return
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise EngineError(
            f"{fraction:g} of a GPU was given to this worker, and TensorFlow sees none; install "
            "the extra 'gpu', or take none",
            field="gpus_per_trial",
        )
    if fraction >= 1:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        return
    limit = int(fraction * _gpu_memory_mb())
    try:
        for gpu in gpus:
            tf.config.set_logical_device_configuration(
                gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=limit)]
            )
    except RuntimeError as error:
        raise EngineError(
            f"GPU memory cannot be limited to {limit} MB: TensorFlow has run in this process; "
            "limit it in a fresh worker"
        ) from error


def _gpu_memory_mb() -> float:
    """Memory of the first GPU that this process sees, in MiB, asked from CUDA's driver itself.

    TensorFlow tells it only after it has taken the memory.
    """
    import ctypes

    cuda = ctypes.CDLL("libcuda.so.1")
    total = ctypes.c_size_t()
    for status in (cuda.cuInit(0), cuda.cuDeviceTotalMem_v2(ctypes.byref(total), 0)):
        if status != 0:
            raise EngineError(f"CUDA's driver cannot tell the GPU's memory (status {status})")
    return total.value / 2**20


def warm_up() -> None:
    """Import Keras and TensorFlow ahead of the first trial, and start TensorFlow.

    What is imported lives as long as the worker, so the collection after each trial need not look
    at it: it then takes 15 ms and not 190. Warnings on retracing are kept silent, since every
    trial has a model of its own to trace.
    """
    gc.disable()  # collections take a fifth of the import's time, and find nothing
    import keras
    import tensorflow as tf

    from tuner.programs.fit import keep_kernels

    gc.enable()
    tf.get_logger().setLevel("ERROR")
    keras.backend.clear_session(free_memory=False)
    keep_kernels()
    tf.constant(0.0)
    gc.collect()
    gc.freeze()


def kept_type_policy() -> Callable[[], None]:
    """What puts Keras' global type policy back to what it is now.

    A user's file may set one at its head. Keras keeps it for one thread, and forgets it with its
    session, which is cleared after each cell.
    """
    if "keras" not in sys.modules:
        return lambda: None
    import keras

    policy = keras.config.dtype_policy()
    return lambda: keras.config.set_dtype_policy(policy)


def seed_worker(seed: int, *, import_keras: bool = False) -> None:
    """Seed every generator that a training may draw from: Python's, NumPy's, and Keras' own.

    Without `import_keras`, Keras and TensorFlow are seeded only where they are imported already:
    a function without a network must not pay for them.
    """
    seed_python(seed)
    if import_keras or "keras" in sys.modules:
        import keras

        keras.utils.set_random_seed(seed)


def clear_worker() -> None:
    """Free what the last cell left behind, so that the next one starts as in a new process.

    A graph that outlives its cell cannot be differentiated anew after this.
    """
    with CLEARING:
        if "keras" in sys.modules:
            forget_builds()
            forget_custom_gradients()
            remove_autograph_files()
        gc.collect()


def peak_rss_mb() -> float:
    """The most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
