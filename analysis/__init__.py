"""Reads what studies leave: summaries, curves, plots and reports."""
