"""Deadlines, places, homes and parking, each by itself."""

from __future__ import annotations

import os
import random
import threading
from dataclasses import replace
from typing import Any

from tuner.engines.ask_ahead import Proposals
from tuner.engines.duties import NODES_S, WARM_UP_S, Deadlines, Places
from tuner.engines.ray_tune.flights import Flights
from tuner.engines.ray_tune.homes import Homes
from tuner.engines.ray_tune.parked import ParkingPlace
from tuner.engines.ray_tune.worker import Said
from tuner.engines.trainer import Send, Trainer
from tuner.testing.engines import cells
from tuner.testing.scripted import ScriptedStudy
from tuner.trial.cells import Cell, Decision, Ending, Outcome


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# ------------------------------------------------------------------------------- deadlines


def test_a_cell_is_late_after_its_limit_and_a_first_one_after_the_imports_too() -> None:
    clock = Clock()
    deadlines = Deadlines(10.0, clock)
    warm, cold, waiting = cells(3)
    deadlines.begin(warm)
    deadlines.begin(cold, warm=False)
    clock.now = 10.5
    assert deadlines.is_late(warm)
    assert not deadlines.is_late(cold)
    assert not deadlines.is_late(waiting)
    clock.now = 10.5 + WARM_UP_S
    assert deadlines.is_late(cold)
    assert deadlines.why == "the trial ran longer than its trial_timeout of 10 s"


def test_a_first_cell_has_its_limit_from_when_its_worker_is_warm() -> None:
    clock = Clock()
    deadlines = Deadlines(10.0, clock)
    [cell] = cells(1)
    deadlines.begin(cell, warm=False)
    clock.now = 50.0
    deadlines.warmed(cell)
    assert deadlines.seconds(cell) == 0.0
    clock.now = 60.5
    assert deadlines.is_late(cell)
    deadlines.pause(cell)
    deadlines.begin(cell, warm=False)
    deadlines.warmed(cell)
    assert deadlines.seconds(cell) == 10.5


def test_a_pause_does_not_count_and_what_was_trained_before_it_does() -> None:
    clock = Clock()
    deadlines = Deadlines(10.0, clock)
    [cell] = cells(1)
    deadlines.begin(cell)
    clock.now = 6.0
    deadlines.pause(cell)
    clock.now = 100.0
    assert not deadlines.is_late(cell)
    deadlines.begin(cell)
    clock.now = 103.0
    assert deadlines.seconds(cell) == 9.0
    assert not deadlines.is_late(cell)
    clock.now = 105.0
    assert deadlines.is_late(cell)
    deadlines.end(cell)
    deadlines.begin(cell)
    assert deadlines.seconds(cell) == 0.0


def test_without_a_limit_nothing_is_late() -> None:
    clock = Clock()
    deadlines = Deadlines(None, clock)
    [cell] = cells(1)
    deadlines.begin(cell)
    clock.now = 1e9
    assert not deadlines.is_late(cell)


class Cluster:
    """The part of a cluster that `Places` looks at."""

    lease: Any = None

    def __init__(self, *, grows: bool) -> None:
        self.grows = grows

    def slots(self) -> int:
        return 5


class Lease:
    """The part of a lease that `Places` asks and tells."""

    allowed, left = 3, 40
    told: tuple[int, int, float | None] = (0, 0, None)

    def tell(self, held: int, wanted: int, ends_s: float | None) -> None:
        self.told = held, wanted, ends_s


def test_places_of_a_shared_cluster_are_what_is_allowed_and_a_cells_end_is_foreseen() -> None:
    cluster: Any = Cluster(grows=True)
    cluster.lease = lease = Lease()
    places = Places(cluster, Clock())
    assert (places.shared, places.look(), places.left) == (True, 3, 40)
    places.tell(3, 40, [1.0])
    assert lease.told[2] is None  # none has ended yet: nobody knows
    places.took(8.0)
    places.took(4.0)
    places.tell(3, 40, [1.0, 5.0])
    assert lease.told == (3, 40, 1.0)


def test_places_are_counted_now_and_then_and_only_where_they_change() -> None:
    clock = Clock()
    growing: Any = Cluster(grows=True)
    fixed: Any = Cluster(grows=False)
    places, given = Places(growing, clock), Places(fixed, clock)
    assert places.look() is None
    clock.now = NODES_S
    assert places.look() == 5
    assert places.look() is None
    assert given.look() is None


# ----------------------------------------------------------------------------------- homes


def test_a_cell_waits_for_the_worker_that_has_it_until_that_is_free_or_gone() -> None:
    homes = Homes()
    first, second, new = cells(3)
    for cell in (first, second):
        homes.park(cell, "a")
    assert homes.unless_busy(new, {"a"}) is new
    assert homes.unless_busy(first, {"a"}) is None
    assert homes.unless_busy(second, {"a"}) is None
    assert homes.released({"a"}) is None
    assert homes.released(set()) is first
    assert homes.leave(first) == "a"
    assert homes.count("a") == 1
    homes.lose("a")
    assert homes.released({"a"}) is second
    assert homes.leave(second) is None


