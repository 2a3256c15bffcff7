"""Parameters on their way to a worker, where some are functions or objects of the user's.

They are unpickled when the training first looks, which is after the worker has loaded the
experiment's file: by reference then, so that `trial["activation"] is my_activation` holds. Where
the module is not there (an experiment typed at a prompt, another node), by value.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import cloudpickle


class ShippedParams(Mapping[str, Any]):
    """A point as two pickles, read when it is first asked for."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._by_reference = cloudpickle.dumps(dict(params))
        self._by_value = _by_value(params)

    @cached_property
    def _params(self) -> dict[str, Any]:
        try:
            # runs code: the user's choices, as the driver sent them
            params: dict[str, Any] = pickle.loads(self._by_reference)
        except (ImportError, AttributeError):
            # runs code: the user's choices, as the driver sent them
            params = pickle.loads(self._by_value)
        return params

    def __getstate__(self) -> dict[str, bytes]:
        return {"_by_reference": self._by_reference, "_by_value": self._by_value}

    def __getitem__(self, name: str) -> Any:
        return self._params[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)


def shipped(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The point as it is where all of it is data, else as pickles of its own."""
    if isinstance(params, ShippedParams) or all(map(_is_data, params.values())):
        return params
    return ShippedParams(params)


def _is_data(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_data, value))
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    return type(value) in (bool, int, float, str) or value is None


def _by_value(params: Mapping[str, Any]) -> bytes:
    named = {getattr(value, "__module__", None) for value in params.values()}
    modules = [sys.modules[name] for name in named if name in sys.modules and _is_users(name)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        pickled: bytes = cloudpickle.dumps(dict(params))
        return pickled
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _is_users(name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None) or ""
    return name != "__main__" and bool(file) and not file.startswith((sys.prefix, sys.base_prefix))
