"""The faults of a whole installation: its Redis, its clocks, its systems, its processes and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.renaming import change_template, rename

if TYPE_CHECKING:
    import random

    from simulation.world import World

#: The points right after a script that others build upon: there a replica takes over that has not got its writes.
_WRITES: Final = tuple(f"redis:{name}:after" for name in ("accept", "claim", "settle", "bury", "leave_out", "intend"))
#: Seconds for which work may stand still after a failover or a step of a clock: a lease, and the next sweeps.
STANDSTILL: Final = 15.0
#: Seconds until a killed process works again, and its successor has read the settings.
_RESTART: Final = 6.0


class Calamities:
    """Lets one of `simulation.faults.GREAT` happen at a time."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        #: What the replica of Redis has, and what the ledger knew then, while the replica is late.
        self._replica: Any = None
        #: After how many writes of scripts the late replica takes over.
        self._until_failover = 0
        world.network.lose, world.network.passed = self.lose_redis, self._passed

    def befall(self, kind: str) -> None:
        """Let this happen."""
        self._world.faults.count(kind)
        {
            "flush": self.lose_redis,
            "away": self._take_redis_away,
            "full": self._fill_redis,
            "maintenance": self._begin_maintenance,
            "kill all": lambda: self._kill("every worker is killed", "worker", "upkeep"),
            "kill beat": lambda: self._kill("beat is killed", "beat"),
            "two beats": self._start_second_beat,
            "failover": self._begin_failover,
            "clock of redis": lambda: self._step_clock("redis_ahead"),
            "clock of hosts": lambda: self._step_clock("host_ahead"),
            "other settings": self._change_settings,
        }[kind]()

    def _disturb(self, seconds: float) -> None:
        self._world.disturbed = max(self._world.disturbed, self._world.now() + int(seconds * 1e6))

    def lose_redis(self) -> None:
        """Empty Redis."""
        self._world.tell("Redis is emptied")
        self._world.faults.losses += 1
        self._world.server.run(b"FLUSHALL")
        self._disturb(0)
        self._replica = None
        self._forget_sent()
        self._world.checks.ledger_lost()

    def _forget_sent(self) -> None:
        """Forget what was sent, because Redis does."""
        for shop in self._world.shops.values():
            shop.forget()
        for depot in self._world.depots.values():
            depot.ledger_lost()

    def _take_redis_away(self) -> None:
        self._world.network.away = self._rng.choice(["refused", "silent"])
        seconds = self._rng.uniform(1, 40)
        self._world.tell(f"Redis is away for {seconds:.1f} s ({self._world.network.away})")
        self._disturb(seconds + 10)
        self._world.scheduler.later(seconds, self._bring_redis_back)

    def _bring_redis_back(self) -> None:
        self._world.network.away = ""
        self._world.tell("Redis is back")

    def _fill_redis(self) -> None:
        self._world.server.full = True
        seconds = self._rng.uniform(1, 40)
        self._world.tell(f"Redis is full for {seconds:.1f} s")
        self._disturb(seconds + 10)
        self._world.scheduler.later(seconds, lambda: setattr(self._world.server, "full", False))

    def _begin_maintenance(self) -> None:
        api = self._world.network.apis[self._rng.choice(sorted(self._world.network.apis))]
        seconds = self._rng.uniform(5, 200)
        api.down_until, api.refusing = self._world.now() + int(seconds * 1e6), self._rng.random() < 0.3
        self._world.tell(f"{api.name} is down for {seconds:.1f} s")

    def _kill(self, what: str, *names: str) -> None:
        self._world.tell(what)
        self._disturb(_RESTART)
        for process in [process for process in self._world.processes if process.name.startswith(names)]:
            self._world.die(process)

    def _start_second_beat(self) -> None:
        if sum(process.name.startswith("beat") for process in self._world.processes) < 2:
            self._world.tell("a second beat is started")
            self._world.run("beat", self._world._beat)

    def _begin_failover(self) -> None:
        """Let the replica of Redis get nothing from now on, and take over soon."""
        self._replica = self._world.server.keys.copy(), self._world.checks.known()
        self._until_failover = self._rng.randrange(1, 40)
        self._world.scheduler.later(3.0, self._fail_over)

    def _passed(self, point: str) -> None:
        if self._replica is not None and point in _WRITES:
            self._until_failover -= 1
            if not self._until_failover:
                self._fail_over()

    def _fail_over(self) -> None:
        """Let the late replica take over; some clients notice that as an outage."""
        if self._replica is None:
            return
        (copy, known), self._replica = self._replica, None
        self._world.tell("the late replica of Redis takes over")
        self._world.server.fail_over(copy, self._rng.randbytes(20).hex().encode())
        self._world.checks.ledger_forgot(known)
        self._forget_sent()
        seconds = self._rng.choice([0.0, 0.0, self._rng.uniform(0.1, 10)])
        self._disturb(seconds + STANDSTILL)
        if seconds:
            self._world.network.away = self._world.network.away or "refused"
            self._world.scheduler.later(seconds, self._bring_redis_back)

    def _step_clock(self, clock: str) -> None:
        seconds = self._rng.choice([-1, 1]) * self._rng.choice([3.0, 60.0, 3600.0]) * self._rng.uniform(0.5, 1.0)
        self._world.tell(f"a clock steps by {seconds:.1f} s: {clock}")
        setattr(self._world.scheduler, clock, getattr(self._world.scheduler, clock) + int(seconds * 1e6))
        self._disturb(STANDSTILL)

    def _change_settings(self) -> None:
        """Rename an account, or change a reference template, and start every process again."""
        change = self._rng.choice([rename, change_template])
        self._world.settings, what = change(self._world.settings, self._rng)
        self._kill(f"the settings change: {what}; every process is started again", "")
