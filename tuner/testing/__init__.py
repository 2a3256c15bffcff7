"""Our promises as tests, for whoever writes a sampler, a scheduler, an engine or a store."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("pytest") is not None:  # curves and simulations do without it
    import pytest

    # A broken promise then shows its values, as it would in a file of the tests.
    pytest.register_assert_rewrite(
        *(
            f"{__name__}.{suite}"
            for suite in ("engines", "kept_studies", "samplers", "schedulers", "stores")
        )
    )
