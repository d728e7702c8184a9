"""The few places where the code uses the outside world: during a history each is replaced by the simulation."""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import secrets
import socket
import time
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import structlog

import tasks.bell
import tasks.calls
import tasks.pages
import worker.http.client
import worker.retry
import worker.runtime
import worker.store.redis.heartbeat
import worker.store.redis.witness
from simulation.adapters import PROVIDERS, TARGETS
from simulation.client import Client
from simulation.network import Origin
from simulation.scheduler import BEGIN

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, MutableMapping

    from simulation.network import Wire
    from simulation.scheduler import Scheduler


class _Event:
    """The part of `threading.Event` that a heartbeat and a bell use."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._set = scheduler, False

    def set(self) -> None:
        self._set = True
        self._scheduler.call(self)

    def clear(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        if not self._set:
            # Less than a tick of the clock would pass no time: a loop until a moment would never reach it.
            self._scheduler.wait(max(seconds, 1e-6), key=self)
        return self._set


class _Queue:
    """The part of `queue.SimpleQueue` that calls use."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._scheduler.call(self)

    def get(self, timeout: float | None = None) -> Any:
        until = None if timeout is None else self._scheduler.now + timeout * 1e6
        while not self._items and (until is None or self._scheduler.now < until):
            self._scheduler.wait(3600 if until is None else (until - self._scheduler.now) / 1e6, key=self)
        return self.get_nowait()

    def get_nowait(self) -> Any:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


class _Thread:
    """A replacement for `threading.Thread`: one more actor of the process that starts it."""

    def __init__(self, scheduler: Scheduler, target: Callable[[], None], name: str) -> None:
        self._scheduler, self._target, self._name = scheduler, target, name

    def start(self) -> None:
        self._actor = self._scheduler.spawn(self._scheduler.current.process, self._name, self._target)

    def join(self) -> None:
        while not self._actor.done:
            self._scheduler.wait(3600, key=self._actor)


@contextlib.contextmanager
def seams(
    scheduler: Scheduler, rng: random.Random, wire: Callable[[], Wire], line: Callable[[str], None] | None
) -> Iterator[None]:
    """Replace time, randomness, threads, Redis and HTTP by the simulation.

    `wire` returns the wire of the current process; log events go to `line`.
    """

    def logged(_: object, level: str, event: MutableMapping[str, Any]) -> str:
        fields = " ".join(f"{name}={value}" for name, value in event.items() if name != "event")
        if line is not None:
            line(f"{scheduler.current.process.name}: {event['event']} {fields}")
        raise structlog.DropEvent

    def seconds(*_: object) -> float:
        return (scheduler.now + scheduler.host_ahead) / 1e6

    def running(*_: object) -> float:
        return (scheduler.now - BEGIN) / 1e6 + 1000

    def connect(url: str, *, text: str = "decoded", patience: str = "long") -> Client:
        # Without `driver_info`, each client would read the version of redis-py from its package.
        client = Client(decode_responses=text == "decoded", protocol=2, driver_info=None)
        client.wire, client.decodes = wire(), text == "decoded"
        return client

    threads = SimpleNamespace(
        Event=lambda: _Event(scheduler),
        Thread=lambda target, name, daemon: _Thread(scheduler, target, name),
    )
    queues = SimpleNamespace(SimpleQueue=lambda: _Queue(scheduler), Empty=queue.Empty)
    replacements: list[tuple[Any, str, Any]] = [
        (time, "time", seconds),
        (time, "monotonic", running),
        (time, "clock_gettime", running),
        (time, "sleep", scheduler.wait),
        (secrets, "token_hex", lambda size: rng.randbytes(size).hex()),
        (worker.retry, "_CHANCE", rng),
        (worker.store.redis.witness, "_host", lambda: "host"),
        (socket, "gethostname", lambda: "host"),
        (os, "getpid", lambda: scheduler.current.process.name),
        (worker.store.redis.heartbeat, "threading", threads),
        (tasks.bell, "threading", threads),
        (tasks.pages, "threading", threads),
        (tasks.calls, "threading", threads),
        (tasks.calls, "queue", queues),
        (worker.runtime, "connect", connect),
        (worker.runtime, "provider_kinds", lambda: PROVIDERS),
        (worker.runtime, "target_kinds", lambda: TARGETS),
        (worker.http.client, "_agent", lambda: "simulated"),
        (worker.http.client, "_connect", lambda url, _unheard: Origin(wire(), url)),
    ]
    quiet = structlog.get_config()
    level = "critical" if line is None else "info"
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level), processors=[logged], cache_logger_on_first_use=False
    )
    gc.disable()  # a finalizer runs at a different moment each time, which would make histories differ
    with contextlib.ExitStack() as stack:
        for owner, name, replacement in replacements:
            stack.enter_context(patch.object(owner, name, replacement))
        try:
            yield
        finally:
            gc.enable()
            structlog.configure(**quiet)
