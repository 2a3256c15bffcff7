"""The page of a study: its templates, its script and what renders it."""
