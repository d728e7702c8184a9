"""A scheduler of actors: exactly one runs at a time, on a clock that stands still while it runs."""

from __future__ import annotations

import heapq
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Hashable

#: The beginning of every history in Unix microseconds.
BEGIN = 1_760_000_000_000_000


class Killed(BaseException):
    """Raised in the actors of a dead process: nothing that they still do has an effect."""


@dataclass(eq=False)
class Process:
    """Actors that live and die together, and can be stopped for a while."""

    name: str
    alive: bool = True
    #: When the current stop ends (microseconds).
    stopped: int = 0
    actors: list[Actor] = field(default_factory=list)
    #: Starts the process again.
    again: Callable[[], None] = lambda: None


class _Worker:
    """A stack that runs one actor after another."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.job: Actor | None = None
        self.stack = greenlet(self._run)

    def _run(self) -> None:
        while (actor := self.job) is not None:
            Context().run(actor.perform)
            self.job = None
            self._scheduler.finish(actor, self)


@dataclass(eq=False)
class Actor:
    """One thread of a process; it has a stack once it has started."""

    process: Process
    name: str
    work: Callable[[], object]
    scheduler: Scheduler
    stack: greenlet | None = None
    done: bool = False
    #: The number of waits so far: events of earlier waits are void.
    turn: int = 0
    #: The key that can end the wait early, and whether it was called.
    key: Hashable = None
    called: bool = False

    def perform(self) -> None:
        """Do the work; an error ends the history."""
        try:
            if self.process.alive:
                self.work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # reported by the director
            self.scheduler.fail(error)


class Scheduler:
    """The clock (`now`, Unix microseconds), and the choice of the next actor."""

    def __init__(self, rng: random.Random) -> None:
        self.now, self._rng, self._number = BEGIN, rng, 0
        #: Microseconds by which the clock of the hosts, and that of Redis, are ahead of the time that passes.
        self.host_ahead = self.redis_ahead = 0
        self._events: list[tuple[int, float, int, Actor | None, object]] = []
        self._idle: list[_Worker] = []
        self._workers: list[_Worker] = []
        self._waiting: dict[Hashable, list[Actor]] = {}
        self.failure: BaseException | None = None
        self._main = Actor(Process("director"), "director", lambda: None, self, getcurrent())
        self.current = self._main

    # Callable from anywhere

    def spawn(self, process: Process, name: str, work: Callable[[], object]) -> Actor:
        """Start an actor of `process`."""
        actor = Actor(process, name, work, self)
        process.actors = [other for other in process.actors if not other.done]
        process.actors.append(actor)
        self._push(self.now, actor, actor.turn)
        return actor

    def later(self, seconds: float, do: Callable[[], object]) -> None:
        """Run a function, which must not wait, after `seconds`, no matter which processes are dead by then."""
        self._push(self.now + int(seconds * 1e6), None, do)

    def kill(self, process: Process) -> None:
        """Kill a process at once; the calling actor continues until its next wait."""
        process.alive = False
        for actor in process.actors:
            if not actor.done and actor is not self.current:
                actor.turn += 1
                self._push(self.now, actor, actor.turn)

    def call(self, key: Hashable) -> None:
        """Wake the actors that wait for `key`."""
        for actor in self._waiting.pop(key, ()):
            if actor.key == key and not actor.called:
                actor.called = True
                actor.turn += 1
                self._push(self.now, actor, actor.turn)

    def fail(self, error: BaseException) -> None:
        """End the history with this error."""
        self.failure = self.failure or error
        self._main.turn += 1
        self._push(-1, self._main, self._main.turn)

    # Called by an actor or the director for itself

    def wait(self, seconds: float, key: Hashable = None) -> bool:
        """Let `seconds` pass, or fewer if `key` is called; return whether it was. Raise Killed for a dead process."""
        me = self.current
        if not me.process.alive:
            raise Killed
        at = self.now + max(0, int(seconds * 1e6))
        if key is None and me.process.stopped <= self.now and (not self._events or self._events[0][0] > at):
            self.now = at
            return False
        me.turn += 1
        me.called, me.key = False, key
        if key is not None:
            self._waiting.setdefault(key, []).append(me)
        self._push(at, me, me.turn)
        self._switch_from(me)
        me.key = None
        if me is self._main and self.failure:
            raise self.failure
        if not me.process.alive:
            raise Killed
        return me.called

    def end(self) -> None:
        """Kill every process and let its actors unwind."""
        self.failure = None
        for _, _, _, actor, _ in list(self._events):
            if actor is not None and actor is not self._main:
                self.kill(actor.process)
        for actors in list(self._waiting.values()):
            for actor in actors:
                self.kill(actor.process)
        self._events = [event for event in self._events if event[3] is not None]
        heapq.heapify(self._events)
        self.wait(0.000_001)
        for worker in self._workers:
            worker.stack.switch()

    # Internals

    def _push(self, at: int, actor: Actor | None, event: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (at, self._rng.random(), self._number, actor, event))

    def _next(self) -> Actor:
        """Return the next actor; run the plain functions that are due before it."""
        while True:
            at, _, _, actor, event = heapq.heappop(self._events)
            if actor is None:
                self.now = max(self.now, at)
                assert callable(event)
                event()
            elif event == actor.turn and not actor.done:
                if actor.process.stopped > max(at, self.now) and actor.process.alive:
                    self._push(actor.process.stopped, actor, event)
                    continue
                self.now = max(self.now, at)
                return actor

    def _hand_over(self, actor: Actor) -> None:
        self.current = actor
        if actor.stack is None:
            if not self._idle:
                self._idle.append(_Worker(self))
                self._workers.append(self._idle[-1])
            worker = self._idle.pop()
            worker.job, actor.stack = actor, worker.stack
        if actor.stack is not getcurrent():
            actor.stack.switch()

    def _switch_from(self, me: Actor) -> None:
        actor = self._next()
        if actor is not me:
            self._hand_over(actor)

    def finish(self, actor: Actor, worker: _Worker) -> None:
        """Free the stack of an actor that has ended, and wake the actors that join it."""
        actor.done, actor.stack = True, None
        self._idle.append(worker)
        self.call(actor)
        self._hand_over(self._next())
