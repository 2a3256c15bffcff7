"""The default search beside others on networks that are really trained, at equal epochs.

    python -m benchmarks.real_search [--data mnist.npz] [--samples 12000] [--seeds 10] [--out ROWS]

As benchmarks.default_search, but that each epoch is trained when the search comes to it: one of
scikit-learn's MLPClassifier, which needs no tracing, by SGD, on digits or on an .npz in Keras'
layout. A paused training goes on where it stood. Printed are the best validation loss and error
after 2, 5, 10 and 20 full trainings, and the paired difference in loss with its 95% interval
(bootstrap over seeds). A seed is a split of the data too. A search whose row stands in `--out`
already is not run again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from benchmarks.default_search import Watch, search_ours
from tuner.search_space.axes import Categorical, Float, Int

BUDGETS = (2, 5, 10, 20)
OURS = "tuner default"
METHODS: dict[str, dict[str, str]] = {
    OURS: {},
    "random + promotion": {"sampler": "random", "scheduler": "asha"},
    "tpe + stopping": {"sampler": "tpe", "scheduler": "asha_stopping"},
}


class Network:
    """A task: validation losses by epoch of a network with one hidden layer."""

    family, epochs = "real", 27
    best, best_end, bad = 0.0, 0.0, 1.0
    space: Mapping[str, Any] = {
        "learning_rate": Float(1e-4, 1.0, log=True),
        "momentum": Float(0.0, 0.99),
        "decay": Float(1e-6, 1e-1, log=True),
        "units": Int(8, 256, log=True),
        "batch_size": Int(16, 256, log=True),
        "activation": Categorical(["relu", "tanh", "logistic"]),
    }

    def __init__(self, name: str, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        self.name, self.seed, self.classes = name, seed, np.unique(y)
        split = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
        self.x, self.x_val, self.y, self.y_val = split
        self.error = 1.0

    def start(self) -> None:
        return None

    def take(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return params

    def curve(self, params: Mapping[str, Any]) -> Iterator[float]:
        """The loss after each epoch, which is trained when it is asked for; NaN ends it."""
        network = MLPClassifier(
            (params["units"],),
            activation=params["activation"],
            solver="sgd",
            alpha=params["decay"],
            batch_size=params["batch_size"],
            learning_rate_init=params["learning_rate"],
            momentum=params["momentum"],
            random_state=self.seed,
        )
        for _ in range(self.epochs):
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    network.partial_fit(self.x, self.y, classes=self.classes)
                    probabilities = network.predict_proba(self.x_val)
            except ValueError as error:  # scikit-learn refuses such weights
                if "non-finite" not in str(error):
                    raise
                yield float("nan")
                return
            if not np.isfinite(probabilities).all():
                yield float("nan")
                return
            missed = self.classes[probabilities.argmax(1)] != self.y_val
            self.error = min(self.error, float(missed.mean()))
            yield float(log_loss(self.y_val, probabilities, labels=self.classes))


@dataclass
class RealWatch(Watch):
    """The best loss and error at each budget; nobody knows how a curve will end."""

    task: Network
    errors: list[float] = field(default_factory=list)

    def begin(self, trial: int, curve: Any) -> None:
        return None

    def note(self, trial: int, loss: float) -> None:
        if self.over:
            return
        self.spent += 1
        self.best = min(self.best, loss) if np.isfinite(loss) else self.best
        if self.spent in {budget * self.task.epochs for budget in self.budgets}:
            self.seen.append(self.best)
            self.errors.append(self.task.error)


def search(
    data: Path | None, samples: int, method: str, seed: int, budgets: Sequence[int] = BUDGETS
) -> dict[str, Any]:
    """One search: a row of `--out`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name, x, y = loaded(data, samples)
    task = Network(name, x, y, seed)
    watch = RealWatch(task, budgets)
    started = time.process_time()
    search_ours(task, METHODS[method], zlib.crc32(f"{name} {method} {seed}".encode()), watch)
    return {
        "task": name,
        "method": method,
        "seed": seed,
        "loss": watch.seen,
        "error": watch.errors,
        "seconds": time.process_time() - started,
    }


Job = tuple[Path | None, int, str, int]
"""The data's file, its samples, a method and a seed."""


def searched(jobs: Sequence[Job], out: Path | None, processes: int) -> list[dict[str, Any]]:
    """The rows of these searches: those that `out` has, and the others', appended as they end."""
    lines = out.read_text().splitlines() if out is not None and out.exists() else []
    known = {(row["task"], row["method"], row["seed"]): row for row in map(json.loads, lines)}
    names = [(name_of(data), method, seed) for data, _, method, seed in jobs]
    left = [job for job, name in zip(jobs, names, strict=True) if name not in known]
    if left:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for row in pool.imap(_search, left):
                known[row["task"], row["method"], row["seed"]] = row
                if out is not None:
                    with out.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    return [known[name] for name in names]


def name_of(data: Path | None) -> str:
    """A task's name in the rows."""
    return "digits" if data is None else data.stem


def loaded(data: Path | None, samples: int) -> tuple[str, np.ndarray, np.ndarray]:
    """Name, inputs from 0 to 1 and labels: digits, or the first samples of an .npz."""
    if data is None:
        x, y = load_digits(return_X_y=True)
        return name_of(data), (x / 16).astype(np.float32), y
    with np.load(data) as arrays:
        x, y = arrays["x_train"][:samples], arrays["y_train"][:samples]
    return name_of(data), (x.reshape(len(x), -1) / 255).astype(np.float32), y


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is printed of rows: a line a method."""
    lines = []
    loss = {(row["method"], row["seed"]): np.array(row["loss"]) for row in rows}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        losses, errors = (np.mean([row[key] for row in mine], 0) for key in ("loss", "error"))
        apart = ""
        both = [row["seed"] for row in mine if (OURS, row["seed"]) in loss]
        if method != OURS and both:
            ahead = np.array([np.log(loss[method, s] / loss[OURS, s]).mean() for s in both])
            drawn = np.random.default_rng(0).integers(0, len(ahead), (2000, len(ahead)))
            low, high = np.percentile(ahead[drawn].mean(1), [2.5, 97.5])
            apart = f"loss / default's {np.exp(ahead.mean()):.3f} "
            apart += f"[{np.exp(low):.3f}, {np.exp(high):.3f}]"
        lines.append(
            f"{method:20} loss {' '.join(f'{v:.4f}' for v in losses)}  "
            f"error {' '.join(f'{v:.4f}' for v in errors)}  {len(mine)} seeds  {apart}"
        )
    return lines


def main() -> None:
    """Run the searches and print their table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz such as mnist.npz; else digits")
    parser.add_argument("--samples", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, help="a file of rows, appended to")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    jobs = [
        (options.data, options.samples, method, seed)
        for seed in range(options.seeds)
        for method in METHODS
    ]
    rows = searched(jobs, options.out, options.processes)
    print(f"after {' '.join(map(str, BUDGETS))} trainings of {Network.epochs} epochs")
    print("\n".join(table(rows)))


def _search(job: Job) -> dict[str, Any]:
    return search(*job)


if __name__ == "__main__":
    main()
