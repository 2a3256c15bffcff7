"""CMA-ES's state, which Optuna keeps pickled in the ledger: only what CMA-ES is made of is loaded.

A study's folder may come from elsewhere, and a pickle can run anything.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from tuner.errors import StudyError

ALLOWED = {
    ("cmaes._cma", "CMA"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
}


class _Checked(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise StudyError(
                f"the ledger holds a state of sampler 'cmaes' with {module}.{name} in it, which "
                "CMA-ES has not: this study was not written by tuner; do not go on with it"
            )
        return super().find_class(module, name)


def check_state(pickled: bytes) -> None:
    """Raise StudyError for a pickle that names anything but the parts of CMA-ES."""
    try:
        _Checked(io.BytesIO(pickled)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise StudyError(f"the ledger's state of sampler 'cmaes' is broken: {error}") from None
