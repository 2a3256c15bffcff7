"""Which trials share lanes: those whose steps are equal graphs, an optimizer's numbers aside.

Lanes train by the program of one trial's network and optimizer, with another's weights and numbers.
That is right only where the networks compute the same. So each trial's own forward pass, loss and
metrics are traced, as they train and as they judge, and told apart by all that is in the graphs:
what stands in a closure, an attribute, a layer of the user's or its adapted statistics, counts as
much as what a config tells. The optimizer must be Keras' own, whose update its values decide.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from tuner.lanes.optimizer import form_of
from tuner.programs import keras_internals
from tuner.programs.graph_hash import NotShareable
from tuner.programs.identity import forward_trace, hides_gradients
from tuner.programs.program import bits, numbers_of
from tuner.training.declared import loss_of, metrics_of, optimizer_of, targets_of

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel
    from tuner.trial.trial import Trial


LARGE = 2**20
"""Bytes of a tensor, of adapted statistics say, above which nobody compares its values."""


def identity_of(declaration: KerasModel, trial: Trial, model: keras.Model) -> Hashable:
    """What the trials of the same lanes share. It compiles the trial's network.

    Raises NotShareable where a trial must not train in another's lanes, in words; and whatever the
    declaration's Python raises.
    """
    import keras
    import tensorflow as tf

    optimizer = optimizer_of(declaration, trial)
    why = _why_not(optimizer)
    if why is not None:
        raise NotShareable(why)
    data = trial.data
    y_train = targets_of(declaration, data.y_train, data.n_classes)
    loss, metrics = loss_of(declaration, trial), metrics_of(declaration, trial)
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
    specs = [_batch_spec(data.x_train), _batch_spec(y_train)]
    symbolic = tuple(keras.KerasTensor(spec.shape, spec.dtype.name) for spec in specs)
    keras_internals.create_variables(model, symbolic, training=True)
    # Spectral normalisation does.
    if sets(model, model.trainable_variables, data.x_train[:1], training=True):
        raise NotShareable("its forward pass changes its weights")
    if not all(keras_internals.decays(optimizer, v) for v in model.trainable_variables):
        raise NotShareable("its optimizer leaves some weights without weight decay")
    trained = model.trainable_variables
    known = [*trained, *model.non_trainable_variables, *model.metrics_variables]
    places = {id(variable.value.handle): index for index, variable in enumerate(known)}
    graphs = []
    for training in (True, False):
        traced = forward_trace(model, tuple, specs, training=training)
        if training and hides_gradients(traced):
            raise NotShareable("it has a gradient of its own")
        read = tuple(_read(tensor, places) for tensor in traced.outside)
        graphs.append((traced.structure, bits(numbers_of(traced)), read, traced.names))
    return (
        tuple(graphs),
        tuple((tuple(v.shape), str(v.dtype), _constraint(v)) for v in trained),
        form_of(optimizer),
        tf.config.list_logical_devices("GPU") != [],
    )


def sets(model: keras.Model, variables: Sequence[Any], sample: Any, *, training: bool) -> bool:
    """Whether a network sets some of these variables of its own as it is called, with a batch."""
    import keras

    before = [(variable, variable.numpy()) for variable in variables]
    with keras.StatelessScope(before) as scope:
        model(sample, training=training)
    return any((scope.get_current_value(v).numpy() != value).any() for v, value in before)


def _read(tensor: Any, places: dict[int, int]) -> Hashable:
    """What a graph reads from outside: one of its variables, or a tensor of such values."""
    if id(tensor) in places:
        return places[id(tensor)]
    if tensor.dtype.name in ("resource", "variant") or not hasattr(tensor, "numpy"):
        raise NotShareable("it reads what is not one of its variables")
    value = tensor.numpy()
    if value.dtype == object or value.nbytes > LARGE:
        raise NotShareable("it reads a large tensor that is not one of its variables")
    return value.dtype.str, value.shape, value.tobytes()


def _why_not(optimizer: Any) -> str | None:
    """Why an optimizer is not all in what its config says, None where it is."""
    if not keras_internals.class_is_kerass_own(type(optimizer)):
        return f"the optimizer {type(optimizer).__name__} is not Keras' own"
    rate = keras_internals.optimizer_state(optimizer)["_learning_rate"]
    if not keras_internals.class_is_kerass_own(type(rate)) or keras_internals.is_function(rate):
        return f"its learning rate is a {type(rate).__name__} of the user's"
    return None


def _constraint(variable: Any) -> Hashable:
    constraint = variable.constraint
    if constraint is None:
        return None
    if not keras_internals.class_is_kerass_own(type(constraint)):
        raise NotShareable("it has a constraint of its own")
    return type(constraint).__name__, repr(sorted(constraint.get_config().items()))


def _batch_spec(array: Any) -> Any:
    """A batch of an array, of a size that is not said, in the type that Keras gives it."""
    import keras
    import tensorflow as tf

    kind = tf.dtypes.as_dtype(array.dtype)
    if kind.is_floating:
        kind = tf.dtypes.as_dtype(keras.config.floatx())
    return tf.TensorSpec([None, *array.shape[1:]], kind)
