"""A `KerasModel` read for one trial: the pieces that any engine trains with.

Each function checks what the declaration returned and raises ExperimentError where it breaks a
rule, before any training. For the same trial they give every engine the same model with the same
initial weights.
"""

from __future__ import annotations

import importlib.util
import numbers
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.data.targets import is_one_hot, strata
from tuner.errors import ExperimentError

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel
    from tuner.trial.trial import Trial

VALIDATION_SAMPLES = 512
VALIDATION_BYTES = 2**21
"""What is judged after training goes in batches of up to these where the training's are smaller: no
number changes but by rounding. Large samples keep the training's batch size, which may have been
chosen to fit a memory."""


def seed_python(seed: int) -> None:
    """Seed Python's and NumPy's generators: all that initial weights depend on.

    Keras' initializers and dropout layers without a seed of their own draw one from Python's
    generator when they are made.
    """
    random.seed(seed)
    np.random.seed(seed)


def build_model(declaration: KerasModel, trial: Trial) -> keras.Model:
    """The declared model with its initial weights, which depend on the trial's seed alone."""
    import keras

    seed_python(trial.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(declaration.precision or policy)
    try:
        # runs code: the user's network
        model = declaration.build(trial)
        if not isinstance(model, keras.Model):
            raise ExperimentError(f"build returned {model!r}, which is not a Keras model")
        if model.compiled:
            raise ExperimentError(
                "build returned a compiled model; leave compile out, and declare optimizer, loss "
                "and metrics beside build"
            )
        create_weights(model, trial.data.train.x)
    finally:
        keras.config.set_dtype_policy(policy)
    return model


def forget_builds() -> None:
    """Let go of what Keras keeps of every model that is built: 0.36 MB each of a tiny one."""
    import keras

    keras.backend.clear_session(free_memory=False)


def create_weights(model: keras.Model, x_train: Any) -> None:
    """Build a model that waits to see its samples."""
    import keras

    if model.built:
        return
    if isinstance(model, keras.Sequential):
        model.build((None, *x_train.shape[1:]))
    else:
        model(x_train[:1])  # a subclass need not know how to build, but how to be called


def has_one_output(model: keras.Model) -> bool:
    """Whether a model has one output and tells its shape; a subclass of Model does not."""
    return len(getattr(model, "outputs", None) or ()) == 1


def create_variables(model: keras.Model, targets: Any) -> None:
    """Create a compiled model's optimizer and metric variables, all that `fit` would create.

    A `tf.function` whose first trace creates variables is traced twice: a third of a short trial.
    """
    if not has_one_output(model):
        return
    model.optimizer.build(model.trainable_variables)
    output = model.outputs[0]
    prediction = np.zeros((1, *(size or 1 for size in output.shape[1:])), output.dtype)
    model.compute_metrics(x=None, y=targets[:1], y_pred=prediction)
    model.reset_metrics()


def optimizer_of(declaration: KerasModel, trial: Trial) -> keras.optimizers.Optimizer:
    """The trial's own optimizer."""
    import keras

    # runs code: the user's optimizer
    optimizer = declaration.optimizer(trial)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ExperimentError(f"optimizer returned {optimizer!r}, which is not a Keras optimizer")
    return optimizer


def epochs_of(trial: Trial) -> int:
    """How many epochs a declared model trains."""
    epochs = trial.cell.epochs  # not trial.epochs, which a schedule might read
    if epochs is None:
        raise ExperimentError(
            "nothing says how many epochs to train; give an axis or constant 'epochs'",
            field="epochs",
        )
    return epochs


def batch_size_of(declaration: KerasModel, trial: Trial) -> int:
    """Samples in a batch."""
    declared = declaration.batch_size
    size = declared(trial) if callable(declared) else declared
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
        raise ExperimentError(f"batch_size {size!r} must be a whole number of at least 1")
    return int(size)


def validation_batch_size(declaration: KerasModel, batch_size: int, x_val: Any) -> int:
    """Samples in a batch of what is judged after training.

    A loss or metric of the user's own may depend on the batch: theirs stays as it is.
    """
    metrics = declaration.metrics
    if (
        callable(declaration.loss)
        or callable(metrics)
        or not all(isinstance(metric, str) for metric in metrics)
    ):
        return batch_size
    roomy = min(VALIDATION_SAMPLES, VALIDATION_BYTES // x_val[0].nbytes)
    return max(batch_size, int(roomy))


def loss_of(declaration: KerasModel, trial: Trial) -> Any:
    """What `compile` takes as the loss."""
    # runs code: the user's loss
    return declaration.loss(trial) if callable(declaration.loss) else declaration.loss


def metrics_of(declaration: KerasModel, trial: Trial) -> list[Any]:
    """What `compile` takes as the metrics."""
    declared = declaration.metrics
    return list(declared(trial) if callable(declared) else declared)


def targets_of(declaration: KerasModel, y: Any, n_classes: int | None) -> Any:
    """Targets as the declared loss wants them: `y` itself, class numbers, or one-hot rows.

    One-hot rows that were given become class numbers for a loss called "sparse_..." alone.
    """
    one_hot = n_classes is not None and is_one_hot(y)
    if declaration.targets == "labels":
        sparse = isinstance(declaration.loss, str) and declaration.loss.startswith("sparse_")
        return strata(y) if one_hot and sparse else y
    if n_classes is None:
        raise ExperimentError(
            "targets 'one_hot' needs class labels, and this dataset is a regression; take 'labels'"
        )
    return y.astype(np.float32) if one_hot else np.eye(n_classes, dtype=np.float32)[strata(y)]


def callbacks_of(declaration: KerasModel, trial: Trial) -> list[keras.callbacks.Callback]:
    """The trial's own callbacks, ours not among them.

    Raises ExperimentError for a TensorBoard without its package: Keras would in mid-training.
    """
    import keras

    # runs code: the user's callbacks
    declared = list(declaration.callbacks(trial)) if declaration.callbacks else []
    board = any(isinstance(callback, keras.callbacks.TensorBoard) for callback in declared)
    if board and importlib.util.find_spec("tensorboard") is None:
        raise ExperimentError(
            "callback TensorBoard needs the package tensorboard, which is not installed: "
            "`pip install tensorboard`, or take `tensorboard`, which needs no callback"
        )
    return declared


def check_schedule(
    optimizer: keras.optimizers.Optimizer, callbacks: Sequence[keras.callbacks.Callback]
) -> None:
    """Refuse a callback that sets the learning rate of an optimizer built on a schedule.

    Keras raises TypeError in the middle of the fit; here it is ExperimentError before it.
    """
    import keras

    kinds = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    setters = [callback for callback in callbacks if isinstance(callback, kinds)]
    if not setters:
        return
    try:
        schedule = optimizer.get_config().get("learning_rate")
    except NotImplementedError:  # a schedule without get_config: Keras trains by it all the same
        schedule = {"class_name": "a schedule"}
    if isinstance(schedule, Mapping):  # Keras writes a schedule as a dict, a rate as a number
        raise ExperimentError(
            f"{type(setters[0]).__name__} cannot set the learning rate of an optimizer built on "
            f"{schedule.get('class_name')}; give the optimizer a number, or drop the callback"
        )
