"""Warm fits: while `warm()` holds, every `model.fit` runs programs where it can.

    with warm() as trained:
        train(trial)                  # whose model.fit, in whatever code, is as ever
    trained.by, trained.why           # "program", ""; or "fit", and why Keras trained

`fit` is Keras' own loop, with its callbacks, history and logs: its data iterator and its two
compiled functions alone are others. What programs do not understand is left to Keras.
"""

from __future__ import annotations

import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial, wraps
from typing import Any

from tuner.programs import keras_internals, tf_internals
from tuner.programs.cache import Programs
from tuner.programs.eligible import why_not
from tuner.programs.rows import rows_of
from tuner.programs.step_function import StepFunction
from tuner.trial import tf_internals as seed_internals

PROGRAM, FIT = "program", "fit"
AUTO, PLAIN = "auto", "plain"
"""What an experiment's `fit` may be."""
ASKED_FOR = "fit 'plain' was asked for"

PROGRAMS = Programs()
"""Those of this process."""


@dataclass
class Trained:
    """Who trained, while `warm` held: `ended` has of each fit why it was Keras' own, empty for a
    program; `running` is what says so of the fit that runs. `began` and `fits_from`, when it held
    and when its first fit began, are of `time.monotonic`."""

    ended: list[str] = field(default_factory=list)
    running: _Used | None = None
    began: float = field(default_factory=time.monotonic)
    fits_from: float | None = None
    traced_s: float = 0.0

    @property
    def setup_s(self) -> float | None:
        """Seconds from when it held until the first fit began; None where there was none."""
        return None if self.fits_from is None else self.fits_from - self.began

    @property
    def trace_s(self) -> float | None:
        """Seconds in which programs were traced, or found; None where Keras' own fits trained."""
        now = 0.0 if self.running is None else self.running.traced_s
        return self.traced_s + now if self.by == PROGRAM else None

    @property
    def by(self) -> str:
        """ "program" where all fits were, "fit" where one was Keras', "" where there was none."""
        if not self.ended and self.running is None:
            return ""
        return FIT if self.why else PROGRAM

    @property
    def why(self) -> str:
        """Why the first of Keras' own fits was."""
        now = "" if self.running is None else self.running.why_not
        return next((reason for reason in [*self.ended, now] if reason), "")


@dataclass
class _Holder:
    """What holds in a thread: for a `warm`, its programs; for a `plain`, none."""

    trained: Trained
    programs: Programs | None = None
    lift: bool = True


@contextmanager
def warm(*, exact: bool = False, programs: Programs | None = None) -> Iterator[Trained]:
    """While it holds, `model.fit` trains by programs; what it yields says who trained.

    `exact` shares a program between equal graphs only: numbers equal plain fit's to the bit. Else
    scalar constants that differ between trials become a program's inputs, equal up to rounding.
    It holds in its own thread; others may have theirs, as long as one of them trains at a time. In
    a process that has not imported Keras nothing is done, nor within another that holds already.
    """
    kept = PROGRAMS if programs is None else programs
    with _held(_Holder(Trained(), kept, not exact)) as trained:
        yield trained


@contextmanager
def plain() -> Iterator[Trained]:
    """While it holds, `model.fit` is Keras' own; what it yields says whether there was one."""
    with _held(_Holder(Trained())) as trained:
        yield trained


@contextmanager
def _held(holder: _Holder) -> Iterator[Trained]:
    if "keras" not in sys.modules or _holder() is not None:
        yield holder.trained
        return
    with _METHODS.replaced():
        _HERE.holder = holder
        try:
            yield holder.trained
        finally:
            _HERE.holder = None


_HERE = threading.local()


def _holder() -> _Holder | None:
    return getattr(_HERE, "holder", None)


def who_trains() -> Trained:
    """Who trains in this thread, as far as its fits have come."""
    holder = _holder()
    return Trained() if holder is None else holder.trained


class _Methods:
    """Keras' `fit` and `evaluate`, ours while any thread holds them; each thread by its holder."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0
        self._before: dict[str, Any] = {}

    @contextmanager
    def replaced(self) -> Iterator[None]:
        """Not a matter of order: whoever lets go last puts Keras' own back."""
        import keras

        with self._lock:
            self._count += 1
            if self._count == 1:
                ours = {"fit": _fit, "evaluate": _evaluate}
                self._before = {n: vars(keras.Model)[n] for n in ours if n in vars(keras.Model)}
                for name, make in ours.items():
                    setattr(keras.Model, name, make(getattr(keras.Model, name)))
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if self._count == 0:
                    for name in ("fit", "evaluate"):
                        if name in self._before:
                            setattr(keras.Model, name, self._before[name])
                        else:
                            delattr(keras.Model, name)


