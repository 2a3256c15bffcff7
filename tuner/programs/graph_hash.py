"""The identity of a graph: equal for graphs that compute the same by the same operations.

Nodes are numbered in the order in which they were made, so that no name counts; all else does: the
operations, their attributes, constants and devices, the functions that they call, what is wired to
what, what is captured and what comes out. Control inputs come from sets and are sorted. Scalar
float constants of the top level are told apart (`Digest.numbers`): trials that differ in them alone
have one `structure`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.programs import tf_internals

STATE_IN_VARIABLES = frozenset(
    {
        "ReadVariableOp", "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp",
        "ResourceGather", "ResourceGatherNd", "ResourceScatterAdd", "ResourceScatterSub",
        "ResourceScatterMul", "ResourceScatterDiv", "ResourceScatterMin", "ResourceScatterMax",
        "ResourceScatterUpdate", "ResourceScatterNdUpdate", "ResourceScatterNdAdd",
        "ResourceScatterNdSub", "ResourceStridedSliceAssign", "VarIsInitializedOp",
        "VariableShape", "StatefulPartitionedCall", "While", "If", "Case", "Assert",
    }
)  # fmt: skip
"""Stateful ops whose state is all in variables, which are inputs of a program. Any other may hold a
state, or have an effect, that belongs to one trial."""

NAMES_ONLY = frozenset(
    {
        "_class", "_user_specified_name", "_gradient_op_type", "_output_shapes",
        "forward_function_name", "backward_function_name", "_original_func_name",
    }
)  # fmt: skip
"""Attributes that decide nothing of what a traced graph computes: names, and how to derive it."""


class NotShareable(Exception):
    """A graph does something that no other trial may do in its place; the text says what."""


@dataclass
class Digest:
    """What a graph's hash is made of. `numbers`: its scalar float constants, by their nodes' names.

    `gradients` are the rules of gradients that the graph names, which a hash leaves out.
    """

    structure: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    gradients: set[str] = field(default_factory=set)
    _functions: Mapping[str, Any] = field(default_factory=dict)
    _known: dict[str, bytes] = field(default_factory=dict)

    def nodes(self, hashed: Any, nodes: Iterable[Any], names: dict[str, str], top: bool) -> None:
        """Hash a graph's or a function's nodes; `names` gives the numbers of its inputs."""
        nodes = list(nodes)
        names.update((node.name, f"n{index}") for index, node in enumerate(nodes))
        for node in nodes:
            if "PyFunc" in node.op:
                raise NotShareable("it calls Python from the graph (py_function)")
            if node.op not in STATE_IN_VARIABLES and tf_internals.is_stateful(node.op):
                raise NotShareable(f"it has an op whose state is in no variable ({node.op})")
            data = [_place(names, source) for source in node.input if source[0] != "^"]
            control = sorted(_place(names, source[1:]) for source in node.input if source[0] == "^")
            _add(hashed, node.op, node.device, *data, "|", *control)
            number = top and _is_number(node)
            if number:
                self.numbers[node.name] = _value(node)
            for name in sorted(node.attr):
                if name == "_gradient_op_type":
                    self.gradients.add(node.attr[name].s.decode())
                if name not in NAMES_ONLY and not (number and name == "value"):
                    _add(hashed, name, self._attribute(node.attr[name]))

    def _attribute(self, attribute: Any) -> bytes:
        kind = attribute.WhichOneof("value")
        if kind == "func":
            return self._call(attribute.func)
        if kind == "list" and attribute.list.func:
            return b"".join(self._call(function) for function in attribute.list.func)
        return bytes(attribute.SerializeToString(deterministic=True))

    def _call(self, function: Any) -> bytes:
        attributes = [
            (name, self._attribute(function.attr[name])) for name in sorted(function.attr)
        ]
        return self._function(function.name) + repr(attributes).encode()

    def _function(self, name: str) -> bytes:
        if name not in self._known:
            function, hashed = self._functions[name], _new()
            names = {
                arg.name: f"a{index}" for index, arg in enumerate(function.signature.input_arg)
            }
            self.nodes(hashed, function.node_def, names, top=False)
            for arg in [*function.signature.input_arg, *function.signature.output_arg]:
                _add(hashed, str(arg.type), arg.type_attr, str(arg.is_ref))
            for arg in function.signature.output_arg:
                _add(hashed, _place(names, function.ret[arg.name]))
            _add(hashed, "|", *sorted(names[node] for node in function.control_ret.values()))
            for attribute in sorted(function.attr):
                if attribute not in NAMES_ONLY:
                    _add(hashed, attribute, self._attribute(function.attr[attribute]))
            self._known[name] = hashed.digest()
        return self._known[name]


def digest(proto: Any, inputs: list[Any], captured: list[Any], outputs: list[Any]) -> Digest:
    """The digest of a graph: its `proto`, its inputs' tensors, those that it captured (the last
    of its inputs, as they are outside), and its outputs.

    Raises NotShareable.
    """
    functions = {function.signature.name: function for function in proto.library.function}
    found, hashed = Digest(_functions=functions), _new()
    names: dict[str, str] = {}
    found.nodes(hashed, proto.node, names, top=True)
    for tensor in captured:
        _add(hashed, tensor.dtype.name, str(tensor.shape), tf_internals.handle_data(tensor))
    _add(hashed, "|", *(names[tensor.op.name] for tensor in inputs))
    _add(hashed, "|", *(f"{names[tensor.op.name]}:{tensor.value_index}" for tensor in outputs))
    found.structure = hashed.hexdigest()
    return found


def _place(names: Mapping[str, str], tensor: str) -> str:
    node, _, rest = tensor.partition(":")
    return f"{names[node]}:{rest}"


def _is_number(node: Any) -> bool:
    import tensorflow as tf

    if node.op != "Const" or node.attr["value"].tensor.tensor_shape.dim:
        return False
    return bool(tf.dtypes.as_dtype(node.attr["dtype"].type).is_floating)


def _value(node: Any) -> Any:
    import tensorflow as tf

    return tf.make_ndarray(node.attr["value"].tensor)


def _new() -> Any:
    return hashlib.blake2b(digest_size=16)


def _add(hashed: Any, *parts: str | bytes) -> None:
    """Each part with its length before it, so that no two lists of parts read the same."""
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        hashed.update(len(content).to_bytes(8, "little"))
        hashed.update(content)
