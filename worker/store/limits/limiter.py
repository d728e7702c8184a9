"""The limiter: how fast we may call one system, over all processes."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Final

from worker.errors import RateLimited
from worker.store.redis import catalog, clock, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

    from worker.store.limits.limit import Limit

#: Calls are spaced this much wider than the limit requires: on the way to the other side two calls can come closer to
#: each other, and a strict server counts arrivals. A refusal makes the distance wider (see `close.lua`).
MARGIN: Final = 1.02
#: The part of an interval, and the most microseconds, by which a caller wakes up and is granted its departure early: it
#: waits for the rest, so that no delay of waking up or of Redis makes it late.
LEAD: Final = 0.1
LONGEST_LEAD: Final = 10_000
#: Up to this rate (calls per second) a server may count the time between two calls, as RetailCRM does, and not the
#: calls in a window. Above it a delay is made up for, with the calls that the margin leaves free in each window: a
#: delay is a large part of so short an interval.
EVEN: Final = 50
#: The part of these calls that is used for it; the rest is for calls that come closer to each other on their way.
MADE_UP: Final = 0.75
#: The most microseconds of a delay that are made up for.
LONGEST_DEBT: Final = 20_000
#: The part of an interval by which a request may be sent late without a report to the other processes.
PUNCTUAL: Final = 0.005
#: Seconds for which a caller itself waits for its slot; if the slot is later, it is told when to come back instead, and
#: holds no worker.
PATIENCE: Final = 2.0
#: Seconds for which the state of a limit is kept beyond its longest window.
_KEPT: Final = 2 * 86_400
_SPARE_ONLY: ContextVar[bool] = ContextVar("spare_slots_only", default=False)
#: The slot of the call of this thread, as `reserve.lua` returned it.
_SLOT: Final[ContextVar[int | str]] = ContextVar("slot", default=0)
_ON_SLOT: Final[ContextVar[Callable[[], object] | None]] = ContextVar("on_slot", default=None)


@contextmanager
def use_spare_slots() -> Iterator[None]:
    """Let calls of this thread take only slots that nobody else wants, and run no quota ahead of its spacing."""
    token = _SPARE_ONLY.set(True)
    try:
        yield
    finally:
        _SPARE_ONLY.reset(token)


@contextmanager
def on_slot(note: Callable[[], object]) -> Iterator[None]:
    """Call `note` as soon as a call of this thread has its slot."""
    token = _ON_SLOT.set(note)
    try:
        yield
    finally:
        _ON_SLOT.reset(token)


def note_slot() -> None:
    """Note that a call of this thread has its slot, or will get none now."""
    if (note := _ON_SLOT.get()) is not None:
        note()


def interval_us(limits: Sequence[Limit]) -> int:
    """Return the microseconds from one call to the next under the first window; 0 without a limit."""
    return math.ceil(limits[0].period / limits[0].count * MARGIN * 1e6) if limits else 0


def _debt_us(limits: Sequence[Limit]) -> int:
    """Return the microseconds of a delay that are made up for, when a call is granted and again when it is sent."""
    if not limits or limits[0].rate <= EVEN:
        return 0
    return int(min(limits[0].period * (MARGIN - 1) * MADE_UP * 1e6, LONGEST_DEBT) / 2)


class Scope:
    """One limit, shared by everybody who counts against it; a `worker.http.gates.Gate`.

    The first window is spaced evenly, with no burst: RetailCRM's limit is a leaky bucket that refuses two calls in the
    same 100 ms. Of a limit with a higher rate, a small delay is made up for. A longer window (a daily quota) may run
    ahead by half of its calls.
    """

    def __init__(
        self,
        redis: Redis,
        name: str,
        limits: Sequence[Limit],
        patience: float = PATIENCE,
        scripts: Scripts | None = None,
    ) -> None:
        self.name = name
        self._redis = redis
        self._scripts = scripts or Scripts(redis)
        self._key = keys.limit(name)
        self._patience = patience
        self.interval = interval_us(limits)
        self._lead = min(int(self.interval * LEAD), LONGEST_LEAD)
        self._debt = _debt_us(limits)
        self.per_minute = round(limits[0].count / limits[0].period * 60) if limits else None
        self._keep_ms = int((max((limit.period for limit in limits), default=0) + _KEPT) * 1000)
        #: The windows as the scripts take them: period_s, interval_us and ahead of each.
        self.windows: list[int] = [int(limits[0].period), self.interval, 0] if limits else []
        for limit in limits[1:]:
            ahead = limit.count // 2
            spacing = math.ceil(limit.period / (limit.count - ahead) * MARGIN * 1e6)
            self.windows += [int(limit.period), spacing, ahead]
        #: The same windows, none of which may run ahead.
        self._steady = list(self.windows)
        self._steady[2::3] = [0] * len(limits)

    def enter(self) -> None:
        """Wait for this call's slot; raise RateLimited if the slot is too far off."""
        if not self.windows:
            return
        wait = self._reserve_spare() if _SPARE_ONLY.get() else self._reserve(self._patience, self.windows)
        note_slot()
        if wait < 0:
            raise RateLimited(f"the limit {self.name} is used up", -wait / 1e6)
        time.sleep(max(0, wait - self._lead) / 1e6)

    def depart(self) -> Callable[[], None] | None:
        """Wait until the call may leave, a whole interval after the one before it, and count it.

        Return what to call when the request has been sent. Raise RateLimited if the wait is too long.
        """
        if not self.windows:
            return None
        windows = self._steady if _SPARE_ONLY.get() else self.windows
        while True:
            asked, (granted, wait, departed) = self._scripts.timed(
                catalog.DEPART,
                windows,
                scope=self._key,
                slot=_SLOT.get(),
                lead_us=self._lead,
                debt_us=self._debt,
                keep_ms=self._keep_ms,
            )
            if not granted and wait > self._patience * 1e6:
                raise RateLimited(f"the limit {self.name} was closed or used up meanwhile", wait / 1e6)
            time.sleep(wait / 1e6)
            if granted:
                return partial(self._report, asked + wait / 1e6, departed)

    def _report(self, due: float, departed: str) -> None:
        """Make the next call leave later if this one was not sent when it was `due` (`time.monotonic`)."""
        late = int((time.monotonic() - due) * 1e6)
        if late > max(self.interval * PUNCTUAL, self._debt):
            self._scripts(
                catalog.LATE,
                scope=self._key,
                departed_us=departed,
                late_us=late,
                debt_us=self._debt,
            )

    def _reserve(self, patience: float, windows: list[int]) -> int:
        """Reserve a slot; return the microseconds until it, or negative: until a new attempt is worthwhile."""
        granted, wait, slot = self._scripts(
            catalog.RESERVE, windows, scope=self._key, patience_us=int(patience * 1e6), keep_ms=self._keep_ms
        )
        _SLOT.set(slot)
        return int(wait) if granted else -max(1, int(wait))

    def _reserve_spare(self) -> int:
        """Like `_reserve`, but take only a slot that nobody else is waiting for."""
        until = time.monotonic() + self._patience
        while (wait := self._reserve(0.0, self._steady)) < 0 and time.monotonic() - wait / 1e6 < until:
            time.sleep(-wait / 1e6)
        return wait

    def closed_seconds(self) -> float:
        """Return the seconds for which the scope is still closed; 0 when it is open."""
        until = self._redis.hget(self._key, "closed_until")
        return max(0.0, float(until or 0) / 1e6 - clock.now(self._redis) / 1000)

    def close(self, delay: float | None) -> float:
        """Close the scope for every worker because the other side said so; return the seconds it is closed."""
        closed = self._scripts(
            catalog.CLOSE,
            scope=self._key,
            named_us=-1 if delay is None else int(delay * 1e6),
            interval_us=self.interval,
            keep_ms=self._keep_ms,
        )
        return float(closed) / 1e6