_METHODS = _Methods()


def _fit(usual: Callable[..., Any]) -> Callable[..., Any]:
    """Keras' `fit`, which trains as its thread's holder says."""
    signature = inspect.signature(usual)

    @wraps(usual)
    def fit(model: Any, *arguments: Any, **named: Any) -> Any:
        run, holder = partial(usual, model, *arguments, **named), _holder()
        if holder is None:
            return run()
        trained = holder.trained
        trained.fits_from = trained.fits_from or time.monotonic()
        if holder.programs is None:
            trained.ended.append(ASKED_FOR)
            return run()
        given = signature.bind(model, *arguments, **named).arguments
        reason = internals_changed() or why_not(model, given)
        if reason is not None:
            trained.ended.append(reason)
            return run()
        with _functions_of(model, holder) as used:
            outer, trained.running = trained.running, used  # a callback may fit another model
            try:
                return run()
            finally:
                trained.running = outer
                trained.traced_s += used.traced_s
                trained.ended.append(used.why_not)

    return fit


def _evaluate(usual: Callable[..., Any]) -> Callable[..., Any]:
    """Keras' `evaluate`, by the program of a fit that was before it, where there is one."""
    signature = inspect.signature(usual)

    @wraps(usual)
    def evaluate(model: Any, *arguments: Any, **named: Any) -> Any:
        run, holder = partial(usual, model, *arguments, **named), _holder()
        if CACHED in named or not isinstance(model.test_function, StepFunction) or holder is None:
            return run()  # a fit's own validation, or a model that no program has trained
        given = signature.bind(model, *arguments, **named).arguments
        if holder.programs is None or why_not(model, given) is not None:
            return run()
        with _functions_of(model, holder):
            return run()

    return evaluate


CACHED = "_use_cached_eval_dataset"
"""What Keras' fit says to its evaluate, of an iterator that it has made already."""


@cache
def internals_changed() -> str | None:
    """What a new version of TensorFlow or Keras has changed of what programs lean on."""
    return tf_internals.check() or seed_internals.check() or keras_internals.check()


def keep_kernels() -> None:
    """From now on, seeding discards no compiled function without need. For a worker's process."""
    if internals_changed() is None:
        tf_internals.KERNELS.keep()


@dataclass
class _Used:
    """The functions of a model that is fitted or judged, and why Keras made an iterator itself."""

    train: Any
    test: Any
    refused: list[str] = field(default_factory=list)
    before_s: float = 0.0

    def __post_init__(self) -> None:
        self.before_s = self.traced_s  # an earlier fit's

    @property
    def traced_s(self) -> float:
        """Seconds in which this fit's programs were traced, or found."""
        both = [one.traced_s for one in (self.train, self.test) if isinstance(one, StepFunction)]
        return sum(both) - self.before_s

    @property
    def ours(self) -> bool:
        """Whether both functions take Rows."""
        return isinstance(self.train, StepFunction) and isinstance(self.test, StepFunction)

    @property
    def why_not(self) -> str:
        """Why not all of it was a program's work, empty where it was."""
        if not isinstance(self.train, StepFunction):
            return "an earlier fit of its model was Keras'"
        if self.train.why_not or self.refused:
            return self.train.why_not or self.refused[0]
        if not isinstance(self.test, StepFunction):
            return "its model was judged by Keras before"
        return self.test.why_not and f"its validation: {self.test.why_not}"


@contextmanager
def _functions_of(model: Any, holder: _Holder) -> Iterator[_Used]:
    """While it holds, Keras' loops over a model have our iterators; its functions are ours, but for
    those that it has already."""
    for name, training in (("train_function", True), ("test_function", False)):
        if getattr(model, name) is None:
            programs, lift = PROGRAMS if holder.programs is None else holder.programs, holder.lift
            function = StepFunction(model, training=training, programs=programs, lift=lift)
            setattr(model, name, function)
    used = _Used(model.train_function, model.test_function)

    def iterator(of: Any, make: Callable[..., Any], named: dict[str, Any]) -> Any:
        # A callback fits or judges another model; or an earlier fit of this one was Keras'.
        if of is not model or not used.ours:
            return make(**named)
        return rows_of(make, named, used.refused.append)

    with keras_internals.iterators_made_by(iterator):
        yield used
