"""What confirming a search's leaders gains, on networks that are really trained.

    python -m benchmarks.confirm [--data mnist.npz] [--samples 2000]
    python -m benchmarks.confirm --data mnist.npz --sets "" --samples 1000 --points 12 --trials 8 \\
        --splits 8      # what docs/results.md calls smaller

Each set of data has a part for testing that no choice sees. Random points are trained on every
one of some splits of the rest, each training by a seed of its own: scikit-learn's networks of one
hidden layer, by SGD. From these trainings searches are drawn: `--trials` of the points on one
split, each with the value of its best epoch there. The plain winner has the best value. Confirming
takes the `--top` best, reads what they do at that epoch on `--seeds` other splits, and takes the
best mean. Both winners are then judged by their test scores on the splits that are left.

Printed are how often the two differ (and how often an interval of 95% tells them apart), what
validation said of the plain winner beside what the new trainings say, and the test scores with the
gain's standard error, over the searches' splits. Scores are accuracies, of diabetes the coefficient
of determination.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from tuner.runner.compared import tied

EPOCHS = 20
TEST = 0.3
"""The part that no choice sees."""
TESTED = 2000
"""Samples of a file's test part."""
DRAWN = 30
"""Searches of other points that are drawn on each split."""
READY = {"digits": load_digits, "wine": load_wine, "diabetes": load_diabetes}

Job = tuple[str, Path | None, int, int, int]
"""A set's name, its file, its samples, a point's number and a split's."""


@dataclass(frozen=True)
class Pool:
    """The trainings of n points on s splits: `validation` and `test` scores [n, s, epochs], -inf
    from where one diverged."""

    validation: np.ndarray
    test: np.ndarray


class Drawn(NamedTuple):
    """One search and what confirming its leaders made of it; scores, higher is better."""

    split: int
    other: bool
    apart: bool
    said: float
    again: float
    plain: float
    confirmed: float
    best: float


def point(number: int) -> dict[str, Any]:
    """A random point of the space, the same for all splits and sets."""
    drawn = np.random.default_rng([7, number])
    return {
        "learning_rate_init": float(10 ** drawn.uniform(-3, -0.3)),
        "momentum": float(drawn.uniform(0, 0.95)),
        "alpha": float(10 ** drawn.uniform(-5, -1)),
        "hidden_layer_sizes": (int(2 ** drawn.uniform(3, 7)),),
        "batch_size": int(2 ** drawn.uniform(3, 7)),
        "activation": str(drawn.choice(["relu", "tanh", "logistic"])),
    }


@cache
def data_of(name: str, file: Path | None, samples: int) -> tuple[np.ndarray, ...]:
    """Inputs and targets to train on, and those to test on."""
    if file is not None:
        with np.load(file) as arrays:
            parts = [arrays[n] for n in ("x_train", "y_train", "x_test", "y_test")]
        x, y, x_test, y_test = parts
        flat = [
            np.asarray(a, float).reshape(len(a), -1) / 255 for a in (x[:samples], x_test[:TESTED])
        ]
        return flat[0], y[:samples], flat[1], y_test[:TESTED]
    x, y = READY[name](return_X_y=True)
    classes = None if name == "diabetes" else y
    x, x_test, y, y_test = train_test_split(x, y, test_size=TEST, stratify=classes, random_state=0)
    scaled = StandardScaler().fit(x)
    if name == "diabetes":
        middle, width = y.mean(), y.std()
        y, y_test = (y - middle) / width, (y_test - middle) / width
    return scaled.transform(x), y, scaled.transform(x_test), y_test


def train(job: Job) -> tuple[list[float], list[float]]:
    """One training: its scores on validation and test after each epoch."""
    name, file, samples, number, split = job
    x, y, x_test, y_test = data_of(name, file, samples)
    regression = name == "diabetes"
    stratify = None if regression else y
    x, x_val, y, y_val = train_test_split(
        x, y, test_size=0.2, stratify=stratify, random_state=split
    )
    made = MLPRegressor if regression else MLPClassifier
    network = made(solver="sgd", random_state=1000 * number + split, **point(number))
    more = {} if regression else {"classes": np.unique(y)}
    scores: list[tuple[float, float]] = []
    for _ in range(EPOCHS):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                network.partial_fit(x, y, **more)
                scores.append((network.score(x_val, y_val), network.score(x_test, y_test)))
        except ValueError as error:  # scikit-learn refuses weights that are not finite
            if "finite" not in str(error) and "infinity" not in str(error):
                raise
            break
    scores += [(-np.inf, -np.inf)] * (EPOCHS - len(scores))
    return [v for v, _ in scores], [t for _, t in scores]


