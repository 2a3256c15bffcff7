"""Keras' private names that lanes lean on, and a check of them.

On TensorFlow an optimizer's `stateless_apply` is switched off; a mixin of the base optimizer's own
methods restores it. `check()` says in a line what a new version has changed; then nothing is
trained in lanes.
"""

from __future__ import annotations

from typing import Any

RESTORED = (
    "stateless_apply",
    "assign",
    "assign_add",
    "assign_sub",
    "_var_key",
    "_apply_weight_decay",
    "_backend_update_step",
)
"""The base optimizer's methods that TensorFlow's own one replaces by others."""


def check() -> str | None:
    """What of Keras' internals is not as lanes need it, None where all is well."""
    try:
        import keras
        from keras.src.optimizers.base_optimizer import BaseOptimizer
        from keras.src.trainers.trainer import Trainer
    except ImportError as error:
        return f"Keras has changed: {error}"
    if BaseOptimizer not in keras.optimizers.Optimizer.__mro__:
        return "Keras has changed: its optimizers have another base"
    wanted = [(keras.Model, "_flatten_layers"), *((BaseOptimizer, name) for name in RESTORED)]
    for owner, name in wanted:
        if not hasattr(owner, name):
            return f"Keras has changed: {owner.__name__} has no {name}"
    for owner, name in ((Trainer, "_compile_loss"), (BaseOptimizer, "_learning_rate")):
        if name not in owner.__init__.__code__.co_names:
            return f"Keras has changed: {owner.__name__} begins without {name}"
    return None


def layers_of(model: Any) -> list[Any]:
    """A model's layers, those inside others included, and the model itself."""
    return list(model._flatten_layers())


def compiled_loss(model: Any, y: Any, predicted: Any) -> Any:
    """The loss that `compile` was given, of one batch; regularisers are not in it."""
    return model._compile_loss(y, predicted)


def rate_of(optimizer: Any) -> Any:
    """An optimizer's learning rate as it holds it: a variable, or the schedule."""
    return optimizer._learning_rate


def stateless(own: type) -> type:
    """An optimizer's class with a `stateless_apply` that works."""
    import keras
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    parts = {name: getattr(BaseOptimizer, name) for name in RESTORED}
    # Between the optimizer and TensorFlow's base in the order of methods, so that super() works.
    mixin = type("LaneMixin", (keras.optimizers.Optimizer,), parts)
    return type(f"Lane{own.__name__}", (own, mixin), {})
