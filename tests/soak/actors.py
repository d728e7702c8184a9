"""The actors of a soak: the producer, the maker of orders, the users of the console, and the events of the plan."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import requests
from redis.exceptions import RedisError

from soak import bodies, plan
from soak.settings import HINTED, KEY, PASSWORD, PUSHED, SHOPS
from support.console_process import HttpVisitor
from worker.errors import IntakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.ground import Ground

HOUR = 3600.0
#: What users of the console and its API look at, in turn.
_PAGES = (
    "/",
    "/find",
    "/targets/crm",
    "/providers/shop1",
    "/api/v1/accounts",
    "/orders/shop1:1",
    "/api/v1/orders/shop1:1",
    "/report",
)
#: Jobs pushed in one tick.
_AT_ONCE = 500


class Producer:
    """Pushes orders as jobs and as hints, and again what has not reached its target."""

    def __init__(self, ground: Ground, seed: int, pushed: dict[str, int]) -> None:
        self.ground, self.seed = ground, seed
        #: How many jobs and hints were pushed.
        self.pushed = {PUSHED: 0, HINTED: 0} | pushed
        self.again = self.replayed = 0

    def push(self, made: dict[str, int]) -> None:
        """Push the new orders; what Redis does not accept is pushed the next time."""
        for name, write in ((PUSHED, bodies.job), (HINTED, bodies.hint)):
            until = min(made[name], self.pushed[name] + _AT_ONCE)
            if until > self.pushed[name]:
                with contextlib.suppress(RedisError):
                    jobs = [write(name, n) for n in range(self.pushed[name] + 1, until + 1)]
                    self.ground.runtime.redis.lpush("intake:inbox", *jobs)
                    self.pushed[name] = until

    def push_again(self, older: float) -> None:
        """Push orders again that have not reached their target, as the README asks producers to do.

        A record that could not be read is kept as a dead letter, and retried by a hint, as an operator would do.
        """
        missing = self.ground.ask("missing", older=older, most=_AT_ONCE)
        jobs = [bodies.job(PUSHED, n) for n in missing[PUSHED] if n <= self.pushed[PUSHED]]
        jobs += [bodies.hint(HINTED, n) for n in missing[HINTED] if n <= self.pushed[HINTED]]
        with contextlib.suppress(RedisError):
            for name in SHOPS:
                kept = {external_id for _, external_id in self.ground.runtime.cursors.letter_ids([name])}
                jobs += [
                    bodies.hint(self.ground.name_of(name), n) for n in missing[name] if self._is_to_retry(name, n, kept)
                ]
            if jobs:
                self.ground.runtime.redis.lpush("intake:inbox", *jobs)
                self.again += len(jobs)
            if any(lane.status()["dead_now"] for lane in self.ground.runtime.lanes.values()):
                # An order whose worker was killed five times is treated as the cause; an operator replays it.
                self.ground.intake("dead", "replay", "--reason", "poison", "--yes")
                self.replayed += 1

    def _is_to_retry(self, name: str, number: int, kept: set[str]) -> bool:
        return str(number) in kept and plan.fate(self.seed, name, number).what != "hostile"


class Errand:
    """A command that runs beside the soak; commands take seconds on a busy machine."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[bool] | None = None

    def run(self, command: Callable[[], bool]) -> bool:
        """Start the command unless it runs already; return whether it has ended, and well."""
        if self._running is None:
            self._running = self._pool.submit(command)
        if not self._running.done():
            return False
        ended, self._running = self._running, None
        return ended.result()


class Fates:
    """Lets the events of the plan happen as orders arrive."""

    def __init__(self, ground: Ground, events: list[plan.Event], seed: int, done: int) -> None:
        self.ground, self.events, self.done = ground, events, done
        self.rng = random.Random(f"{seed} victims")
        self.fired: Counter[str] = Counter()
        self._restores = 0
        self._errand = Errand()

    @property
    def finished(self) -> bool:
        """Whether every event has happened."""
        return self.done == len(self.events) and not self._restores

    def at(self, share: float) -> None:
        """Fire the events that are due at this share of delivered orders."""
        if self._restores:
            with contextlib.suppress(RedisError, IntakeError, OSError):
                if self.ground.restore():
                    self._restores -= 1
                    self.fired["backup restored"] += 1
        while self.done < len(self.events) and self.events[self.done].at <= share:
            with contextlib.suppress(RedisError, IntakeError, OSError):
                if self._fire(self.events[self.done].what):
                    self.done += 1
                    continue
            return  # it is not done yet, or Redis is away: again in the next tick

    def _fire(self, what: str) -> bool:
        if what == "restore":
            if self._restores:
                return False
            self.ground.back_up()
            self._restores += 1
            return True
        if what == "rename":
            if not self._errand.run(self.ground.rename):
                return False
        elif what.startswith("step"):
            self.ground.step_clock(HOUR if what == "step ahead" else -HOUR)
        else:
            self.ground.kill(what.removeprefix("kill "), self.rng.choice)
        self.fired[what] += 1
        return True


class Visitors:
    """Use the console and its API all the time: one page in each tick."""

    def __init__(self, ground: Ground) -> None:
        self.ground, self.visitor = ground, HttpVisitor("")
        self.answers: Counter[str] = Counter()
        self._next = 0
        self._errand = Errand()
        #: Whether a user, a token or the console itself is missing.
        self._closed = True

    def visit(self) -> None:
        """Request the next page."""
        web = self.ground.web
        self._closed |= web is not None and web.poll() is not None
        if self._closed:
            self._closed = not self._errand.run(self.ground.open_console)
            self.visitor = HttpVisitor(self.ground.web_url)  # without the cookies of a console that has ended
            return
        page, self._next = _PAGES[self._next % len(_PAGES)], self._next + 1
        with contextlib.suppress(requests.RequestException, AssertionError):
            is_api = page.startswith("/api/")
            headers = {"Authorization": f"Bearer {self.ground.token}"} if is_api else {}
            response = self.visitor.get(page, headers=headers)
            if response.status_code == requests.codes.unauthorized:
                self._closed = True
                return
            if response.url.partition("?")[0].endswith("/sign-in"):
                self._closed = self.visitor.sign_in(KEY, PASSWORD).status_code != requests.codes.see_other
                return
            self.answers[f"{'api' if is_api else 'page'} {response.status_code}"] += 1


class Maker:
    """Makes orders at a rate, unless too many are undelivered."""

    def __init__(self, ground: Ground, planned: dict[str, int], made: dict[str, int], seed: int) -> None:
        self.ground, self.planned, self.made = ground, planned, made
        self.rng = random.Random(f"{seed} orders")
        self._looked = time.monotonic()

    def make(self, arrived: int, rate: float, backlog: int) -> None:
        """Make the orders of this tick."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        made = sum(self.made.values())
        left = sum(self.planned.values()) - made
        room = min(backlog - (made - arrived), rate * passed, left)
        if room <= 0:
            return
        share = room / left
        for name, planned in self.planned.items():
            more = (planned - self.made[name]) * share
            self.made[name] += min(int(more) + (self.rng.random() < more % 1), planned - self.made[name])
        self.ground.make(self.made)


def state_of(producer: Producer, fates: Fates) -> dict[str, Any]:
    """Return what a soak that is resumed must know, beside what the journal has."""
    return {"pushed": producer.pushed, "events": fates.done, "fired": dict(fates.fired)}
