"""Copies at a URI under fire: a fault at every call of the store, and drivers that take turns."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.store.uris import memory, s3  # noqa: F401  # fixtures
from tuner.errors import ResultsError, StudyError
from tuner.store import generations
from tuner.store.generations import Lost, Manifest, Stored
from tuner.store.mirror import Mirror
from tuner.store.objects import Objects

ALL_CALLS = "TUNER_ALL_CALLS"
"""Set it, and the slow server too is struck at every call, and not at one in seven."""
CALLS = ("folders", "names", "read", "write", "create", "remove", "seconds_since")
NAMES = count()


@pytest.fixture(params=["memory", "s3"])
def root(request: pytest.FixtureRequest) -> str:
    """A store, once without a server and once with one."""
    return str(request.getfixturevalue(request.param))


class Killed(BaseException):
    """The driver's process has ended."""


class Faults:
    """Counts the calls of all stores, and breaks one of them, before it is done or after."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.at = -1
        self.after = False
        self.error: Callable[[], BaseException] = lambda: OSError("no route to host")
        for name in CALLS:
            patched.setattr(Objects, name, self._counted(getattr(Objects, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*args: Any) -> Any:
            self.calls += 1
            now = self.calls == self.at
            if now and not self.after:
                raise self.error()
            done = call(*args)
            if now:
                raise self.error()
            return done

        return counted

    def arm(self, at: int, *, after: bool, error: Callable[[], BaseException]) -> None:
        self.calls, self.at, self.after, self.error = 0, at, after, error


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


class Machine:
    """A driver's machine, with a cache of its own. A study is the lines of its journal."""

    def __init__(self, uri: str, folder: Path, *, lease_s: float = 90.0) -> None:
        self.said: list[str] = []
        os.environ["TUNER_CACHE"] = str(folder)  # restored by the fixture below
        self.mirror = Mirror(uri, self.said.append)
        self.mirror.lease_s = lease_s
        self.path = self.mirror.folder / "mine"

    def begins(self) -> Machine:
        self.path.mkdir(parents=True)
        (self.path / "study.json").write_text("{}")
        return self

    def resumes(self) -> Machine:
        self.mirror.fetch_names()
        self.mirror.fetch(self.path)
        return self

    def works(self, *lines: str) -> None:
        with (self.path / "journal.log").open("a") as journal:
            journal.writelines(f"{line}\n" for line in lines)

    def puts(self, *, held: bool = True) -> None:
        self.mirror.put(self.path, held=held)

    @property
    def lines(self) -> list[str]:
        journal = self.path / "journal.log"
        return journal.read_text().split() if journal.exists() else []


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_CACHE", "")


@pytest.fixture
def machine(root: str, tmp_path: Path) -> Callable[..., Machine]:
    uri = f"{root}/{next(NAMES)}"
    return lambda name, **options: Machine(uri, tmp_path / name, **options)


# ---------------------------------------------------------------------- a fault at every call


def session(one: Machine, puts: Callable[[Machine, bool], None]) -> Iterator[None]:
    """A driver that puts its work three times; what `put` had sent is behind each yield."""
    one.begins()
    puts(one, True)
    yield
    one.works("a", "b")
    puts(one, True)
    yield
    one.works("c")
    puts(one, False)
    yield


def length(faults: Faults, one: Machine) -> int:
    """How many calls an undisturbed session makes."""
    faults.arm(-1, after=False, error=Killed)
    for _ in session(one, lambda driver, held: driver.puts(held=held)):
        pass
    return faults.calls


