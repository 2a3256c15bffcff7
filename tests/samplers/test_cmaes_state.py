"""A study from elsewhere runs nothing when it is gone on with."""

from __future__ import annotations

import os
import pickle
from typing import Any

import cmaes
import numpy as np
import pytest

from tuner.errors import StudyError
from tuner.samplers.cmaes_state import check_state


class _Runs:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


def test_of_cmaes_state_only_its_own_parts_are_loaded() -> None:
    state = cmaes.CMA(mean=np.zeros(2), sigma=1.0, bounds=np.array([[0, 1], [0, 1]]), seed=1)
    state.tell([(state.ask(), 1.0) for _ in range(state.population_size)])
    check_state(pickle.dumps(state))
    with pytest.raises(StudyError, match=r"'cmaes' with posix\.system in it.*not written by tuner"):
        check_state(pickle.dumps(_Runs()))
    with pytest.raises(StudyError, match=r"state of sampler 'cmaes' is broken"):
        check_state(pickle.dumps(state)[:-9])
