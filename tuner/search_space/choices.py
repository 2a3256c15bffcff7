"""Axes without an order: `Categorical`, one of any values, and `Constant`, always the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuner.search_space.numeric import Float, Int
from tuner.search_space.values import (
    UNSET,
    NotOnAxis,
    Value,
    When,
    alike,
    index_of_text,
    is_plain,
    labels_of,
    listed,
    python_value,
    same,
    text_of,
)

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Categorical:
    """One of `choices`, in no order: any values, told apart by type (1, True and 1.0 are three).

    `default` is what the first trial of a search tries.
    """

    choices: Sequence[Any]
    when: When | None = None
    default: Any = field(default=UNSET)

    if TYPE_CHECKING:  # what may be given; the fields say what is kept of it

        def __init__(
            self, choices: Iterable[Any], when: When | None = None, default: Any = UNSET
        ) -> None: ...

    def __post_init__(self) -> None:
        choices = listed(self.choices)
        object.__setattr__(self, "choices", self.choices if choices is None else choices)
        object.__setattr__(self, "default", python_value(self.default))

    @cached_property
    def labels(self) -> tuple[Value, ...]:
        """What stands for each choice in Optuna, seeds and tables: itself where it is plain."""
        return labels_of(self.choices)

    @property
    def grid(self) -> Sequence[Any]:
        return self.choices

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> Any:
        return self.decode(trial.suggest_categorical(name, list(self.labels)))

    def distribution(self) -> optuna.distributions.CategoricalDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(list(self.labels))

    def problem(self) -> str | None:
        if not isinstance(self.choices, list):
            return f"choices {self.choices!r} is not a list; give a list of choices"
        if not self.choices:
            return "choices [] is empty; give at least one choice"
        for i, choice in enumerate(self.choices):
            if isinstance(choice, Float | Int | Categorical | Constant):
                return f"choice {choice!r} is an axis; give it a name of its own, with when="
            if any(same(choice, other) for other in self.choices[:i]):
                return f"choices {self.choices!r} hold one value twice; remove it"
        if self.default is not UNSET and not self.holds(self.default):
            return f"default {self.default!r} is not one of the choices {self.choices!r}"
        return None

    def note(self) -> str | None:
        return None

    def holds(self, value: Any) -> bool:
        return self._index(value) is not None

    def find(self, value: Any) -> Any:
        index = self._index(value)
        if index is None:
            index = index_of_text(value, self.choices, self.labels)
        if index is None:
            raise NotOnAxis(value)
        return self.choices[index]

    def encode(self, value: Any) -> Value:
        index = self._index(value)
        if index is None:
            raise NotOnAxis(value)
        return self.labels[index]

    def decode(self, label: Any) -> Any:
        label = python_value(label)
        for known in (self.labels, [text_of(known) for known in self.labels]):
            for index, candidate in enumerate(known):
                if alike(candidate, label):
                    return self.choices[index]
        raise NotOnAxis(label)

    def values(self) -> list[Any] | None:
        return list(self.choices)

    def _index(self, value: Any) -> int | None:
        value = python_value(value)
        for fits in (same, alike):
            found = [i for i, choice in enumerate(self.choices) if fits(choice, value)]
            if len(found) == 1:
                return found[0]
        return None


@dataclass(frozen=True)
class Constant:
    """The same value in every trial; a plain value in a space's declaration means this."""

    value: Any
    when: When | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", python_value(self.value))

    @property
    def default(self) -> Any:
        return UNSET

    @property
    def label(self) -> Value:
        """What stands for the value in tables: itself where it is plain."""
        return labels_of([self.value])[0]

    @property
    def grid(self) -> Sequence[Any]:
        return [self.value]

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> Any:
        return self.value

    def problem(self) -> str | None:
        if isinstance(self.value, type) and issubclass(self.value, Float | Int | Categorical):
            return f"{self.value.__name__} is the class; give its arguments"
        if isinstance(self.value, float) and not is_plain(self.value):
            return f"constant {self.value!r} is not finite"
        return None

    def note(self) -> str | None:
        return None

    def holds(self, value: Any) -> bool:
        return alike(self.value, python_value(value))

    def find(self, value: Any) -> Any:
        if not self.holds(value):
            raise NotOnAxis(value)
        return self.value

    def encode(self, value: Any) -> Value:
        return self.label

    def decode(self, label: Any) -> Any:
        return self.value

    def values(self) -> list[Any] | None:
        return [self.value]