def stride(root: str) -> int:
    return 7 if root.startswith("s3:") and ALL_CALLS not in os.environ else 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_call_that_fails_or_whose_answer_is_lost_costs_nothing(
    root: str, tmp_path: Path, faults: Faults, after: bool
) -> None:
    def puts(driver: Machine, held: bool) -> None:
        try:
            driver.puts(held=held)
        except ResultsError:
            driver.puts(held=held)

    uri = f"{root}/{next(NAMES)}"
    number = length(faults, Machine(f"{uri}/calm", tmp_path / "calm"))
    assert number > 20
    for at in range(1, number + 1, stride(root)):
        here = tmp_path / str(at)
        faults.arm(at, after=after, error=lambda: OSError("no route to host"))
        for _ in session(Machine(f"{uri}/{at}", here / "a"), puts):
            pass
        assert Machine(f"{uri}/{at}", here / "b").resumes().lines == ["a", "b", "c"], at


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_driver_that_is_killed_at_any_call_loses_what_it_had_not_put_and_no_more(
    root: str, tmp_path: Path, faults: Faults, after: bool
) -> None:
    """Another machine goes on, and then the first one again, whose folder is stale."""
    uri = f"{root}/{next(NAMES)}"
    number = length(faults, Machine(f"{uri}/calm", tmp_path / "calm"))
    for at in range(1, number + 1, stride(root)):
        here = tmp_path / str(at)
        one = Machine(f"{uri}/{at}", here / "a", lease_s=0.0)
        faults.arm(at, after=after, error=Killed)
        sent: list[str] = []
        try:
            for _ in session(one, lambda driver, held: driver.puts(held=held)):
                sent = one.lines
        except Killed:
            faults.at = -1
        had = one.lines
        same = Machine(f"{uri}/{at}", here / "a", lease_s=0.0).resumes()
        assert same.lines == had, at  # the same machine has lost nothing
        other = Machine(f"{uri}/{at}", here / "b", lease_s=0.0).resumes()
        assert other.lines[: len(sent)] == sent, at
        if not other.path.exists():
            other.begins()
        other.works("d")
        other.puts(held=False)
        went_on = other.lines
        again = Machine(f"{uri}/{at}", here / "a").resumes()
        assert again.lines == went_on, at
        asides = list(again.mirror.folder.parent.glob("*-aside/*"))
        if had != went_on[: len(had)]:
            assert [(aside / "journal.log").read_text().split() for aside in asides] == [had], at


# ----------------------------------------------------------------------- drivers and histories


