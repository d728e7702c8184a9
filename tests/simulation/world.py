"""A running installation: its Redis, its APIs, and its processes, which restart when they die."""

from __future__ import annotations

import contextlib
import hashlib
import random
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import redis.exceptions

import tasks.deliver
import tasks.doubt
import tasks.fetch
import tasks.listen
import tasks.poll
import tasks.sweep
from simulation.adapters import DepotOptions
from simulation.apis import DepotApi, ShopApi
from simulation.checks import Checks
from simulation.faults import Faults
from simulation.journal import Journal
from simulation.network import Network, Wire
from simulation.scheduler import BEGIN, Process, Scheduler
from simulation.server import Server
from simulation.settings import DENSE, House, Pace, house
from worker.app import _QUEUE_OF
from worker.errors import StoreFull
from worker.runtime import Runtime
from worker.store.health.nudges import QUEUES
from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Callable

#: Errors that a task may raise while Redis is unreachable or full.
AWAY: Final = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, redis.exceptions.OutOfMemoryError)
_QUEUES: Final = [name.encode() for name in QUEUES]


class World:
    """Everything in one history; `line` is called with each event as text."""

    def __init__(self, seed: int, line: Callable[[str], None] | None = None, pace: Pace = DENSE) -> None:
        self.seed, self._line, self.pace = seed, line, pace
        self.rng = self.stream("world")
        self.house: House = house(self.stream("house"), pace)
        self.scheduler = Scheduler(self.stream("order"))
        self.server = Server(lambda: self.scheduler.now + self.scheduler.redis_ahead, self.stream("redis"))
        self.server.keys.pushed = self._pushed
        self.faults = Faults(self.stream("faults"), self.tell, self.die, pace.odds)
        #: The settings of processes that start now; the names of the first ones are those of the ledger.
        self.settings = settings = self.house.settings
        self.journal = Journal(self.now)
        given = self.faults, self.journal
        self.shops = {name: ShopApi(name, account.limits, *given) for name, account in settings.providers.items()}
        self.depots = {
            name: DepotApi(DepotOptions.model_validate(account.options), name, account.limits, *given)
            for name, account in settings.targets.items()
        }
        self.checks = Checks(self)
        for name, depot in self.depots.items():
            depot.objection = partial(self.checks.object_to, name)
        self.network = Network(
            self.scheduler, self.server, self.faults, self.stream("network"), {**self.shops, **self.depots}, self._done
        )
        self.network.slowest = self.rng.choice([0.001, 0.001, 0.02])
        #: A digest of all commands and replies of Redis: equal digests mean equal histories.
        self.digest = hashlib.blake2b(digest_size=8)
        self.commands = self.polls = 0
        self.processes: list[Process] = []
        self._numbers = count(1)
        #: Until when processes are unable to work through no fault of their own: promises about time start here.
        self.disturbed = 0

    def stream(self, name: str) -> random.Random:
        """Return a separate random source, so that a change in one place does not affect the others."""
        return random.Random(f"{self.seed} {name}")

    def now(self) -> int:
        """Return the time in Unix microseconds."""
        return self.scheduler.now

    def tell(self, text: str) -> None:
        """Write a line into the history."""
        if self._line is not None:
            self._line(f"{(self.now() - BEGIN) / 1e6:12.6f}  {text}")

    def _done(self, name: str, words: tuple[bytes, ...], reply: Any) -> None:
        self.commands += 1
        self.polls += name == "advance"
        self.digest.update(f"{self.now()} {self.scheduler.current.process.name} {name} {reply}".encode())
        if name in {"accept", "advance", "settle"}:
            self.checks.done(name, words, reply)

    def _pushed(self, key: bytes) -> None:
        self.scheduler.call(_QUEUES[0] if key in _QUEUES[:-1] else key)

    # Processes

    def start(self) -> None:
        """Start every process, usually with a ledger that had no predecessor."""
        if self.rng.random() < 0.8:
            long_ago = b"%d" % (self.now() // 1000 - 3_600_000)
            self.server.run(b"SET", keys.EPOCH.encode(), long_ago)
        *others, upkeep = _QUEUES
        for number in range(self.house.pool):
            self.run(f"worker-{number}", lambda: self._worker(others))
        self.run("upkeep", lambda: self._worker([upkeep]))
        for number in range(self.house.listeners):
            self.run(f"listen-{number}", self._listen)
        self.run("beat", self._beat)

    def run(self, name: str, work: Callable[[], None]) -> None:
        """Start a process that `die` restarts some seconds after its death."""
        process = Process(f"{name}.{next(self._numbers)}")
        process.again = lambda: self.run(name, work)
        self.processes.append(process)
        self.scheduler.spawn(process, "main", work)

    def die(self, process: Process) -> None:
        """Kill a process and restart it later."""
        self.checks.died(process)
        self.processes.remove(process)
        self.scheduler.kill(process)
        self.scheduler.later(self.faults.rng.uniform(0.5, 5), process.again)
        if process.name.startswith(("beat", "upkeep")):
            self.disturbed = self.now() + 5_000_000

    def wire(self) -> Wire:
        """Return the wire of the current process."""
        return Wire(self.network, self.scheduler.current.process)

    def send(self, task: str, name: str) -> None:
        """Send a Celery message; a full Redis refuses it."""
        if self.server.full:
            return
        queue = _QUEUE_OF.get(task, "intake.upkeep")
        self.server.run(b"LPUSH", queue.encode(), f"{task} {name}".encode())

    def _taken(self, queues: list[bytes]) -> tuple[str, str] | None:
        """Take the next Celery message, or return None; a process that dies later has lost the message."""
        filled = None if self.network.away else [key for key in queues if self.server.keys.get(key)]
        if not filled:
            return None
        message = self.server.run(b"RPOP", self.rng.choice(filled))
        assert isinstance(message, bytes)
        task, _, name = message.decode().partition(" ")
        return task, name

    def _worker(self, queues: list[bytes]) -> None:
        with_idle = self.settings.clocks.drain if self.house.room else 0.0
        rt = Runtime(self.settings)

        def nudge(task: str, name: str, wanted: int = 1) -> None:
            # Like `worker.app.nudge`, without Celery.
            try:
                offered = rt.nudges.offer(task, name)
            except StoreFull:
                return
            for _ in range(wanted if offered else 0):
                self.send(task, name)

        handlers: dict[str, Callable[[str], object]] = {
            "poll": lambda name: tasks.poll.poll(rt, name, nudge),
            "fetch": lambda name: tasks.fetch.fetch(rt, name, nudge),
            "deliver": lambda name: tasks.deliver.deliver(rt, name, nudge, idle=with_idle),
            "doubt": lambda name: tasks.doubt.settle_doubts(rt, name),
            "sweep": lambda _: self._sweep(rt, nudge),
        }
        while True:
            self.scheduler.wait(0.002)
            message = self._taken(queues)
            if message is None:
                self.scheduler.wait(1.0, key=queues[0])
                continue
            task, name = message
            try:
                rt.installation.confirm()
                if task != "sweep":
                    name = rt.settings.ledger_provider(rt.settings.ledger_target(name))
                    rt.nudges.take(task, name)
                handlers[task](name)
            except StoreFull:
                self.tell(f"{task} {name}: Redis is full")
            except AWAY as error:
                # Celery logs the error and continues.
                self.tell(f"{task} {name}: {type(error).__name__}")

    def _sweep(self, rt: Runtime, nudge: Callable[[str, str, int], None]) -> None:
        rt.nudges.drop_waiting("intake.upkeep")
        tasks.sweep.sweep(rt, nudge)
        self.checks.swept()

    def _listen(self) -> None:
        rt = Runtime(self.settings)

        def nudge(task: str, name: str, wanted: int = 1) -> None:
            if rt.nudges.offer(task, name):
                self.send(task, name)

        def keep_running() -> bool:
            with contextlib.suppress(StoreFull, *AWAY):
                rt.installation.confirm()
            return True

        tasks.listen.listen(rt, nudge, keep_running)

    def _beat(self) -> None:
        settings = self.settings
        due = {f"poll {name}": self.now() for name in settings.providers} | {"sweep ": self.now()}
        every = {f"poll {name}": account.poll_every for name, account in settings.providers.items()}
        every["sweep "] = settings.clocks.sweep
        while True:
            for message in [key for key, at in due.items() if at <= self.now()]:
                if not self.network.away:
                    self.send(*message.split(" "))
                due[message] = self.now() + int(every[message] * 1e6)
            self.scheduler.wait((min(due.values()) - self.now()) / 1e6)
