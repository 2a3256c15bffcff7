"""Keras' private names that programs lean on, and a check of them.

Each is used in this file alone. `check()` says in a line what a new version has changed; then
nothing is warm, and every training is plain `fit`'s.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any


def check() -> str | None:
    """What of Keras' internals is not as programs need it, None where all is well."""
    try:
        import keras
        from keras.src.backend.tensorflow import trainer
        from keras.src.optimizers import base_optimizer
        from keras.src.trainers import epoch_iterator
        from keras.src.trainers.data_adapters import array_data_adapter, array_slicing
        from keras.src.trainers.trainer import Trainer

        if keras.backend.backend() != "tensorflow":
            return f"Keras runs on {keras.backend.backend()}, not on TensorFlow"
        wanted: list[tuple[Any, str]] = [
            (trainer, "TFEpochIterator"),
            (epoch_iterator.EpochIterator, "num_batches"),
            (epoch_iterator.EpochIterator, "reset"),
            (epoch_iterator.EpochIterator, "catch_stop_iteration"),
            (array_data_adapter, "ArrayDataAdapter"),
            (array_slicing, "convert_to_sliceable"),
            (keras.Model, "_make_function"),
            (keras.Model, "_symbolic_build"),
            (keras.Model, "_compute_loss"),
            (keras.Model, "_flatten_layers"),
            (base_optimizer.BaseOptimizer, "_var_key"),
            (base_optimizer.BaseOptimizer, "_use_weight_decay"),
        ]
    except ImportError as error:
        return f"Keras has changed: {error}"
    for owner, name in wanted:
        if not hasattr(owner, name):
            return f"Keras has changed: {owner.__name__} has no {name}"
    for method in ("fit", "evaluate"):
        names = _code(getattr(trainer.TensorFlowTrainer, method)).co_names
        if "TFEpochIterator" not in names:
            return f"Keras has changed: its {method} makes no TFEpochIterator"
    adapter = array_data_adapter.ArrayDataAdapter
    for owner, name in (
        *((adapter, name) for name in ("_inputs", "_num_samples", "_batch_size", "_shuffle")),
        *((Trainer, n) for n in ("_compile_loss", "_compile_metrics", "_loss_tracker")),
        (keras.layers.Layer, "_call_has_training_arg"),
    ):
        if name not in owner.__init__.__code__.co_names:
            return f"Keras has changed: {owner.__name__} begins without {name}"
    if not any("_should_trace" in code.co_names for code in _codes(keras.callbacks.TensorBoard)):
        return "Keras has changed: its TensorBoard has no _should_trace"
    return None


def base_iterator() -> Any:
    """The class behind the iterators of `fit`: num_batches, steps, and a data adapter."""
    from keras.src.trainers.epoch_iterator import EpochIterator

    return EpochIterator


@contextmanager
def iterators_made_by(
    make: Callable[[Any, Callable[..., Any], dict[str, Any]], Any],
) -> Iterator[None]:
    """While it holds, `make(model, usual, named)` makes the iterators of fit and evaluate.

    `model` is the one that is trained or judged, `usual` makes Keras' own iterator, and `named`
    are the arguments that it takes. Within another, the inner one makes them. It holds in its
    thread alone, and any thread may end first.
    """
    from keras.src.backend.tensorflow import trainer

    global _makers_count
    of = {_code(getattr(trainer.TensorFlowTrainer, name)) for name in ("fit", "evaluate")}
    with _LOCK:
        _makers_count += 1
        if _makers_count == 1:
            usual = trainer.TFEpochIterator

            def instead(*arguments: Any, **named: Any) -> Any:
                caller, made = sys._getframe(1), getattr(_HERE, "makers", [])
                if arguments or not made or caller.f_code not in of:
                    return usual(*arguments, **named)
                return made[-1](caller.f_locals["self"], usual, named)

            trainer.TFEpochIterator, _USUAL[:] = instead, [usual]
    makers = _HERE.__dict__.setdefault("makers", [])
    makers.append(make)
    try:
        yield
    finally:
        makers.remove(make)
        with _LOCK:
            _makers_count -= 1
            if _makers_count == 0:
                (trainer.TFEpochIterator,) = _USUAL


_LOCK, _HERE = threading.Lock(), threading.local()
_makers_count = 0
_USUAL: list[Any] = []


def is_distributed(model: Any) -> bool:
    """Whether a model was made for a distribution strategy."""
    return getattr(model, "_distribute_strategy", None) is not None


def profiles(tensorboard: Any) -> bool:
    """Whether Keras' TensorBoard callback profiles batches."""
    return bool(tensorboard._should_trace)


def is_array_adapter(adapter: Any) -> bool:
    """Whether the data of an iterator are arrays in memory."""
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    return type(adapter) is ArrayDataAdapter


def arrays_of(adapter: Any) -> Any:
    """An array adapter's data, (x, y, sample weights), as tensors with Keras' own types."""
    import keras
    from keras.src.trainers.data_adapters import array_slicing

    whole = array_slicing.convert_to_sliceable(adapter._inputs, target_backend="tensorflow")
    return keras.tree.lists_to_tuples(whole)


