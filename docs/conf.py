"""How Sphinx builds these pages: `make docs`, into build/docs, with warnings as errors."""

import importlib.metadata
from typing import Any

from tuner import Experiment
from tuner.options import options_of

project = "tuner"
author = "tuner developers"
copyright = "tuner developers"
release = importlib.metadata.version("tuner")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images"]
nb_execution_mode = "off"  # the notebook keeps its outputs: `make docs/lab.ipynb` executes it
myst_heading_anchors = 3  # links to a page's headings are checked as well
myst_enable_extensions = ["dollarmath"]
default_role = "code"  # docstrings have code between single backticks

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

html_theme = "pydata_sphinx_theme"
html_title = "tuner"
html_theme_options = {
    "show_nav_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_persistent": ["search-button"],
}
html_copy_source = False
html_show_sourcelink = False
suppress_warnings = ["myst.header"]  # the first heading of Typer's page is followed by its third


def setup(app: Any) -> None:
    """Let Sphinx call us."""
    app.connect("autodoc-process-docstring", add_options)


def add_options(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Add an Experiment's options to its docstring: the help of each stands at its field."""
    if obj is Experiment:
        lines += [".. list-table::", "   :header-rows: 1", "", "   * - field", "     - default"]
        lines += ["     - what it is"]
        for one, rule in options_of(Experiment):
            lines += [f"   * - `{one.name}`", f"     - `{one.default!r}`", f"     - {rule.help}"]
