"""Reads what studies leave: tables for pandas, plots and reports.

    import analysis

    tables = analysis.load("results/*")
    analysis.summary(tables)

Every function takes the tables and returns a new DataFrame; its docstring has the columns. Plots
are in `analysis.plots` and `analysis.plots_training`.
"""

from analysis.comparison import compare
from analysis.importances import importance
from analysis.loading import Tables, load
from analysis.progress import best_so_far, curves
from analysis.summaries import cv_table, overview, pivot, summary

__all__ = [
    "Tables",
    "best_so_far",
    "compare",
    "curves",
    "cv_table",
    "importance",
    "load",
    "overview",
    "pivot",
    "summary",
]
