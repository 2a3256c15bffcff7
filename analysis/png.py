"""The figures as PNG files, drawn by matplotlib: for papers and slides, where HTML won't do."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.loading import load
from analysis.plots_training import suited
from tuner.errors import ResultsError

SIZE = (8.0, 4.5)
"""Width and height in inches, at 150 dots each."""


def write_pngs(folders: Sequence[Path], out: Path) -> Path:
    """Write the figures of each study's report as `out`/<study>-<figure>.png; `out`.

    Raises ResultsError where matplotlib is not installed, or a study cannot be read.
    """
    tables = load(folders)
    out.mkdir(parents=True, exist_ok=True)
    for name in tables.studies["study"]:
        for index, figure in enumerate(suited(tables.only(name))):
            title = re.sub(r"\W+", "-", html.unescape(figure.layout.title.text)).strip("-").lower()
            stem = re.sub(r"[^\w.-]+", "-", name)
            save_png(figure, out / f"{stem}-{index:02}-{title}.png")
    return out


def save_png(figure: go.Figure, path: str | Path) -> None:
    """Draw one of our plotly figures with matplotlib.

    Raises ResultsError where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ResultsError("PNG files need matplotlib: `pip install 'tuner[png]'`") from None
    names = sorted({_axes_name(trace) for trace in figure.data}, key=_number)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    page = Figure(figsize=(SIZE[0], SIZE[1] if rows == 1 else 3 * rows), layout="constrained")
    page.suptitle(_plain(figure.layout.title.text or ""))
    panels = dict(zip(names, np.ravel(page.subplots(rows, columns, squeeze=False)), strict=False))
    for trace in figure.data:
        _DRAW[trace.type](panels[_axes_name(trace)], trace)
    titles = [_plain(note.text) for note in figure.layout.annotations if note.text]
    for index, (name, axes) in enumerate(panels.items()):
        _label(axes, figure.layout, name)
        if len(titles) == len(panels) > 1:
            axes.set_title(titles[index], fontsize=9)
        for shape in figure.layout.shapes:
            axes.axvline(shape.x0, color="grey", linestyle=":", linewidth=1)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=7)
    for unused in page.axes[len(names) :]:
        if unused not in panels.values() and not unused.has_data():
            unused.remove()
    page.savefig(path, dpi=150)


def _axes_name(trace: Any) -> str:
    return getattr(trace, "xaxis", None) or "x"


def _number(name: str) -> int:
    return int(name[1:] or 1)


def _plain(text: str) -> str:
    return html.unescape(text).replace("$", r"\$")


def _label(axes: Any, layout: Any, name: str) -> None:
    for kind in ("x", "y"):
        axis = layout[f"{kind}axis{name[1:]}"]
        if axis.title.text:
            getattr(axes, f"set_{kind}label")(_plain(axis.title.text))
        if axis.type == "log":
            getattr(axes, f"set_{kind}scale")("log")
    axes.tick_params(labelsize=7)


def _values(column: Any) -> list[Any]:
    return [np.nan if v is None else _plain(v) if isinstance(v, str) else v for v in column]


def _scatter(axes: Any, trace: Any) -> None:
    label = _plain(trace.name) if trace.name and trace.showlegend is not False else None
    mode = trace.mode or "lines"
    x, y = _values(trace.x), _values(trace.y)
    if "lines" in mode:
        axes.plot(
            x, y, color=trace.line.color, label=label, linewidth=1, marker="." * ("mark" in mode),
            drawstyle="steps-post" if trace.line.shape == "hv" else "default",
            alpha=trace.opacity or 1,
        )  # fmt: skip
    else:
        axes.scatter(x, y, c=trace.marker.color, s=12, label=label)


def _bar(axes: Any, trace: Any) -> None:
    x, y, base = _values(trace.x), _values(trace.y), trace.base
    style = {"color": trace.marker.color, "label": _plain(trace.name) if trace.name else None}
    if trace.orientation == "h":
        axes.barh(y, x, left=base, edgecolor="white", linewidth=0.3, **style)
        return
    groups = axes.get_legend_handles_labels()[1]  # bars of one name stand side by side
    at = np.arange(len(x)) + 0.4 * len(groups)
    axes.bar(at, y, width=0.4, **style)
    axes.set_xticks(np.arange(len(x)) + 0.2, x)


def _box(axes: Any, trace: Any) -> None:
    known = [text.get_text() for text in axes.get_xticklabels()] if axes.has_data() else []
    at = len(known) + 1
    axes.boxplot([_values(trace.y)], positions=[at], widths=0.6)
    axes.set_xticks(range(1, at + 1), [*known, _plain(trace.name)], rotation=45, ha="right")


def _heatmap(axes: Any, trace: Any) -> None:
    table = np.array(trace.z, dtype=float)
    drawn = axes.imshow(table, origin="lower", aspect="auto", cmap=_map(trace))
    if trace.x is not None:
        axes.set_xticks(range(table.shape[1]), _values(trace.x))
        axes.set_yticks(range(table.shape[0]), _values(trace.y))
        axes.figure.colorbar(drawn, ax=axes)


def _contour(axes: Any, trace: Any) -> None:
    table = np.ma.masked_invalid(np.array(trace.z, dtype=float))
    drawn = axes.contourf(_values(trace.x), _values(trace.y), table, levels=15, cmap="cividis")
    axes.figure.colorbar(drawn, ax=axes)


def _parallel(axes: Any, trace: Any) -> None:
    from matplotlib import colormaps

    columns = [np.array(dimension["values"], dtype=float) for dimension in trace.dimensions]
    scaled = np.array([(c - np.nanmin(c)) / (np.ptp(c[~np.isnan(c)]) or 1.0) for c in columns])
    for line, value in zip(scaled.T, scaled[-1], strict=True):
        axes.plot(range(len(line)), line, color=colormaps["cividis"](value), linewidth=0.7)
    labels = [
        f"{_plain(d['label'])}\n{np.nanmin(c):.3g} to {np.nanmax(c):.3g}"
        for d, c in zip(trace.dimensions, columns, strict=True)
    ]
    axes.set_xticks(range(len(labels)), labels, rotation=30)
    axes.set_yticks([])


def _map(trace: Any) -> str:
    return "Greys" if trace.x is None else "cividis"


_DRAW = {
    "scatter": _scatter,
    "bar": _bar,
    "box": _box,
    "heatmap": _heatmap,
    "contour": _contour,
    "parcoords": _parallel,
}
