"""What the trials of earlier studies are worth to the default search, on tables of curves.

    python -m benchmarks.learning [--curves FOLDER] [--seeds N] [--out ROWS.jsonl]

Leave one task out, on the tasks of LCBench: each task is searched by the default as it is, with the
trials of the 11 other tasks' searches (`learn_from`; each of these spent 20 full trainings), or of
one, and with misleading ones: the values of all others, or of one, with their sign turned. All
else is as in benchmarks.default_search: eight workers, one second an epoch, budgets of 2, 5 and 10
full trainings, regret of the best value that any epoch had. Printed are the regrets' means, and the
difference to the search without sources with a 95% interval (bootstrap over tasks). A line of
`--out` is one search; a search whose row stands there is not run again.
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.curve_tables import LCBench, make_task, tasks_of
from benchmarks.default_search import CURVES, Watch, search_ours
from tuner.curve_model.curves import Curve
from tuner.curve_model.sources import NOTHING, Learned, Source
from tuner.search_space.space import SearchSpace

BUDGETS = (2, 5, 10)
SOURCE_BUDGET = 20
METHODS = ("without", "all others", "one other", "all others, negated", "one other, negated")


@dataclass
class Heard(Watch):
    """A watch that keeps the curves."""

    losses: dict[int, list[float]] = field(default_factory=dict)

    def note(self, trial: int, loss: float) -> None:
        super().note(trial, loss)
        self.losses.setdefault(trial, []).append(loss)


def source_of(made_of: tuple[Any, ...]) -> Source:
    """The trials of a task's own search: the same for every seed."""
    task = make_task("lcbench", made_of)
    watch = Heard(task, (SOURCE_BUDGET,))
    study = search_ours(task, {}, zlib.crc32(f"source {task.name} 0".encode()), watch)
    curves = [
        Curve(trial, study.records[trial].params, dict(enumerate(losses, 1)))
        for trial, losses in watch.losses.items()
    ]
    return Source(task.name, SearchSpace(task.space).searched(), curves)


def negated(source: Source) -> Source:
    """A source whose best is its worst."""
    turned = [
        curve._replace(losses={epoch: -loss for epoch, loss in curve.losses.items()})
        for curve in source.curves
    ]
    return Source(f"{source.name}, negated", source.axes, turned)


def learned_by(method: str, others: list[Source]) -> Learned:
    """What a method's searches are given."""
    if method == "without":
        return NOTHING
    sources = others[:1] if method.startswith("one other") else others
    return Learned(tuple(map(negated, sources) if "negated" in method else sources))


def regrets(
    made_of: tuple[Any, ...], method: str, seed: int, sources: dict[str, Source]
) -> list[float]:
    """The regret of one search at each budget. Methods and seeds draw from streams of their own."""
    task = make_task("lcbench", made_of)
    names = sorted(sources)
    at = names.index(task.name)
    others = [sources[name] for name in names[at + 1 :] + names[:at]]
    watch = Watch(task, BUDGETS)
    stream = zlib.crc32(f"{task.name} {method} {seed}".encode())
    search_ours(task, {}, stream, watch, learned_by(method, others))
    return watch.seen


def rows_of(curves: Path, seeds: int, out: Path | None) -> list[dict[str, Any]]:
    """One row a search."""
    made = {str(of[-1]): of for family, of in tasks_of(curves) if family == LCBench.family}
    lines = out.read_text().splitlines() if out is not None and out.exists() else []
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    done = {(row["task"], row["method"], row["seed"]) for row in rows}
    searches = [(n, m, s) for s in range(seeds) for m in METHODS for n in made]
    left = [search for search in searches if search not in done]
    sources = {name: source_of(of) for name, of in made.items()} if left else {}
    for name, method, seed in left:
        seen = regrets(made[name], method, seed, sources)
        rows.append({"task": name, "method": method, "seed": seed, "seen": seen})
        if out is not None:
            with out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    return rows


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The regret of each method at each budget, and its difference to that without sources."""
    tasks = sorted({row["task"] for row in rows})

    def means(method: str) -> np.ndarray:
        """[tasks, budgets], over seeds."""
        of = [[r["seen"] for r in rows if (r["task"], r["method"]) == (t, method)] for t in tasks]
        return np.array(
            [np.mean(seen, 0) if seen else np.full(len(BUDGETS), np.nan) for seen in of]
        )

    plain = means(METHODS[0])
    picks = np.random.default_rng(0).integers(len(tasks), size=(10_000, len(tasks)))
    lines = [f"{'':22}" + "".join(f"{f'{budget} trainings':>28}" for budget in BUDGETS)]
    for method in METHODS:
        found = means(method)
        less = found - plain
        low, high = np.quantile(less[picks].mean(1), [0.025, 0.975], axis=0)
        cells = zip(found.mean(0), less.mean(0), low, high, strict=True)
        said = [f"{mean:.3f}  {d:+.3f} ({a:+.3f}..{b:+.3f})" for mean, d, a, b in cells]
        lines.append(f"{method:22}" + "".join(f"{cell:>28}" for cell in said))
    return lines


def main() -> None:
    """Run the searches and print their table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--curves", type=Path, default=CURVES, help="the folder of curves")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a file of rows, appended to")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = rows_of(options.curves, options.seeds, options.out)
    print(f"{options.seeds} seeds; regret, and the difference to the search without sources")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
