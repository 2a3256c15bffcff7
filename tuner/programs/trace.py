"""A training step of one trial as a graph: its identity, and the variables that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.programs import tf_internals
from tuner.programs.graph_hash import NotShareable, digest

Name = tuple[str, ...]
"""Where a log stands: its key, and before it those of the dicts that hold it."""
NO_LOGS = "its step returns something else than a dict of tensors"


@dataclass(frozen=True, eq=False)
class Trace:
    """A traced step.

    `structure` is equal for steps that differ in `numbers` alone: the scalar float constants, by
    the names of their nodes, in the order of the graph. `outside` are the tensors that the graph
    reads from outside, in the order in which it takes them after its data: variables' handles,
    and large constants. `names` are those of its outputs, the logs of a step, in their order.
    """

    graph: Any
    proto: Any
    structure: str
    numbers: dict[str, Any]
    gradients: frozenset[str]
    outside: list[Any]
    names: tuple[Name, ...]

    @property
    def nodes(self) -> int:
        """How large the graph is."""
        return len(self.proto.node) + sum(len(f.node_def) for f in self.proto.library.function)


def trace(step: Callable[..., Any], specs: Sequence[Any]) -> Trace:
    """Trace a step, which takes a batch's tensors of these `specs` and returns its logs by name.

    Its Python runs once, as at the first batch of a fit. Raises NotShareable where another trial
    must not run the graph in place of its own, and whatever the step raises.
    """
    graph = tf_internals.trace_graph(step, specs)
    names = tuple(_names(graph.structured_outputs))
    if not names or len(names) != len(graph.outputs):
        raise NotShareable(NO_LOGS)
    if tf_internals.has_late_captures(graph):
        raise NotShareable("its step captures values that it asks for at each call")
    outside = tf_internals.outside_tensors(graph)
    proto = graph.as_graph_def()
    found = digest(proto, list(graph.inputs), outside, list(graph.outputs))
    return Trace(
        graph=graph,
        proto=proto,
        structure=found.structure,
        numbers=found.numbers,
        gradients=frozenset(found.gradients),
        outside=outside,
        names=names,
    )


def logs_of(names: Sequence[Name], values: Sequence[Any]) -> dict[str, Any]:
    """The logs that a step returned, of its outputs' values."""
    logs: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        held = logs
        for key in name[:-1]:
            held = held.setdefault(key, {})
        held[name[-1]] = value
    return logs


def _names(logs: Any, before: Name = ()) -> Iterator[Name]:
    """The names of a step's logs in the order of its graph's outputs, which is that of the keys.

    Raises NotShareable where they are something else than tensors in dicts.
    """
    import tensorflow as tf

    if isinstance(logs, Mapping):
        for key in sorted(logs):
            yield from _names(logs[key], (*before, key))
    elif tf.is_tensor(logs) and before:
        yield before
    else:
        raise NotShareable(NO_LOGS)