def test_a_paused_cell_that_is_asked_for_at_once_waits_for_its_home_to_set_it_aside() -> None:
    study = ScriptedStudy(counting, cells(1), decide=lambda *report: Decision.PAUSE)
    flights = Flights(study, Proposals(study, ahead=False), concurrency=2)
    flight = flights.next()
    assert flight is not None
    flights.open["first"], flight.worker = flight, "a"
    assert study.report(flight.cell, 1, {"v": 0.0}, 0.0) is Decision.PAUSE
    flights.set_aside(flight)
    assert flights.next() is None  # another slot is free, and the study gives the cell out
    flights.end("first", Said.KEPT)
    again = flights.next()
    assert again is not None
    assert (again.cell.start, again.home) == (1, "a")


# --------------------------------------------------------------------------------- parking


def counting(cell: Cell, send: Send) -> Outcome:
    """Reports its epochs; draws from the generator that all trainings of a process share."""
    random.seed(cell.seed)
    for epoch in range(1, (cell.epochs or 0) + 1):
        os.write(1, f"cell {cell.trial} epoch {epoch}\n".encode())
        if send(epoch, {"v": random.random()}, 0.0) is Decision.STOP:
            break
    return Outcome(Ending.FINISHED)


def trainer() -> Trainer:
    return Trainer(counting, lambda: "here")


def drawn(cell: Cell) -> list[float]:
    """What a cell reports when nothing disturbs it."""
    alone, said, found = trainer(), None, []
    while not isinstance(said := alone.say(cell if said is None else Decision.CONTINUE), Outcome):
        found.append(said[1]["v"])
    alone.close()
    return found


def test_trainings_that_take_turns_draw_and_print_as_if_each_were_alone() -> None:
    todo = cells(3)
    trainers = [trainer() for _ in todo]
    found: list[list[float]] = [[] for _ in todo]
    logs: list[str] = []
    for epoch in range(4):
        for cell, one, values in zip(todo, trainers, found, strict=True):
            said = one.say(cell if epoch == 0 else Decision.CONTINUE)
            if isinstance(said, Outcome):
                logs.append(said.log)
                assert said.host == "here"
                one.close()
            else:
                values.append(said[1]["v"])
                one.park()
    assert found == [drawn(cell) for cell in todo]
    assert logs == [
        "".join(f"cell {cell.trial} epoch {epoch}\n" for epoch in (1, 2, 3)) for cell in todo
    ]


def test_a_parked_training_can_be_stopped_and_given_up() -> None:
    one, two = trainer(), trainer()
    for cell, each in zip(cells(2), (one, two), strict=True):
        each.say(cell)
        each.park()
    ended = one.say(Decision.STOP)
    assert isinstance(ended, Outcome)
    assert ended.ending is Ending.FINISHED
    two.give_up()
    again = two.say(cells(1)[0])  # its thread trains another cell
    assert not isinstance(again, Outcome)
    two.park()
    two.give_up()
    for each in (one, two):
        each.close()


def parked_in(limit_mb: float) -> set[int]:
    """Who is left of three trainings in a place of so much memory."""
    place = ParkingPlace(limit_mb)
    todo = [replace(cell, start=epoch) for cell, epoch in zip(cells(3), (3, 1, 3), strict=True)]
    for cell, loss in zip(todo, (0.9, 0.1, 0.2), strict=True):
        each = trainer()
        each.say(cell)
        each.park()
        place.put(cell, each, cell.start, loss)
    left = {cell.trial: place.take(cell) for cell in todo}
    for parked in left.values():
        if parked is not None:
            parked.give_up()
    return {trial for trial, parked in left.items() if parked is not None}


def test_beyond_its_memory_a_worker_gives_up_the_least_promising_training() -> None:
    assert parked_in(1e9) == {0, 1, 2}
    assert parked_in(1.0) == set()  # this process has more than a MB by itself


def test_the_least_promising_has_trained_least_and_of_equals_has_the_highest_loss() -> None:
    place = ParkingPlace(1e9)
    for cell, epoch, loss in zip(cells(3), (3, 1, 3), (0.9, 0.1, 0.2), strict=True):
        each = trainer()
        each.say(cell)
        each.park()
        place.put(cell, each, epoch, loss)
    for gone in (1, 0, 2):
        assert place.least_promising() == (gone, 0)
        parked = place.take(replace(cells(3)[gone], start=3))
        assert parked is not None
        parked.give_up()


def test_what_is_further_than_its_cell_goes_on_from_is_given_up() -> None:
    before = set(threading.enumerate())
    place, [cell] = ParkingPlace(1e9), cells(1)
    for _ in range(2):  # parked twice: another worker had it meanwhile
        each = trainer()
        each.say(cell)
        each.park()
        place.put(cell, each, epoch=2, loss=0.0)
    assert place.take(replace(cell, attempt=2)) is None
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before  # both trainings have ended


def test_no_training_begins_while_another_ones_remains_are_cleared(monkeypatch: Any) -> None:
    order: list[str] = []
    begun = threading.Event()

    def clear() -> None:
        begun.wait(0.2)  # as long as another could take to begin
        order.append("cleared")

    def training(cell: Cell, send: Send) -> Outcome:
        order.append(f"trained {cell.trial}")
        if cell.trial == second.trial:
            begun.set()
        return Outcome(Ending.FINISHED)

    monkeypatch.setattr("tuner.training.process.gc.collect", clear)
    first, second = cells(2)
    for cell in (first, second):
        Trainer(training, lambda: "here").say(cell)
    assert order[:3] == [f"trained {first.trial}", "cleared", f"trained {second.trial}"]