def batching_of(adapter: Any) -> tuple[int, int, Any]:
    """An array adapter's samples, batch size, and shuffle (True, False or "batch")."""
    return adapter._num_samples, adapter._batch_size, adapter._shuffle


def create_variables(model: Any, data: Any, *, training: bool) -> None:
    """Create all that the first batch of a fit would: the model's own variables, where it waits
    to see its samples, the metrics', the loss' and, for training, the optimizer's.

    `data` is (x, y, sample weights) as KerasTensors. No Python of the model's runs if it is built.
    """
    import keras

    if _is_by_its_parts(model):
        return
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    layers = model._flatten_layers()
    if all(layer.built for layer in layers) and len(getattr(model, "outputs", None) or ()) == 1:
        output = model.outputs[0]
        for part in (model._compile_metrics, model._compile_loss):
            if part is not None and not part.built:
                part.build(y, output)
    else:  # four times the cost
        model._symbolic_build(data_batch=(x, y, weights))
    if training and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _is_by_its_parts(model: Any) -> bool:
    """Whether a model is no more than what holds its parts, as a GAN's is: its own step calls them
    and their optimizers, and nobody calls the model, which may have no `call`."""
    parts = model._flatten_layers(include_self=False)
    return (
        not is_kerass_own(model.train_step)
        and not model.built
        and model._compile_loss is None
        and model._compile_metrics is None
        and all(part.built for part in parts)
    )


def own_function(model: Any, step: Callable[..., Any]) -> Callable[..., Any]:
    """What Keras' own fit would call for a batch."""
    function: Callable[..., Any] = model._make_function(step)
    return function


def loss_of(model: Any, x: Any, y: Any, y_pred: Any, weights: Any, *, training: bool) -> Any:
    """The loss of a batch, regularizers and `add_loss` included."""
    return model._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights, training=training)


def call_takes_training(model: Any) -> bool:
    """Whether a model's call is told that it trains."""
    return bool(model._call_has_training_arg)


def loss_variables(model: Any) -> list[Any]:
    """The variables in which a model keeps the mean of its loss."""
    return list(model._loss_tracker.variables)


def is_kerass_own(function: Any) -> bool:
    """Whether a function, method or property is written in Keras, TensorFlow or Python itself.

    Told by where its code lies: a name can be taken over by whoever patches a class.
    """
    if isinstance(function, (staticmethod, classmethod)):
        function = function.__func__
    if isinstance(function, property):
        return all(is_kerass_own(part) for part in (function.fget, function.fset) if part)
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        return True
    path = function.__code__.co_filename
    return path.startswith(_own_folders()) or not path.startswith("/")


def may_assign(build: Any) -> bool:
    """Whether an optimizer's `build` may do more than make variables; any but Keras' own may."""
    if not isinstance(build, FunctionType) or not is_kerass_own(build):
        return True
    return any(name.startswith("assign") for name in _code(build).co_names)


def class_is_kerass_own(kind: type) -> bool:
    """Whether all of a class, and of those that it inherits from, is Keras' own: unpatched."""
    return all(
        is_kerass_own(member)
        for base in kind.__mro__[:-1]
        for member in vars(base).values()
        if isinstance(member, (FunctionType, staticmethod, classmethod, property))
    )


def is_own_value(value: Any) -> bool:
    """Whether a function, or an object's class, is Keras', TensorFlow's or Python's own."""
    if isinstance(value, (FunctionType, MethodType)):
        return is_kerass_own(value)
    return class_is_kerass_own(value if isinstance(value, type) else type(value))


def is_function(value: Any) -> bool:
    """Whether a value is a plain function, a bound method or a partial."""
    return callable(value) and not hasattr(type(value), "get_config")


def trained_index(optimizer: Any, variable: Any) -> int:
    """Where an optimizer keeps what belongs to a variable."""
    place: int = optimizer._trainable_variables_indices[optimizer._var_key(variable)]
    return place


def decays(optimizer: Any, variable: Any) -> bool:
    """Whether an optimizer's weight decay acts on a variable."""
    return bool(optimizer._use_weight_decay(variable))


OPTIMIZERS_NAMES = frozenset(
    {
        "name", "_tracker", "_lock", "_distribution_strategy", "_trainable_variables_indices",
        "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern",
        "_exclude_from_weight_decay_cache", "_auto_config", "_obj_type",
    }
)  # fmt: skip
"""What an optimizer holds that decides no update, or is asked for by `trained_index`, `decays`."""


def optimizer_state(optimizer: Any) -> Mapping[str, Any]:
    """All that an optimizer holds and that decides its updates."""
    return {
        name: value
        for name, value in vars(optimizer).items()
        if name not in OPTIMIZERS_NAMES and not name.startswith("_self_")
    }


def _code(method: Any) -> Any:
    return getattr(method, "__wrapped__", method).__code__


def _codes(kind: type) -> list[Any]:
    return [member.__code__ for member in vars(kind).values() if isinstance(member, FunctionType)]


_FOLDERS: list[str] = []


def _own_folders() -> tuple[str, ...]:
    if not _FOLDERS:
        import keras
        import tensorflow as tf

        _FOLDERS.extend(f"{Path(str(module.__file__)).parent}/" for module in (keras, tf))
    return tuple(_FOLDERS)
