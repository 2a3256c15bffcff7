"""The figures as PNG files, for papers and slides: plotly draws them in a Chrome that it hides."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

from analysis.loading import load
from analysis.plots_training import suited
from tuner.errors import ResultsError

WIDTH, HEIGHT = 800, 450
"""Pixels of a figure that does not say its own size, before SCALE."""
SCALE = 2
"""Pixels of the file for each of the page's: sharp in print."""


def write_pngs(folders: Sequence[Path], out: Path) -> Path:
    """Write the figures of each study's report as `out`/<study>-<number>-<title>.png; `out`.

    Raises ResultsError where kaleido or Chrome is missing, or a study cannot be read.
    """
    tables = load(folders)
    out.mkdir(parents=True, exist_ok=True)
    figures = {}
    for name in tables.studies["study"]:
        for index, figure in enumerate(suited(tables.only(name))):
            title = re.sub(r"\W+", "-", html.unescape(figure.layout.title.text)).strip("-").lower()
            stem = re.sub(r"[^\w.-]+", "-", name)
            figures[out / f"{stem}-{index:02}-{title}.png"] = figure
    save_pngs(figures)
    return out


def save_pngs(figures: Mapping[Path, go.Figure]) -> None:
    """Draw each figure into its file; Chrome is started once for all.

    Raises ResultsError where kaleido, which starts Chrome, or Chrome itself is missing.
    """
    if find_spec("kaleido") is None:
        raise ResultsError("PNG files need kaleido: `pip install 'tuner[png]'`")
    try:
        plotly.io.write_images(
            list(figures.values()),
            list(figures),
            scale=SCALE,
            width=[figure.layout.width or WIDTH for figure in figures.values()],
            height=[figure.layout.height or HEIGHT for figure in figures.values()],
        )
    except RuntimeError as error:
        if "Chrome" not in str(error):
            raise
        raise ResultsError(
            "PNG files are drawn in Chrome or Chromium, and this machine has neither; "
            "install one, or open report.html and save a figure from there"
        ) from None
