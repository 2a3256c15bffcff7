"""What can be trained in lanes, which trials share them, and how: rules on the model alone.

No stopwatch decides: a result must not depend on a machine's mood.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tuner.lanes import keras_internals, random_internals
from tuner.lanes.identity import identity_of, sets
from tuner.lanes.keras_internals import layers_of
from tuner.programs.eligible import builds_in_step, overrides
from tuner.programs.graph_hash import NotShareable
from tuner.programs.keras_internals import is_own_value
from tuner.training.declared import build_model, has_one_output, metrics_of, optimizer_of

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel
    from tuner.trial.trial import Trial

WIDE = 256
"""A Dense kernel of this many rows and columns fills a core by itself."""
UNFIT_OPTIMIZERS = ("Adafactor", "LossScaleOptimizer", "Lamb")
BATCHED_CONVOLUTIONS = ("Conv", "Pooling", "UpSampling")


def why_not(declaration: KerasModel, trial: Trial, model: keras.Model) -> str | None:
    """Why a trial's network cannot be trained in lanes, in words; None if it can."""
    import keras
    import tensorflow as tf

    changed = random_internals.check() or keras_internals.check()
    if changed is not None:
        return changed
    if declaration.callbacks is not None:
        return "it has callbacks of its own"
    if overrides(model, ("train_step", "test_step", "compute_loss", "compute_metrics")):
        return f"{type(model).__name__} has a training step, loss or metrics of its own"
    if not has_one_output(model) or len(model.inputs) != 1:
        return "it has several inputs or outputs, or tells none"
    if any(layer.compute_dtype == "float16" for layer in layers_of(model)):
        return "it computes in float16, whose losses must be scaled; bfloat16 needs none"
    optimizer = optimizer_of(declaration, trial)
    if type(optimizer).__name__ in UNFIT_OPTIMIZERS:
        return f"the optimizer {type(optimizer).__name__} cannot be fused"
    if not type(optimizer).__module__.startswith("keras."):
        return f"the optimizer {type(optimizer).__name__} is not one of Keras' own"
    if builds_in_step(optimizer):  # a lane's slots begin as zeros, or as what another lane had
        return f"the optimizer {type(optimizer).__name__} may set variables when it is built"
    for name in ("use_ema", "gradient_accumulation_steps", "loss_scale_factor"):
        if getattr(optimizer, name, None):
            return f"the optimizer has {name}"
    for layer in layers_of(model):
        if getattr(layer, "stateful", False):
            return f"the layer {layer.name!r} keeps state between batches"
        if any(isinstance(value, tf.Variable) for value in vars(layer).values()):
            return f"the layer {layer.name!r} has a variable that is not one of Keras'"
        if isinstance(layer, keras.layers.Dense) and min(layer.kernel.shape) >= WIDE:
            rows, columns = layer.kernel.shape
            return f"its Dense layers are wide ({rows} x {columns}): no gain"
    if not all(isinstance(metric, str) for metric in metrics_of(declaration, trial)):
        return "it has metrics of its own"
    found = _identity(declaration, trial, model)
    if isinstance(found, NotShareable):
        return str(found)
    if isinstance(found, Exception):
        return f"its step cannot be traced apart from fit ({type(found).__name__}: {found!s:.200})"
    return None


def form(declaration: KerasModel, trial: Trial, model: keras.Model) -> Hashable:
    """What the trials of the same lanes share; for one that has none, a thing of its own."""
    found = _identity(declaration, trial, model)
    return object() if isinstance(found, Exception) else found


def _identity(declaration: KerasModel, trial: Trial, model: keras.Model) -> Hashable | Exception:
    """A trial's identity, traced once for a model; or why it has none."""
    if model not in _IDENTITIES:
        try:
            _IDENTITIES[model] = identity_of(declaration, trial, model)
        except Exception as error:  # noqa: BLE001  # a user's code runs in a trace
            _IDENTITIES[model] = error.with_traceback(None)
    return _IDENTITIES[model]


_IDENTITIES: WeakKeyDictionary[Any, Hashable | Exception] = WeakKeyDictionary()


def looked_at(declaration: KerasModel, trials: Iterable[Trial]) -> tuple[str | None, int]:
    """Why the first of some trials cannot be trained in lanes, and how many forms they have.

    What raises does not count: it will end its trials, on whatever engine.
    """
    reasons, forms = [], set()
    for trial in trials:
        try:
            model = build_model(declaration, trial)
            reasons.append(why_not(declaration, trial, model))
            forms.add(form(declaration, trial, model))
        except Exception:  # noqa: BLE001  # told when a trial meets it
            continue
    return next(iter(reasons), None), len(forms)


def judges_in_any_batches(model: keras.Model, sample: Any) -> bool:
    """Whether a network's outputs do not depend on the samples beside, as far as can be told.

    True of Keras' own layers when they do not train; code of the user's own may look at a batch.
    And a recurrent layer with dropout counts its batches. `sample` is a batch of one.
    """
    return all(
        is_own_value(layer)
        and type(layer).__name__ != "Lambda"
        and all(is_own_value(value) for value in vars(layer).values() if callable(value))
        for layer in layers_of(model)
    ) and not sets(model, model.non_trainable_variables, sample, training=False)


def vectorises(model: keras.Model) -> bool:
    """Whether a network's forward pass vectorises over lanes; else its lanes are unrolled.

    A convolution with a filter a lane would become a loop without a word.
    """
    names = [type(layer).__name__ for layer in layers_of(model)]
    return not any(part in name for name in names for part in BATCHED_CONVOLUTIONS)
