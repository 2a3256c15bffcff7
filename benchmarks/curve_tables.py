"""Learning curves to judge a search by, read from a folder: any folder of the same file names.

LCBench: `lcbench.onnx`, YAHPO Gym's surrogate (Pfisterer et al., 2022) of an MLP on many data sets
(Zimmer et al., 2021), with `enc.json` (its tasks) and `norm.json` (each one's best value, best end
and median end). Taskset: any `*.npz` of tables `NAME/hp` and `NAME/loss` (Metz et al., 2020). Of
both the first point is of the untrained network and is dropped. Crossing: made up; a high learning
rate plateaus early, a low one ends best.

A task's `curve(params)` gives the losses at a point, NaN from where it diverges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tuner.search_space.axes import Float, Int


class Searched(Protocol):
    """What has a curve at each point: `best` of all values, `best_end` of all last ones, `bad` a
    poor value."""

    family: str
    name: str
    epochs: int
    space: Mapping[str, Any]
    best: float
    best_end: float
    bad: float

    def start(self) -> None:
        """A search begins: every point may be taken again."""

    def take(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The point that a proposal stands for: itself, or one of the table's."""

    def curve(self, params: Mapping[str, Any]) -> Iterable[float]:
        """Losses [epochs] at a point that was taken."""


class Task(Searched, Protocol):
    """A table of curves."""

    def curve(self, params: Mapping[str, Any]) -> np.ndarray:
        """Losses [epochs] at a point that was taken."""


class LCBench:
    """One data set of the surrogate."""

    family, epochs = "lcbench", 51
    space: Mapping[str, Any] = {
        "batch_size": Int(16, 512, log=True),
        "learning_rate": Float(1e-4, 0.1, log=True),
        "momentum": Float(0.1, 0.99),
        "weight_decay": Float(1e-5, 0.1),
        "num_layers": Int(1, 5),
        "max_units": Int(64, 1024, log=True),
        "max_dropout": Float(0.0, 1.0),
    }

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.code = _codes(folder)[name]
        self.best, self.best_end, self.bad = json.loads((folder / "norm.json").read_text())[name]

    def start(self) -> None:
        return None

    def take(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return params

    def curve(self, params: Mapping[str, Any]) -> np.ndarray:
        row = [float(params[name]) for name in self.space]
        x = np.column_stack([np.arange(2, self.epochs + 2), np.tile(row, (self.epochs, 1))])
        codes = np.full((self.epochs, 1), self.code, np.int32)
        given = {"x_cat": codes, "x_cont": x.astype(np.float32)}
        return -_session(self.folder).run(None, given)[0][:, 1].astype(float) / 100


class Taskset:
    """One table of real curves; a point takes the nearest that no trial has had."""

    family = "taskset"

    def __init__(self, file: Path, name: str) -> None:
        tables = _tables(file)
        hp, losses = tables[f"{name}/hp"], tables[f"{name}/loss"][:, 1:].astype(float)
        self.name, self.epochs = name, losses.shape[1]
        self.curves = np.where(np.isfinite(losses), np.minimum(losses, 1e3), np.nan)
        u = np.log10(hp)
        u[:, 1:3] = -np.log10(1 - hp[:, 1:3])
        self.points = (u - u.min(0)) / np.ptp(u, 0)
        whole = self.curves[np.isfinite(self.curves).all(1)]
        self.best, self.best_end = float(whole.min()), float(whole[:, -1].min())
        self.bad = float(np.median(whole[:, 0]))
        self.space: Mapping[str, Any] = {f"u{j}": Float(0.0, 1.0) for j in range(u.shape[1])}
        self.start()

    def start(self) -> None:
        self.free = np.ones(len(self.points), bool)

    def take(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The nearest point of the table that no trial has had."""
        taken = int((self._far(params) + np.where(self.free, 0, math.inf)).argmin())
        self.free[taken] = False
        return dict(zip(self.space, map(float, self.points[taken]), strict=True))

    def curve(self, params: Mapping[str, Any]) -> np.ndarray:
        return self.curves[int(self._far(params).argmin())]

    def _far(self, params: Mapping[str, Any]) -> np.ndarray:
        """Squared distances [points] of the table's points."""
        point = np.array([params[name] for name in self.space])
        return ((self.points - point) ** 2).sum(1)


class Crossing:
    """Axis 0 is a learning rate: high ones plateau early, low ones end best."""

    family, epochs = "crossing", 50
    space: Mapping[str, Any] = {f"u{j}": Float(0.0, 1.0) for j in range(4)}

    def __init__(self, number: int) -> None:
        rng = np.random.default_rng([number, 5])
        self.name, self.top = f"cross{number}", rng.uniform(0.2, 0.8, 4)
        self.top[0], self.weight = rng.uniform(0.15, 0.4), rng.uniform(0.3, 1, 4)
        points = np.random.default_rng(1).random((20000, 4))
        ends = self._end(points)
        tau = 1.2 * np.exp(2.9 * (1 - points[:, 0]))
        ends = ends + (0.9 - ends) * np.exp(-self.epochs / tau)
        self.best = self.best_end = float(ends.min())
        self.bad = float(np.median(ends))

    def _end(self, points: np.ndarray) -> np.ndarray:
        return 0.08 + 0.5 * ((points - self.top) ** 2 * self.weight).sum(-1)

    def start(self) -> None:
        return None

    def take(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return params

    def curve(self, params: Mapping[str, Any]) -> np.ndarray:
        u = np.array([params[name] for name in self.space])
        end, tau = float(self._end(u)), 1.2 * math.exp(2.9 * (1 - u[0]))
        noise = np.random.default_rng(int(1e6 * u.sum())).normal(size=self.epochs)
        return end + (0.9 - end) * np.exp(-np.arange(1, self.epochs + 1) / tau) + 0.003 * noise


def tasks_of(folder: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(family, what makes the task) of each that the folder holds, and the six made-up ones."""
    if (folder / "lcbench.onnx").exists():
        known = json.loads((folder / "norm.json").read_text())
        yield from (("lcbench", (folder, n)) for n in sorted(_codes(folder)) if n in known)
    for file in sorted(folder.glob("*.npz")):
        names = [name[: -len("/hp")] for name in _tables(file) if name.endswith("/hp")]
        yield from (("taskset", (file, name)) for name in names)
    yield from (("crossing", (number,)) for number in range(6))


def make_task(family: str, made_of: tuple[Any, ...]) -> Task:
    """The task of a family."""
    kinds: dict[str, Any] = {"lcbench": LCBench, "taskset": Taskset, "crossing": Crossing}
    task: Task = kinds[family](*made_of)
    return task


def task_name(family: str, made_of: tuple[Any, ...]) -> str:
    """The name that a task made of this has."""
    return f"cross{made_of[0]}" if family == "crossing" else str(made_of[-1])


@cache
def _codes(folder: Path) -> dict[str, int]:
    codes: dict[str, int] = json.loads((folder / "enc.json").read_text())["OpenML_task_id"]
    return codes


@cache
def _tables(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as tables:
        return {name: tables[name] for name in tables.files}


@cache
def _session(folder: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = str(folder / "lcbench.onnx")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
