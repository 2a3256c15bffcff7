"""Words that options have for values, and the groups of options in the command line's help."""

from __future__ import annotations

TRIALS, CONVERGED = "trials", "converged"
"""When a search ends: after so many trials, or once more would gain next to nothing."""
BEST, ONE_SE = "best", "one_se"
"""Who is the best: the best value, or the simplest within one standard error of it."""
WHAT, HOW, RESULTS, RESOURCES = "What to search", "How to search", "Results", "Resources"
"""The groups of options in the command line's help."""
