from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tuner.engines.ask_ahead import Proposals
from tuner.testing.scripted import ScriptedStudy, cells
from tuner.trial.cells import Cell


class SlowStudy(ScriptedStudy):
    """Thinks until it is let go, once an ask."""

    def __init__(self, count: int) -> None:
        super().__init__(None.__class__, cells(count))
        self.asked = 0
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def ask(self) -> Cell | None:
        self.asked += 1
        self.begun.release()
        self.go.acquire(timeout=10)
        return super().ask()


@pytest.fixture
def slow() -> Iterator[tuple[SlowStudy, Proposals]]:
    study = SlowStudy(3)
    proposals = Proposals(study, ahead=True)
    yield study, proposals
    study.go.release(10)
    proposals.close()


def test_a_slow_ask_does_not_hold_up_and_its_cell_is_not_lost(
    slow: tuple[SlowStudy, Proposals],
) -> None:
    study, proposals = slow
    assert proposals.take(0.0) is None
    assert proposals.take(0.0) is None
    assert study.asked == 1
    study.go.release()
    first = proposals.take(10.0)
    assert first is not None
    assert first.trial == 0


def test_one_cell_is_asked_ahead_and_no_more(slow: tuple[SlowStudy, Proposals]) -> None:
    study, proposals = slow
    study.go.release()
    assert proposals.take(10.0) is not None
    for _ in range(2):
        assert study.begun.acquire(timeout=10)
    assert study.asked == 2


def test_none_that_was_asked_ahead_is_asked_again() -> None:
    study = ScriptedStudy(None.__class__, cells(1))
    proposals = Proposals(study, ahead=True)
    assert proposals.take(10.0) is not None
    assert proposals.take(10.0) is None
    study.todo += cells(1)  # as after a death
    assert proposals.take(10.0) is not None
    proposals.close()


def test_without_ahead_every_ask_waits_until_it_is_wanted() -> None:
    study = ScriptedStudy(None.__class__, cells(3))
    proposals = Proposals(study, ahead=False)
    assert proposals.take(None) is not None
    assert len(study.todo) == 2
    proposals.close()


@pytest.mark.parametrize("ahead", [True, False])
def test_what_an_ask_raises_comes_out(ahead: bool) -> None:
    def hear(event: str, cell: Cell) -> None:
        raise TimeoutError("storage gone")

    proposals = Proposals(ScriptedStudy(None.__class__, cells(1), hear=hear), ahead=ahead)
    with pytest.raises(TimeoutError, match="storage gone"):
        proposals.take(10.0)
    proposals.close()
