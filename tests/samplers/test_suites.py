"""Our samplers pass our own suite and Optuna's published one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from tuner.samplers.cmaes import RungCmaEsSampler
from tuner.samplers.gp import RungViewGPSampler
from tuner.samplers.nsga2 import RungNSGAIISampler
from tuner.samplers.optuna_internals import check
from tuner.samplers.qmc import SobolSampler
from tuner.samplers.random import UniformSampler
from tuner.samplers.rung_gp import RungGPSampler
from tuner.samplers.tpe import RungTPESampler
from tuner.testing.samplers import Make, SamplerSuite

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_optuna_is_as_we_know_it() -> None:
    assert check() is None


class _Ours(SamplerSuite, BasicSamplerTestCase, RelativeSamplerTestCase):
    kind: type[BaseSampler]

    @pytest.fixture
    def make(self) -> Make:
        return partial(_made, self.kind)

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return partial(_made, self.kind, 0)


def _made(kind: Callable[..., BaseSampler], seed: int) -> BaseSampler:
    return kind(seed=seed)


class _OfOneGoal(_Ours, SingleOnlySamplerTestCase):
    pass


class _OfSeveral(_Ours, MultiObjectiveSamplerTestCase):
    pass


class TestRungGP(_OfOneGoal):
    kind = RungGPSampler


class TestTPE(_OfSeveral):
    kind = RungTPESampler


class TestNSGAII(_OfSeveral):
    kind = RungNSGAIISampler


class TestCmaEs(_OfOneGoal):
    kind = RungCmaEsSampler


class TestQmc(_OfSeveral):
    kind = SobolSampler
    learns = False


class TestRandom(_OfSeveral):
    kind = UniformSampler
    learns = False


@pytest.mark.gp
class TestGP(_OfSeveral):
    kind = RungViewGPSampler