def test_a_study_that_another_driver_runs_is_refused_until_it_lets_go(
    machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine("a").begins()
    one.works("a")
    one.puts()
    for jump in (-86400.0, 86400.0):  # whatever the second machine's clock says
        with monkeypatch.context() as patched:
            now = time.time()
            patched.setattr(time, "time", lambda now=now, jump=jump: now + jump)
            with pytest.raises(StudyError, match=r"run by process \d+ on .*; wait for it, or \d\d"):
                machine("b").resumes()
    one.puts(held=False)
    assert machine("b").resumes().lines == ["a"]


def test_a_driver_that_was_taken_for_dead_is_told_and_overwrites_nothing(
    machine: Callable[..., Machine],
) -> None:
    one = machine("a", lease_s=0.0).begins()
    one.works("a")
    one.puts()
    other = machine("b").resumes()
    other.puts()
    one.works("lost")
    with pytest.raises(Lost, match=r"it was taken over by process .*; what it does not have is in"):
        one.puts()
    for number in range(5):  # generations that the first one knew are gone meanwhile
        other.works(f"b{number}")
        other.puts()
    one.works("lost too")
    with pytest.raises(Lost, match="it was taken over by process"):
        one.puts()
    other.puts(held=False)
    assert machine("c").resumes().lines == ["a", *(f"b{number}" for number in range(5))]
    with pytest.raises(Lost, match="it was taken over by another driver"):
        one.puts(held=False)


def test_a_driver_whose_puts_failed_meanwhile_passes_over_nobody(
    machine: Callable[..., Machine], faults: Faults
) -> None:
    one = machine("a", lease_s=0.0).begins()
    one.works("a")
    one.puts()
    for number in (1, 2):  # the upload fails, and then the manifest
        one.works(f"unsent{number}")
        faults.arm(number, after=False, error=lambda: OSError("no route to host"))
        with pytest.raises(ResultsError, match="cannot be written"):
            one.puts()
    other = machine("b").resumes()
    other.works("b")
    other.puts()
    with pytest.raises(Lost, match="it was taken over by process"):
        one.puts()
    other.puts(held=False)
    assert machine("c").resumes().lines == ["a", "b"]


def test_a_name_whose_driver_was_killed_as_it_began_is_known(
    machine: Callable[..., Machine],
) -> None:
    one = machine("a").begins()
    one.puts(held=False)
    one.mirror.objects.below("mine").remove(["study.json"])
    other = machine("b")
    other.mirror.fetch_names()
    assert (other.path / "study.json").read_text() == "{}"


def test_of_two_that_begin_a_study_of_one_name_the_second_is_refused(
    machine: Callable[..., Machine],
) -> None:
    one, other = machine("a").begins(), machine("b").begins()
    one.puts()
    with pytest.raises(Lost, match="it was taken over by process"):
        other.puts()
    other.mirror.remove(other.path)
    assert generations.newest(one.mirror.objects.below("mine")) is not None
    one.mirror.remove(one.path)
    assert one.mirror.objects.below("mine").names() == []


def test_a_folder_that_was_deleted_comes_back(machine: Callable[..., Machine]) -> None:
    one = machine("a").begins()
    one.works("a")
    one.puts(held=False)
    shutil.rmtree(one.mirror.folder)
    assert machine("a").resumes().lines == ["a"]


def test_a_file_that_is_changed_by_a_clock_that_went_back_is_put(
    machine: Callable[..., Machine],
) -> None:
    one = machine("a").begins()
    one.works("a")
    one.puts()
    journal = one.path / "journal.log"
    journal.write_text("b\n")  # as long as before
    os.utime(journal, (0, 0))
    one.puts(held=False)
    assert machine("b").resumes().lines == ["b"]


def test_what_is_not_whole_is_left_for_the_generation_before_it(
    machine: Callable[..., Machine],
) -> None:
    one = machine("a").begins()
    one.works("a")
    one.puts()
    one.works("b")
    one.puts(held=False)
    objects = one.mirror.objects.below("mine")
    latest = generations.newest(objects)
    assert latest is not None
    objects.write(latest.files["journal.log"].object, b"a\nb")
    other = machine("b").resumes()
    assert other.lines == ["a"]
    [said] = other.said
    assert "generation 2: journal.log is not what its manifest says; generation 1 is taken" in said
    other.works("c")
    other.puts(held=False)
    assert machine("c").resumes().lines == ["a", "c"]
    for number in generations.numbers(objects):
        objects.write(f"manifests/{number:010}.json", b"{")
    with pytest.raises(ResultsError, match=r"nothing there is whole \(generation 3: "):
        machine("d").resumes()


def test_names_that_lead_out_are_not_followed(
    machine: Callable[..., Machine], tmp_path: Path
) -> None:
    one = machine("a").begins()
    one.puts(held=False)
    objects = one.mirror.objects.below("mine")
    stored = Stored("uploads/x", 1, generations.digest(b"x"))
    objects.write("uploads/x", b"x")
    for number, name in enumerate(("../../out", f"{tmp_path}/out"), 2):
        evil = Manifest(number, "w", "s", files={name: stored})
        objects.write(evil.name, evil.encoded())
    other = machine("b").resumes()
    assert "generation 3: ValueError: a name leads out of the study" in other.said[0]
    assert not list(tmp_path.rglob("out"))


def test_a_copy_from_before_there_were_generations_is_gone_on_with(
    machine: Callable[..., Machine],
) -> None:
    one = machine("a")
    old = one.mirror.objects.below("mine")
    for name, content in (("study.json", b"{}"), ("journal.log", b"a\n")):
        old.write(name, content)
    mark = {"writer": "w", "serial": 3, "holder": None, "host": "h", "at": 0.0}
    old.write("mirror.json", json.dumps(mark).encode())
    assert one.resumes().lines == ["a"]
    one.works("b")
    one.puts(held=False)
    assert machine("b").resumes().lines == ["a", "b"]


def test_old_generations_and_what_failed_tries_uploaded_are_removed(
    machine: Callable[..., Machine],
) -> None:
    one = machine("a").begins()
    for number in range(6):
        one.works(str(number))
        one.puts()
    objects = one.mirror.objects.below("mine")
    objects.write("uploads/0000000002-dead-1/journal.log", b"")
    one.puts(held=False)
    assert generations.numbers(objects) == [7, 6, 5]
    assert len(objects.names("uploads")) == 3  # study.json, and the journal of 5, and of 6 and 7
