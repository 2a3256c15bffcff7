"""What `tuner simulate` shows: the table of `analysis.replay`, and regret against epochs spent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.replay import ONE_EPOCH, bands, record, simulate, summarise
from tuner.errors import ExperimentError
from tuner.files import put_bytes
from tuner.samplers.registry import SAMPLERS
from tuner.schedulers.registry import SCHEDULERS
from tuner.store.damage import reading
from tuner.store.study_tables import read_study

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F"]
"""Okabe and Ito's palette, which the colour-blind can tell apart."""


def show_simulation(
    study_dir: Path,
    console: Console,
    *,
    schedulers: Sequence[str],
    etas: Sequence[int],
    min_epochs: int,
    workers: Sequence[int],
    sampler: str,
    seeds: int,
    top: int,
    out: Path,
) -> None:
    """Simulate every combination, print the table, write the plot.

    Raises ExperimentError for an unknown name or a number below its least.
    """
    for name in schedulers:
        if name not in (*SCHEDULERS.names(), ONE_EPOCH):
            known = ", ".join((*SCHEDULERS.names(), ONE_EPOCH))
            raise ExperimentError(f"{name!r} is not one of {known}", field="scheduler")
        if name != ONE_EPOCH and hasattr(SCHEDULERS.find(name), "succeed"):
            raise ExperimentError(
                f"{name!r} trains from weights on with other parameters, and no recorded curve "
                "says how that would have gone",
                field="scheduler",
                way_out="name another",
            )
    if sampler not in SAMPLERS.names():
        known = ", ".join(SAMPLERS.names())
        raise ExperimentError(f"{sampler!r} is not one of {known}", field="sampler")
    least = {"workers": min(workers), "seeds": seeds, "top": top, "min-epochs": min_epochs}
    for name, value in {**least, "eta": min(etas) - 1}.items():
        if value < 1:
            raise ExperimentError(
                f"it must be at least {1 + (name == 'eta')}", field=name.replace("-", "_")
            )
    with reading(study_dir):
        recorded = record(read_study(study_dir))
        runs = pd.concat(
            [
                simulate(
                    recorded,
                    scheduler=scheduler,
                    eta=eta,
                    min_epochs=min_epochs,
                    workers=count,
                    sampler=sampler,
                    seeds=seeds,
                    top=top,
                )
                for scheduler, eta, count in product(schedulers, etas, workers)
                if eta == etas[0]
                or (scheduler != ONE_EPOCH and SCHEDULERS.find(scheduler).has_rungs)
            ],
            ignore_index=True,
        )
        console.print(_table(summarise(runs)))
        line = f"{len(recorded.points)} recorded curves, {seeds} seeds; the plot: {out}"
        console.print(line, markup=False)
        put_bytes(out, _plot(bands(runs)).encode())


def _table(summary: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in summary.columns:
        table.add_column(name, justify="left" if name in ("scheduler", "sampler") else "right")
    for row in summary.itertuples(index=False):
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row))
    return table


def _plot(frame: pd.DataFrame) -> str:
    import plotly.graph_objects as go

    figure = go.Figure()
    settings = frame.groupby(["scheduler", "eta", "workers"], sort=False)
    for index, (setting, band) in enumerate(settings):
        colour = COLOURS[index % len(COLOURS)]
        name = "{} eta {}, {} workers".format(*setting)
        shown = band.dropna()
        edge = pd.concat([shown["high"], shown["low"][::-1]])
        around = pd.concat([shown["epochs"], shown["epochs"][::-1]])
        figure.add_scatter(
            x=around, y=edge, fill="toself", opacity=0.2, line_width=0, fillcolor=colour,
            hoverinfo="skip", showlegend=False, legendgroup=name,
        )  # fmt: skip
        figure.add_scatter(
            x=shown["epochs"], y=shown["median"], name=name, line_color=colour, legendgroup=name
        )
    figure.update_layout(
        title="Regret against epochs spent: median, a tenth to nine tenths of the seeds",
        xaxis_title="epochs spent",
        yaxis_title="regret of the best trial",
        template="plotly_white",
    )
    html: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return html
