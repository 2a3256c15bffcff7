"""CMA-ES, whose state is checked before it is kept."""

from __future__ import annotations

from optuna.samplers import CmaEsSampler

from tuner.samplers.cmaes_state import check_state
from tuner.samplers.views import _Penalised, _Sees


class _CmaEs(_Sees, CmaEsSampler):
    view = _Penalised

    def _concat_optimizer_attrs(self, optimizer_attrs: dict[str, str]) -> str:
        pickled = super()._concat_optimizer_attrs(optimizer_attrs)
        check_state(bytes.fromhex(pickled))
        return pickled
