"""Axes of numbers: `Float` and `Int`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from tuner.search_space.ranges import has_ends, on_step, range_problem, step_note, top_of
from tuner.search_space.values import NotOnAxis, Value, When, is_number, listed, python_value

if TYPE_CHECKING:
    import numpy as np
    import optuna

    Whole = int | np.integer[Any]
    Real = float | np.floating[Any] | np.integer[Any]


@dataclass(frozen=True)
class Float:
    """Real numbers from `low` to `high`, both included; `log=True` searches the exponent.

    `grid` is what grids try, `default` what the first trial of a search tries.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    grid: Sequence[float] | None = None
    when: When | None = None
    default: float | None = None
    whole: ClassVar[bool] = False

    if TYPE_CHECKING:  # what may be given; the fields say what is kept of it

        def __init__(
            self,
            low: Real,
            high: Real,
            log: bool = False,
            step: Real | None = None,
            grid: Iterable[Real] | None = None,
            when: When | None = None,
            default: Real | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        _make_python(self)
        if isinstance(self.grid, list) and has_ends(self):
            grid = [self.exact(value) if is_number(value) else value for value in self.grid]
            # A whole number stays as it was written: it is what study.json shows.
            kept = [old if old == new else new for old, new in zip(self.grid, grid, strict=True)]
            object.__setattr__(self, "grid", kept)

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> float:
        top = top_of(self)
        return self.exact(trial.suggest_float(name, self.low, top, step=self.step, log=self.log))

    def distribution(self) -> optuna.distributions.FloatDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, top_of(self), step=self.step, log=self.log)

    def problem(self) -> str | None:
        return range_problem(self)

    def note(self) -> str | None:
        return step_note(self)

    def holds(self, value: Any) -> bool:
        value = python_value(value)
        if not is_number(value):
            return False
        return bool(self.low <= self.exact(value) <= self.high) and on_step(self, value)

    def find(self, value: Any) -> float:
        if not self.holds(value):
            raise NotOnAxis(value)
        return self.exact(python_value(value))

    def exact(self, value: float) -> float:
        """The value without the rounding of logspace and of added steps, such as 0.30000000000004.

        A step's multiples are computed in decimals; what is within a billionth of an end is it.
        """
        if self.step is not None and on_step(self, value):
            steps = round((value - self.low) / self.step)
            return float(Decimal(str(self.low)) + steps * Decimal(str(self.step)))
        for end in (self.low, self.high):
            if abs(value - end) <= 1e-9 * min(abs(end), self.high - self.low):
                return float(end)
        return float(value)

    def encode(self, value: Any) -> Value:
        return float(value)

    def decode(self, label: Any) -> float:
        return self.exact(label)

    def values(self) -> list[Any] | None:
        return None if self.grid is None else [self.exact(value) for value in self.grid]


@dataclass(frozen=True)
class Int:
    """Whole numbers from `low` to `high`, both included, `step` apart.

    `grid` is what grids try, `default` what the first trial of a search tries.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1
    grid: Sequence[int] | None = None
    when: When | None = None
    default: int | None = None
    whole: ClassVar[bool] = True

    if TYPE_CHECKING:  # what may be given; the fields say what is kept of it

        def __init__(
            self,
            low: Whole,
            high: Whole,
            log: bool = False,
            step: Whole = 1,
            grid: Iterable[Whole] | None = None,
            when: When | None = None,
            default: Whole | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        _make_python(self)

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> int:
        top = int(top_of(self))
        return trial.suggest_int(name, self.low, top, step=self.step, log=self.log)

    def distribution(self) -> optuna.distributions.IntDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, int(top_of(self)), step=self.step, log=self.log)

    def problem(self) -> str | None:
        return range_problem(self)

    def note(self) -> str | None:
        return step_note(self)

    def holds(self, value: Any) -> bool:
        value = python_value(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and on_step(self, value)

    def find(self, value: Any) -> int:
        value = python_value(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not self.holds(value):
            raise NotOnAxis(value)
        return int(value)

    def encode(self, value: Any) -> Value:
        return int(value)

    def decode(self, label: Any) -> int:
        return int(label)

    def values(self) -> list[Any] | None:
        return None if self.grid is None else list(self.grid)


def _make_python(axis: Float | Int) -> None:
    """NumPy's numbers and arrays as Python's: they are written to JSON and sent to Optuna."""
    for name in ("low", "high", "step", "default"):
        object.__setattr__(axis, name, python_value(getattr(axis, name)))
    grid = listed(axis.grid)
    if grid is not None:
        object.__setattr__(axis, "grid", grid)
