"""TensorFlow's private names that programs lean on, and a check of them.

Each is used in this file alone. `check()` says in a line what a new version has changed; then
nothing is warm, and every training is plain `fit`'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any


def check() -> str | None:
    """What of TensorFlow's internals is not as programs need it, None where all is well."""
    try:
        from tensorflow.python.eager import context
        from tensorflow.python.eager.polymorphic_function import concrete_function
        from tensorflow.python.framework import func_graph, op_def_registry, random_seed

        wanted: list[tuple[Any, str]] = [
            (func_graph, "func_graph_from_py_func"),
            (func_graph.FuncGraph, "captures"),
            (func_graph.FuncGraph, "capture"),
            (func_graph.FuncGraph, "external_captures"),
            (op_def_registry, "get"),
            (random_seed, "get_seed"),
            (context.Context, "_set_global_seed"),
            (concrete_function.ConcreteFunction, "_call_flat"),
        ]
    except ImportError as error:
        return f"TensorFlow has changed: {error}"
    for owner, name in wanted:
        if not hasattr(owner, name):
            return f"TensorFlow has changed: {owner.__name__} has no {name}"
    for name in ("_seed", "_rng"):
        if name not in context.Context._set_global_seed.__code__.co_names:
            return f"TensorFlow has changed: seeding sets no {name}"
    return None


# ------------------------------------------------------------------------------- tracing


def trace_graph(function: Callable[..., Any], specs: Sequence[Any]) -> Any:
    """The graph of `function` for tensors of these specs, as `tf.function` would trace it.

    Without autograph, as in Keras' own steps. What it captures from outside is an input.
    """
    import tensorflow as tf
    from tensorflow.python.framework import func_graph

    plain = tf.autograph.experimental.do_not_convert(function)
    return func_graph.func_graph_from_py_func("step", plain, tuple(specs), {})


def outside_tensors(graph: Any) -> list[Any]:
    """The tensors that a graph captures from outside, most of them variables' handles."""
    return [outside for outside, _ in graph.captures]


def has_late_captures(graph: Any) -> bool:
    """Whether a graph asks for values at each call, which no list of captures tells."""
    return bool(getattr(graph, "deferred_external_captures", None))


def handle_data(tensor: Any) -> bytes:
    """What a resource's handle says of it: the shape and type of a variable."""
    data = getattr(tensor, "_handle_data", None)
    return b"" if data is None else bytes(data.SerializeToString(deterministic=True))


def is_stateful(op: str) -> bool:
    """Whether an op has a state or an effect. One that is not registered is taken to have."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(op)
    return definition is None or bool(definition.is_stateful)


def capture(tensor: Any) -> Any:
    """`tensor`, which is outside, as an input of the graph that is being made."""
    from tensorflow.python.framework import ops

    return ops.get_default_graph().capture(tensor)


def captured_by(function: Any) -> list[Any]:
    """The tensors from outside that a concrete function was made with, in its own order."""
    return list(function.graph.external_captures)


def call_with(function: Any, arguments: list[Any], captured: list[Any]) -> list[Any]:
    """Call a concrete function with other tensors in the place of those that it captured."""
    return list(function._call_flat(arguments, captured))


# ------------------------------------------------------------------------------- seeds


class KeptKernels:
    """Keeps compiled functions through `set_random_seed`, which discards all of them.

    TensorFlow does so to begin its stateful random ops anew, and every function is then compiled
    anew at its next call: 0.15 s a trial. Here it is done only if such an op may have begun: one
    asks for its seeds when it is made. One in a graph may run in any later trial too, so that
    from then on nothing is kept; but for a dataset's functions, which live with their iterator.
    """

    def __init__(self) -> None:
        self.begun = True  # what was before is not known
        self.in_graphs = False
        self._kept = False

    def keep(self) -> None:
        """From now on, seeding discards no kernel that need not begin anew."""
        from tensorflow.python.eager import context
        from tensorflow.python.framework import ops, random_seed

        if self._kept:
            return
        self._kept = True
        get_seed, set_seed = random_seed.get_seed, context.Context._set_global_seed

        def watched(op_seed: Any) -> Any:
            if context.executing_eagerly():
                self.begun = True
            elif not str(getattr(ops.get_default_graph(), "name", "")).startswith("Dataset_"):
                self.in_graphs = True
            return get_seed(op_seed)

        def seeded(ctx: Any, seed: Any) -> None:
            if self.begun or self.in_graphs or not isinstance(seed, int):
                self.begun = False
                set_seed(ctx, seed)
                return
            ctx._seed = seed
            ctx._rng = random.Random(seed)

        random_seed.get_seed, context.Context._set_global_seed = watched, seeded


KERNELS = KeptKernels()
"""Those of this process."""
