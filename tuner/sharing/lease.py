"""A driver's side of sharing a cluster: how many slots it may hold now."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import ray

from tuner.sharing.broker import find_broker, other_protocols
from tuner.sharing.messages import PROTOCOL, Answer, Beat
from tuner.sharing.words import holding, names_of

BEAT_S = 1.0
"""A driver says at least so often how it stands."""
ANSWER_S = 4 * BEAT_S
"""How long an answer may take."""
AGAIN_S = 0.25
"""The next beat follows one without an answer: a broker that Ray restarts is soon heard of."""
BRIEF_S, RESTART_S = 0.5, 10.0
"""So briefly a broker is waited for that fell silent less than RESTART_S ago: Ray lets what it was
asked during its restart wait on, and fails it later. A slow one is heard after that."""
SILENT_S = 3 * BEAT_S
"""After so long without an answer the broker is looked for anew; a driver that has never had one
goes on without."""
START_S = 60.0
"""How long a broker may take to start: its process imports Ray, on a node that may be busy."""


@dataclass(frozen=True)
class Wish:
    """What a study asks of a cluster, for all of its life.

    `slot` is what a worker takes. It gets by with `least` slots at a time, and takes `most` at most
    (None: all that it can use). `alone` is how many it takes where there is no broker.
    """

    study: str
    user: str
    slot: dict[str, float]
    weight: float = 1.0
    least: int = 1
    most: int | None = None
    alone: int = 1
    version: str = ""
    address: str = ""
    results: str = ""


@dataclass
class Progress:
    """How far a study is: trials that ended, all trials, the best in words, for those who look; and
    how many cells have not ended, which is how many slots it could use (None: not known yet)."""

    done: int = 0
    total: int = 0
    best: str = ""
    left: int | None = None


class Lease:
    """`allowed` slots are this driver's. A thread of its own beats, so that a slow sampler does not
    look dead. Nothing here raises, and nothing waits but `wait`.
    """

    def __init__(
        self,
        wish: Wish,
        *,
        wanted: int,
        say: Callable[[str], None],
        progress: Callable[[], Progress] = Progress,
        find: Callable[[], Any] = find_broker,
    ) -> None:
        self.wish = wish
        self.allowed = 0
        self.answer: Answer | None = None
        self.held = 0
        self.progress = progress
        self.left = wanted
        self._ends_s: float | None = None
        self._wanted = self._peak = wanted
        self._say, self._find = say, find
        self._boot, self._since = uuid.uuid4().hex, time.time()
        self._numbers, self._grant = count(1), 0
        self._broker: Any = None
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._beat_on, daemon=True, name="lease")

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def tell(self, held: int, wanted: int | None = None, ends_s: float | None = None) -> None:
        """Take what the workers hold and could use. News is said at once; that less is wanted waits
        for the next beat, as it may last for a moment only. `ends_s` is in how many seconds a cell
        ends, as far as it is known."""
        wanted = self._wanted if wanted is None else wanted
        self._ends_s = ends_s
        news = held != self.held or wanted > self._peak
        self.held, self._wanted = held, wanted
        self._peak = max(self._peak, wanted)
        if news and self._broker is not None:
            with contextlib.suppress(Exception):  # the next beat says it again
                self._broker.beat.remote(self._says())

    def wait(self, timeout_s: float) -> bool:
        """Wait until slots may be held; whether they may."""
        with self._changed:
            return self._changed.wait_for(lambda: self.allowed > 0, timeout_s)

    def said(self) -> str:
        """How this study stands beside the others, in a line; empty where it is alone."""
        return "" if self.answer is None else holding(self.answer, self.held)

    def close(self) -> None:
        """Give all back."""
        self._over.set()
        if self._broker is not None:
            with contextlib.suppress(Exception):  # it is gone, or hears nothing for 6 s
                ray.get(self._broker.leave.remote(self._boot), timeout=BEAT_S)
        self._thread.join(timeout=ANSWER_S)

    def _says(self) -> Beat:
        wish, progress = self.wish, self.progress()
        self.left = self.left if progress.left is None else progress.left
        wanted = self._peak if wish.most is None else min(self._peak, wish.most)
        return Beat(
            boot=self._boot, number=next(self._numbers), study=wish.study, user=wish.user,
            host=os.uname().nodename, pid=os.getpid(), version=wish.version, address=wish.address,
            results=wish.results, since=self._since, weight=wish.weight, least=wish.least,
            slot=wish.slot, held=self.held, allowed=self.allowed, grant=self._grant, wanted=wanted,
            ends_s=self._ends_s, done=progress.done, total=progress.total, best=progress.best,
        )  # fmt: skip

    def _beat_on(self) -> None:
        since: float | None = None
        while not self._over.is_set():
            began = time.monotonic()
            try:
                if self._broker is None:
                    self._broker = self._find()
                said = self._says()
                self._peak = self._wanted
                wait_s, answer_s = BEAT_S, ANSWER_S
                if self.answer is not None and since is not None and began - since < RESTART_S:
                    wait_s, answer_s = 0.0, BRIEF_S
                answer = ray.get(self._broker.beat.remote(said, wait_s), timeout=answer_s)
            except Exception as error:  # noqa: BLE001  # whatever it is, the study goes on
                first, since = since is None, since or began
                self._on_silence(first, time.monotonic() - since, error)
                self._over.wait(BEAT_S if self._broker is None else AGAIN_S)
                continue
            if since is not None and self.answer is not None:
                self._say(f"the cluster's broker answers again: {answer['allowed']} slots are ours")
            if self.answer is None:
                for line in self._beside():
                    self._say(line)
            since = None
            self._take(answer)

    def _take(self, answer: Answer) -> None:
        with self._changed:
            running = bool(self.allowed) and not self._over.is_set()
            news = running and names_of(answer) != names_of(self.answer)
            self.answer = answer
            self.allowed, self._grant = answer["allowed"], answer["grant"]
            self._changed.notify_all()
        if news:
            self._say(self.said() or "no other study is on the cluster now")

    def _on_silence(self, first: bool, silent_s: float, error: Exception) -> None:
        gone = silent_s >= SILENT_S and not self._may_start(error)
        if gone:
            self._broker = None  # Ray restarts it by itself, unless it was ended for good
        if self.answer is not None:
            if first:
                why = type(error).__name__
                self._say(
                    f"the cluster's broker does not answer ({why}): going on with {self.held} slots"
                )
        elif gone and not self.allowed:
            why = type(error).__name__
            self._say(
                f"no broker on this cluster ({why}): taking {self.wish.alone} slots, unshared"
            )
            with self._changed:
                self.allowed = self.wish.alone
                self._changed.notify_all()

    def _may_start(self, error: Exception) -> bool:
        """Whether the broker is there, and its process is still starting."""
        slow = isinstance(
            error, ray.exceptions.GetTimeoutError | ray.exceptions.ActorUnavailableError
        )
        return slow and time.time() - self._since < START_S

    def _beside(self) -> Iterator[str]:
        with contextlib.suppress(Exception):  # it is a line for users, and nothing more
            for protocol in other_protocols():
                yield (
                    f"studies of another tuner share this cluster by protocol {protocol}, ours is "
                    f"{PROTOCOL}: each takes the other's slots as used by strangers"
                )