def pool_of(
    name: str, file: Path | None, samples: int, points: int, splits: int, processes: int
) -> Pool:
    """Train every point on every split."""
    jobs: list[Job] = [
        (name, file, samples, number, split) for number in range(points) for split in range(splits)
    ]
    with multiprocessing.get_context("spawn").Pool(processes) as workers:
        found = np.array(workers.map(train, jobs, chunksize=4))
    validation, test = found.transpose(1, 0, 2).reshape(2, points, splits, EPOCHS)
    return Pool(validation, test)


def searches(pool: Pool, trials: int, top: int, seeds: int) -> list[Drawn]:
    """Searches drawn from the trainings, some on each split, and what confirming makes of each."""
    points, splits, _ = pool.validation.shape
    chance = np.random.default_rng(0)
    found = []
    for split in range(splits):
        for _ in range(DRAWN):
            chosen = chance.choice(points, trials, replace=False)
            curves = pool.validation[chosen, split]
            values, epochs = curves.max(1), curves.argmax(1)
            others = chance.permutation([s for s in range(splits) if s != split])
            new, left = others[:seeds], others[seeds:]
            order = np.argsort(-values, kind="stable")[:top]
            again = np.array([pool.validation[chosen[k], new, epochs[k]] for k in order])
            judged = np.array([pool.test[chosen[k], left, epochs[k]].mean() for k in order])
            mean = again.mean(1)
            first = int(mean.argmax())
            found.append(
                Drawn(
                    split,
                    other=first != 0,
                    apart=first != 0 and not tied(pd.Series(again[first] - again[0])),
                    said=float(values[order[0]]),
                    again=float(mean[0]),
                    plain=float(judged[0]),
                    confirmed=float(judged[first]),
                    best=float(judged.max()),
                )
            )
    return found


def row(name: str, found: Sequence[Drawn]) -> str:
    """The table's row of a set of data."""
    table = pd.DataFrame(found)
    mean = table.mean()
    gain = (table["confirmed"] - table["plain"]).groupby(table["split"]).mean()
    error = gain.std() / np.sqrt(len(gain))
    return (
        f"| {name} | {100 * mean['other']:.0f}% | {100 * mean['apart']:.0f}% | {mean['said']:.4f} "
        f"| {mean['again']:.4f} | {mean['plain']:.4f} | {mean['confirmed']:.4f} "
        f"| {gain.mean():+.4f} ± {error:.4f} | {mean['best'] - mean['plain']:+.4f} |"
    )


def main() -> None:
    """Train the pools, draw the searches, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz in Keras' layout, such as mnist.npz")
    parser.add_argument("--samples", type=int, default=2000, help="of it, to train on")
    parser.add_argument("--sets", default=",".join(READY), help="of scikit-learn's: A,B")
    parser.add_argument("--points", type=int, default=24, help="that are trained")
    parser.add_argument("--splits", type=int, default=12, help="that each is trained on")
    parser.add_argument("--trials", type=int, default=16, help="points of a search")
    parser.add_argument("--top", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    if given.splits < given.seeds + 2 or given.points < given.trials:
        parser.error("more splits than seeds and 1, and as many points as trials, are needed")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # of the processes that are to start
        os.environ.setdefault(name, "1")
    sets: list[tuple[str, Path | None]] = [(n, None) for n in given.sets.split(",") if n]
    if given.data is not None:
        sets.append((given.data.stem, given.data))
    print(
        f"{given.trials} trials; the best {given.top} again, on {given.seeds} new splits; "
        f"{given.splits * DRAWN} searches a row from {given.points * given.splits} trainings\n\n"
        "| data | another is best | told apart | validation said | new trainings say "
        "| test, plain | test, confirmed | gain | best of the leaders |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for name, file in sets:
        pool = pool_of(name, file, given.samples, given.points, given.splits, given.processes)
        print(row(name, searches(pool, given.trials, given.top, given.seeds)), flush=True)


if __name__ == "__main__":
    main()
