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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from tuner.programs import keras_internals, tf_internals
from tuner.programs.cache import Programs
from tuner.programs.eligible import why_not
from tuner.programs.rows import rows_of
from tuner.programs.step_function import StepFunction

PROGRAM, FIT = "program", "fit"
AUTO, PLAIN = "auto", "plain"
"""What an experiment's `fit` may be."""
ASKED_FOR = "fit 'plain' was asked for"

PROGRAMS = Programs()
"""Those of this process."""


@dataclass
class Trained:
    """Who trained, while `warm` held: `reasons` has one of each fit, empty for a program."""

    reasons: list[str] = field(default_factory=list)

    @property
    def by(self) -> str:
        """ "program" where all fits were, "fit" where one was Keras', "" where there was none."""
        if not self.reasons:
            return ""
        return FIT if any(self.reasons) else PROGRAM

    @property
    def why(self) -> str:
        """Why the first of Keras' own fits was."""
        return next((reason for reason in self.reasons if reason), "")


@contextmanager
def warm(*, exact: bool = False, programs: Programs | None = None) -> Iterator[Trained]:
    """While it holds, `model.fit` trains by programs; what it yields says who trained.

    `exact` shares a program between equal graphs only: numbers equal plain fit's to the bit. Else
    scalar constants that differ between trials become a program's inputs, equal up to rounding.
    In a process that has not imported Keras nothing is done, nor within another `warm` or `plain`,
    which hold on. Not for several threads.
    """
    trained = Trained()
    if "keras" not in sys.modules or _held():
        yield trained
        return
    import keras

    changed = internals_changed()
    usual, usual_evaluate = keras.Model.fit, keras.Model.evaluate
    signature, evaluate_signature = inspect.signature(usual), inspect.signature(usual_evaluate)
    kept = programs if programs is not None else PROGRAMS

    def fit(model: Any, *arguments: Any, **named: Any) -> Any:
        run = partial(usual, model, *arguments, **named)
        given = signature.bind(model, *arguments, **named).arguments
        reason = changed or why_not(model, given)
        if reason is not None:
            trained.reasons.append(reason)
            return run()
        with _functions_of(model, kept, lift=not exact) as used:
            try:
                return run()
            finally:
                trained.reasons.append(used.why_not)

    def evaluate(model: Any, *arguments: Any, **named: Any) -> Any:
        run = partial(usual_evaluate, model, *arguments, **named)
        if CACHED in named or (model.test_function is None and model.train_function is None):
            return run()  # a fit's own validation, or a model that no fit has had
        given = evaluate_signature.bind(model, *arguments, **named).arguments
        if changed or why_not(model, given) is not None:
            return run()
        with _functions_of(model, kept, lift=not exact):
            return run()

    setattr(fit, HELD, True)
    with replaced(keras.Model, fit=fit, evaluate=evaluate):
        yield trained


@contextmanager
def plain() -> Iterator[Trained]:
    """While it holds, `model.fit` is Keras' own; what it yields says whether there was one."""
    trained = Trained()
    if "keras" not in sys.modules or _held():
        yield trained
        return
    import keras

    usual = keras.Model.fit

    def fit(model: Any, *arguments: Any, **named: Any) -> Any:
        trained.reasons.append(ASKED_FOR)
        return usual(model, *arguments, **named)

    setattr(fit, HELD, True)
    with replaced(keras.Model, fit=fit):
        yield trained


HELD = "_held_by_programs"


def _held() -> bool:
    """Whether `warm` or `plain` holds already."""
    import keras

    return hasattr(keras.Model.fit, HELD)


CACHED = "_use_cached_eval_dataset"
"""What Keras' fit says to its evaluate, of an iterator that it has made already."""


@contextmanager
def replaced(owner: type, **methods: Callable[..., Any]) -> Iterator[None]:
    """While it holds, a class has these methods; then again what it had of its own, if any."""
    before = {name: vars(owner)[name] for name in methods if name in vars(owner)}
    for name, method in methods.items():
        setattr(owner, name, method)
    try:
        yield
    finally:
        for name in methods:
            if name in before:
                setattr(owner, name, before[name])
            else:
                delattr(owner, name)


@cache
def internals_changed() -> str | None:
    """What a new version of TensorFlow or Keras has changed of what programs lean on."""
    return tf_internals.check() or keras_internals.check()


@contextmanager
def kept_kernels() -> Iterator[None]:
    """While it holds, seeding discards no compiled function without need. For a whole process."""
    if internals_changed() is not None:
        yield
        return
    with tf_internals.KeptKernels().installed():
        yield


@dataclass
class _Used:
    """The functions of a model that is fitted or judged, and why Keras made an iterator itself."""

    train: Any
    test: Any
    refused: list[str] = field(default_factory=list)

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
def _functions_of(model: Any, programs: Programs, *, lift: bool) -> Iterator[_Used]:
    """While it holds, Keras' loops over a model have our iterators; its functions are ours, but for
    those that it has already."""
    for name, training in (("train_function", True), ("test_function", False)):
        if getattr(model, name) is None:
            function = StepFunction(model, training=training, programs=programs, lift=lift)
            setattr(model, name, function)
    used = _Used(model.train_function, model.test_function)

    def iterator(of: Any, make: Callable[..., Any], named: dict[str, Any]) -> Any:
        if of is not model:  # a callback fits or judges another one
            return make(**named)
        return rows_of(make, named, used.refused.append)

    with keras_internals.iterators_made_by(iterator):
        yield used
