"""Random pairs of trainings by programs, in lanes and by plain `fit`: equal, whoever shares.

    python -m tests.programs.fuzz --pairs 300 --seed 0        # or: make fuzz

Each pair differs in one place, or in none. What is counted: pairs that were equal (to the bit, or
up to rounding where numbers are lifted), unequal ones, which fail, and trainings left to Keras, by
reason. A training that plain `fit` refuses must be refused alike.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import nullcontext

import numpy as np

from tests.programs.fuzz_lanes import compare_in_lanes
from tests.programs.pairs import Ran, distance, float64
from tests.programs.recipes import STEEP, Recipe, build, drawn, fit_options
from tuner.programs.cache import Programs
from tuner.programs.fit import warm
from tuner.programs.step_function import StepFunction

LAST_DIGITS, ROUNDING = 1e-12, 1e-7


def run(recipe: Recipe, programs: Programs | None, seed: int) -> Ran | str:
    """Train a recipe, by programs or by plain fit; the class of what it raised."""
    import keras

    keras.backend.clear_session(free_memory=False)  # a metric's name counts those before it
    keras.utils.set_random_seed(seed)
    try:
        model = build(recipe)
        options = fit_options(recipe)
        with nullcontext() if programs is None else warm(programs=programs) as trained:
            history = dict(model.fit(**options).history)
            if recipe["again"]:
                options.pop("callbacks")
                more = model.fit(**options).history
                history.update({f"{name} again": values for name, values in more.items()})
            judged = model.evaluate(options["x"], options["y"], verbose=0, return_dict=True)
            history.update({f"{name} judged": [value] for name, value in judged.items()})
    except Exception as error:  # noqa: BLE001  # what is compared is who refuses what
        return type(error).__name__
    values = [np.asarray(v, "float64") for v in [*model.variables, *model.optimizer.variables]]
    if trained is None:
        return Ran(values, history, "plain")
    function = model.train_function
    if trained.why or not isinstance(function, StepFunction):
        return Ran(values, history, trained.why or "Keras")
    ready = list(function.prepared.values())
    return Ran(values, history, ready[0].how, any(bool(r.program.lifted) for r in ready))


def compare(seed: int) -> Counter[str]:
    """What became of a pair of trainings, by both ways. Raises AssertionError where unequal."""
    first, second, place = drawn(seed)
    programs, found = Programs(), Counter[str]()
    for number, recipe in enumerate((first, second)):
        plain, ours = run(recipe, None, seed), run(recipe, programs, seed)
        where = f"seed {seed}, training {number}, which differs in {place!r}: {recipe}"
        if isinstance(plain, str) or isinstance(ours, str):
            assert plain == ours, f"{where}: fit {plain!r:.99}, programs {ours!r:.99}"
            found[f"refused by fit too: {plain}"] += 1
            continue
        far, allowed = distance(plain, ours), LAST_DIGITS
        if ours.lifted:
            allowed = ROUNDING if recipe["optimizer"] not in STEEP else 1e-3
        assert far <= allowed, f"{where}: {ours.how}, lifted {ours.lifted}, differs by {far}"
        found["equal to the bit" if far == 0.0 else "equal up to rounding"] += 1
        how = ours.how if ours.how in ("new", "traced", "recalled") else f"Keras: {ours.how}"
        found[f"{how}, lifted" if ours.lifted else how] += 1
        if number == 1 and not place and not how.startswith("Keras"):
            assert how in ("traced", "recalled"), f"{where}: equal recipes, and no program shared"
    return found


def compare_lanes(seed: int) -> Counter[str]:
    """What became of a pair in lanes, as far as they know of such."""
    first, second, place = drawn(seed)
    return compare_in_lanes((first, second), f"seed {seed}, {place!r}: {first}")


def main() -> None:
    """Compare as many pairs as are asked for; the counts, and each failure in full."""
    parser = argparse.ArgumentParser(description="Random trainings by programs and by fit.")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first pair")
    options = parser.parse_args()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    found: Counter[str] = Counter()
    failures = []
    with float64():
        for seed in range(options.seed, options.seed + options.pairs):
            for ask in (compare, compare_lanes):
                try:
                    found.update(ask(seed))
                except AssertionError as error:
                    failures.append(str(error))
                    print("UNEQUAL", error, flush=True)
    for what, count in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{count:5d} {what}")
    print(f"{options.pairs} pairs, {len(failures)} unequal")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
