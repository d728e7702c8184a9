"""The connections of one process to Redis and to the APIs: each transfer takes time and may have a fault."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004  # redis-py's own names

from simulation.scheduler import Killed
from worker.http.call import CALL
from worker.http.connection import Connections

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from simulation.apis import Api
    from simulation.faults import Faults
    from simulation.kept import Reply
    from simulation.scheduler import Process, Scheduler
    from simulation.server import Server
    from support.raw_answer import RawAnswer


@dataclass
class Network:
    """The network that the processes of one history share."""

    scheduler: Scheduler
    server: Server
    faults: Faults
    rng: random.Random
    #: The APIs by host name.
    apis: dict[str, Api]
    #: Called after every command: its name, its words, its reply.
    done: Callable[[str, tuple[bytes, ...], Any], None]
    #: Empties Redis.
    lose: Callable[[], None] = lambda: None
    #: Called at each point at which a fault is possible.
    passed: Callable[[str], None] = lambda _: None
    #: How Redis is unreachable: "refused", "silent", or "" while it is reachable.
    away: str = ""
    #: The longest latency of Redis, in seconds.
    slowest: float = 0.001

    def suffer(self, point: str, process: Process) -> str:
        """Apply a fault at this point and return it: the caller itself applies "lost" and "refused"."""
        self.passed(point)
        fault = self.faults.at(point, process)
        if fault == "flush":
            self.lose()
        if fault == "kill":
            self.faults.kill(process, point)
            raise Killed
        if fault == "stop":
            process.stopped = self.scheduler.now + int(self.faults.rng.uniform(1, 40) * 1e6)
            self.faults.tell(f"{process.name} is stopped for {(process.stopped - self.scheduler.now) / 1e6:.1f} s")
            self.scheduler.wait(0)
        return fault


@dataclass
class Wire:
    """The connection of one process to Redis."""

    network: Network
    process: Process
    #: When a limit let this process call, by actor.
    departed: dict[Any, int] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        """Wait, as the client does between two attempts."""
        self.network.scheduler.wait(seconds)

    def command(self, words: tuple[bytes, ...], name: str) -> Any:
        """Send one command and wait for its reply."""
        net = self.network
        net.scheduler.wait(net.rng.uniform(0.0001, net.slowest))
        self._reach()
        net.suffer(f"redis:{name}:before", self.process)
        reply = self._blocking(words, name) if name in {"BLPOP", "BLMOVE"} else net.server.run(*words)
        if name == "depart":
            self.departed[net.scheduler.current] = net.scheduler.now
        net.done(name, words, reply)
        if net.suffer(f"redis:{name}:after", self.process) == "lost":
            raise ConnectionError("lost")
        return reply

    def _reach(self) -> None:
        if self.network.away == "silent":
            self.sleep(2.0)
            raise TimeoutError("silent")
        if self.network.away:
            raise ConnectionError("refused")

    def _blocking(self, words: tuple[bytes, ...], name: str) -> Any:
        """Wait for an item in a list."""
        server, scheduler = self.network.server, self.network.scheduler
        until = scheduler.now + int(float(words[-1]) * 1e6)
        while True:
            if name == "BLPOP":
                item = server.run(b"LPOP", words[1])
                reply: Reply = None if item is None else [words[1], item]
            else:
                reply = server.run(b"LMOVE", *words[1:-1])
            if reply is not None or scheduler.now >= until:
                return reply
            scheduler.wait((until - scheduler.now) / 1e6, key=words[1])
            self._reach()


class Origin:
    """Replaces `worker.http.connection.Connections`: the connection to one API."""

    ERRORS = Connections.ERRORS
    content_of = staticmethod(Connections.content_of)
    refusal_of: Any = Connections.refusal_of

    def __init__(self, wire: Wire, url: str) -> None:
        self.wire, self.url = wire, url

    def exchange(self, method: str, path: str, body: bytes | None, _headers: Mapping[str, str]) -> RawAnswer:
        """Send a request and wait for its response until the deadline of the call."""
        net, process = self.wire.network, self.wire.process
        call = CALL.get()
        api = net.apis[self.url.removeprefix("http://")]
        net.scheduler.wait(net.rng.uniform(0.001, 0.02))
        kind = "read" if method == "GET" else "write"
        if net.suffer(f"http:{kind}:before", process) == "refused" or api.refuses():
            raise ConnectionRefusedError
        call.depart()
        call.begin()
        # No fault between here and the first byte: the cost of a stop in between is a documented limit.
        api.leaves(late=process.stopped > self.wire.departed.get(net.scheduler.current, 0))
        answers: list[RawAnswer | None] = []

        def arrive() -> None:
            answer, delay = api.arrive(method, path, body)
            net.scheduler.later(delay, lambda: back(answer))

        def back(answer: RawAnswer | None) -> None:
            answers.append(answer)
            net.scheduler.call(id_)

        id_ = object()
        net.scheduler.later(net.rng.uniform(0.005, 0.02), arrive)
        call.end_sending()
        net.suffer(f"http:{kind}:sent", process)
        if not answers:
            net.scheduler.wait(call.left(), key=id_)
        if not answers:
            raise TimeoutError("timed out")
        net.suffer(f"http:{kind}:after", process)
        call.left()
        if answers[0] is None:
            raise ConnectionResetError
        return answers[0]

    def close(self) -> None:
        return
