"""Sending: what a drain has in hand, from the claim over calls that are made at once to the outcomes to be settled."""

from __future__ import annotations

import math
import time
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import structlog

from tasks.attempt import attempt, attempt_many, clear_absent, to_ask_together
from tasks.calls import Calls
from tasks.decisions import decide_again
from tasks.intentions import intend
from tasks.settling import settle
from tasks.target_index import target_index
from worker.errors import AuthFailed, LeaseLost
from worker.http.call import measure_calls
from worker.http.task_time import is_over
from worker.process.stopping import stopping
from worker.store.limits.limiter import use_spare_slots
from worker.store.orders.drains import BREAKER, Claim, Outcome
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.bell import Bell
    from tasks.calls import Ended
    from worker.runtime import Runtime
    from worker.store.orders.drains import Drain
    from worker.store.orders.lanes import Lane
    from worker.systems.target import Target

log = structlog.get_logger()

#: Most orders to claim at once, unless one call of the target takes more.
BATCH = 50
#: Seconds after which claims are checked again before they are sent: an order may have been cancelled meanwhile.
CHECK_AFTER = 0.25
#: Seconds after which a drain releases what it has not sent: the calls take longer than when it claimed.
RELEASE_AFTER = 2.0
#: Seconds for which outcomes are collected before they are settled together.
SETTLE_WITHIN = 0.25
#: Seconds from a claim that returned nothing to the next one, after a call has ended; and without that.
_SOON: Final = 0.05
_LATER: Final = 1.0
_SUCCESSES: Final = frozenset(
    {"delivered", "existed", "updated", "cancelled", "cancelled_alone", "withdrawn", "pending"}
)


class _Job(NamedTuple):
    """A call: it creates, updates or finds these orders; or it `asks` which of them the target lacks."""

    claims: list[Claim]
    asks: bool = False


class _Made(NamedTuple):
    """What came of a call: outcomes, None where the target refused it as a whole, or the claims that it asked for."""

    outcomes: list[Outcome] | None
    claims: list[Claim]
    #: Seconds of each HTTP call, and of everything.
    calls: list[float]
    seconds: float


class Sending:
    """The orders of one drain: those that wait, those whose calls are under way, and those to be settled."""

    def __init__(self, rt: Runtime, lane: Lane, drain: Drain, bell: Bell) -> None:
        self._rt, self._lane, self._drain, self._bell = rt, lane, drain, bell
        self._interval = lane.scope.interval / 1e6
        self._calls: Calls[_Job, _Made] = Calls(self._make)
        #: Fresh orders before bulk work; `_claimed` is when each was claimed.
        self._waiting: list[Claim] = []
        self._claimed: dict[str, float] = {}
        #: Orders that one call is to ask for, and the keys of those that a refused call for many held.
        self._questions: list[list[Claim]] = []
        self._alone: set[str] = set()
        self._bulk_calls = 0
        self._settled: list[tuple[Claim, Outcome]] = []
        #: When the oldest of these outcomes came, and when the orders that wait were checked.
        self._settled_at = self._checked = 0.0
        #: When the last claim was made, whether it returned orders, whether a call has ended since, and when the next
        #: one is worthwhile.
        self._claim_at = self._claim_from = 0.0
        self._found = self._progress = True
        #: Whether no call may begin until those under way have ended, and why.
        self._stopped, self._closed, self._refused = False, False, ""
        #: Calls in a row that failed.
        self._failures = 0
        self._error: Exception | None = None
        #: How many orders were settled with each event, and why the target refused the credentials.
        self.counts: Counter[str] = Counter()
        self.refusal = ""
        self._arrived = False
        bell.on_ring = self._note_arrival

    def _note_arrival(self) -> None:
        """Claim at once: an order has arrived. Called in the thread of the bell."""
        if not self._waiting:
            self._arrived = True
            self._calls.interrupt()

    @property
    def is_busy(self) -> bool:
        """Whether calls are under way."""
        return self._calls.under_way > 0

    def check(self) -> None:
        """Raise LeaseLost unless a write may be sent now: the guard of every call."""
        if self._closed:
            raise LeaseLost(f"the drain {self._drain.name} has ended")
        self._drain.check()

    def advance(self, until: float) -> bool:
        """Claim, begin calls, and settle what has ended. Return False if nothing is in hand, and nothing to be claimed.

        No call begins after `until`. Raise LeaseLost, and the error of a call once the others are settled.
        """
        if self._stopped:
            self._end_calls()
        elif not self._claim():
            return False
        self._begin(until)
        if self._calls.under_way:
            if not self._waiting and self._lane.pace.is_far:
                self._bell.listen()
            self._take(SETTLE_WITHIN)
        return True

    def finish(self) -> None:
        """Begin no call any more: release what waits, and settle what is under way."""
        self._stopped = True
        while self._stopped:
            self._end_calls()

    def _end_calls(self) -> None:
        """Release what waits; wait for a call, or settle if none is under way any more."""
        self._release([*self._waiting, *(claim for claims in self._questions for claim in claims)])
        if self._calls.under_way:
            self._take(SETTLE_WITHIN)
            return
        self._settle()
        if self._error is not None:
            raise self._error
        self._stopped = False

    # Claims

    def _claim(self) -> bool:
        """Claim what can be sent within about a second; return False if nothing is in hand, and nothing to be had."""
        now = time.monotonic()
        busy = bool(self._waiting or self._questions or self._calls.under_way)
        if busy and not self._may_claim(now):
            return True
        arrived, self._arrived = self._arrived, False
        target = self._rt.targets[self._lane.target]
        width = max(1, min(self._lane.pace.width(self._interval) if target.settles else 1, self._lane.concurrency))
        most = self._most(target, width, busy=busy)
        if not most:
            return True
        if self._rt.target_maintenance_left(self._lane.target):
            self._note_claim(now, found=False)
            return busy
        if not arrived:
            self._settle()
        # The calls of a target that has become faster are fewer from now on, whatever was granted before.
        needed = min(self._calls.width, self._calls.under_way + self._count_waiting(target))
        needed = max(self._calls.under_way, min(needed, width))
        claims = self._drain.claim(most, width=width, needed=needed)
        self._calls.width = min(self._drain.width, width)
        self._note_claim(now, found=bool(claims))
        self._add(target, claims, now)
        return busy or bool(claims)

    def _may_claim(self, now: float) -> bool:
        """Return whether orders in hand allow for a claim: while no call of the target ends, nobody needs more."""
        if self._arrived:
            return True
        if self._progress:
            return now >= self._claim_from
        return self._calls.room > 0 and (self._found or now > self._claim_at + _LATER)

    def _note_claim(self, now: float, *, found: bool) -> None:
        self._claim_at, self._found, self._progress = now, found, False
        self._claim_from = 0.0 if found else now + max(_SOON, min(self._drain.closed, _LATER))

    def _most(self, target: Target, width: int, *, busy: bool) -> int:
        """Return how many orders to claim: what fills the free calls, and what is sent in about a second after them."""
        if not target.settles:
            # A dead worker's claims count as possibly sent, and the target cannot settle that.
            return 0 if busy else 1
        stock = int(self._lane.pace.stock(self._interval, width))
        waiting = self._count_waiting(target)
        room = max(0, width - self._calls.under_way) + stock - waiting
        if busy and (room < 1 or (waiting > stock / 2 and waiting >= self._calls.room)):
            return 0
        return max(target.bulk, min(room * target.bulk, BATCH))

    def _count_waiting(self, target: Target) -> int:
        """Return how many calls the orders that wait need."""
        return math.ceil(len(self._waiting) / target.bulk) + len(self._questions)

    def _add(self, target: Target, claims: list[Claim], now: float) -> None:
        if not self._waiting:
            self._checked = now
        claims = decide_again(self._rt, self._lane.target, claims)
        self._claimed |= {claim.key: now for claim in claims}
        if unsure := to_ask_together(target, claims):
            self._questions.append(unsure)
            claims = [claim for claim in claims if claim not in unsure]
        self._wait(claims)

    def _wait(self, claims: list[Claim]) -> None:
        self._waiting += claims
        self._waiting.sort(key=lambda claim: claim.bulk)

    # Calls

    def _begin(self, until: float) -> None:
        """Begin as many calls as may be made at once; release what has waited too long for one."""
        while not self._stopped and self._calls.room and (self._waiting or self._questions):
            now = time.monotonic()
            if now > until or stopping() or is_over():
                return
            if now - self._checked > CHECK_AFTER:
                self._waiting, self._checked = self._drain.note_left_out(self._waiting), now
            job = self._next()
            if job is None:
                break
            if not job.asks:
                intend(self._rt, self._lane.target, self._drain, job.claims)
            self._start(job)
            self._take(0.0)
        late = time.monotonic() - RELEASE_AFTER
        if self._lane.concurrency > 1:
            self._release([claim for claim in self._waiting if self._claimed[claim.key] < late])

    def _next(self) -> _Job | None:
        """Return the next call: up to `bulk` orders that are certainly new go together, every other order alone."""
        if self._questions:
            return _Job(self._questions.pop(0), asks=True)
        first = self._waiting[0]
        # One call remains for a fresh order.
        if first.bulk and self._bulk_calls >= max(1, self._calls.width - 1):
            return None
        bulk = self._rt.targets[self._lane.target].bulk
        if bulk == 1 or self._goes_alone(first):
            return _Job([first])
        together = (claim for claim in self._waiting if claim.bulk == first.bulk and not self._goes_alone(claim))
        return _Job([claim for claim, _ in zip(together, range(bulk), strict=False)])

    def _start(self, job: _Job) -> None:
        keys = {claim.key for claim in job.claims}
        if len(keys) == 1 and self._waiting and self._waiting[0] is job.claims[0]:
            del self._waiting[0]
        else:
            self._waiting = [claim for claim in self._waiting if claim.key not in keys]
        self._bulk_calls += job.claims[0].bulk
        if not self._calls.begin(job, keys):
            raise LeaseLost(f"the drain {self._drain.name} was given an order that it is sending")

    def _goes_alone(self, claim: Claim) -> bool:
        """Return whether the order is not certain to be created, or was in a call that was refused as a whole."""
        return bool(
            claim.uncertain
            or claim.step
            or claim.is_update
            or claim.left_out
            or claim.unrouted
            or claim.hold
            or claim.blocker
            or claim.key in self._alone
        )

    def _make(self, job: _Job) -> _Made:
        """Make a call: in a thread of its own, if there are several."""
        began = time.monotonic()
        outcomes, claims = None, job.claims
        target = self._rt.targets[self._lane.target]
        with measure_calls() as calls, use_spare_slots() if claims[0].bulk else nullcontext():
            if job.asks:
                claims = clear_absent(target, claims, self._drain.note_left_out)
            elif len(claims) > 1:
                outcomes = _send_many(target, claims)
            else:
                outcomes = [self._send(target, claims[0])]
        return _Made(outcomes, claims, calls, time.monotonic() - began)

    def _send(self, target: Target, claim: Claim) -> Outcome:
        with traces.attempt(claim, target=target.name, attempt=claim.tries + 1) as span:
            outcome = attempt(
                target,
                claim,
                lambda: target_index(self._rt, self._lane.target),
                lambda sent: self._drain.note_left_out([sent])[0],
            )
            span.note(outcome=outcome.kind)
            span.fail(_failure(outcome))
            return outcome

    # Outcomes

    def _take(self, timeout: float) -> None:
        """Take the calls that have ended, and wait up to `timeout` seconds for one; settle what has waited."""
        for ended in self._calls.take(timeout):
            self._progress = True
            self._bulk_calls -= ended.job.claims[0].bulk
            self._note(ended)
        if self._settled and time.monotonic() - self._settled_at > SETTLE_WITHIN:
            self._settle()

    def _note(self, ended: Ended[_Job, _Made]) -> None:
        job, made = ended.job, ended.result
        if made is None:
            self._error = self._error or _exception(ended.error)
            self._stopped = True
            return
        self._lane.pace.note(made.calls, made.seconds)
        if made.outcomes is None:
            if not job.asks:
                self._alone |= ended.keys
            self._waiting = made.claims + self._waiting
            return
        self._put_aside(zip(job.claims, made.outcomes, strict=True))
        for outcome in made.outcomes:
            if outcome.kind != "retry_uncounted":  # as the ledger counts them
                self._failures = self._failures + 1 if outcome.kind == "retry" else 0
            # A limit, maintenance or wrong credentials stop every order of the lane, not only this one. What an
            # unavailable target would be sent next is left to another host: it may be this one that does not reach it.
            self._stopped = self._stopped or outcome.kind == "snooze" or self._failures >= BREAKER
            if outcome.code == AuthFailed.code:
                self._refused = outcome.detail

    def _release(self, claims: list[Claim]) -> None:
        keys = {claim.key for claim in claims}
        self._put_aside((claim, Outcome("release")) for claim in claims)
        self._waiting = [claim for claim in self._waiting if claim.key not in keys]
        self._questions = [asked for asked in self._questions if asked[0].key not in keys]

    def _put_aside(self, outcomes: Iterable[tuple[Claim, Outcome]]) -> None:
        """Keep outcomes to be settled with others."""
        if not self._settled:
            self._settled_at = time.monotonic()
        self._settled += outcomes

    def _settle(self) -> None:
        """Write the outcomes to the ledger. Raise LeaseLost if it refuses any of them."""
        settled, self._settled = self._settled, []
        if settled:
            self._alone -= {claim.key for claim, _ in settled}
            for claim, _ in settled:
                self._claimed.pop(claim.key, None)
            self.counts += settle(self._lane.target, self._drain, settled)
        if self._refused:
            reason, self._refused = self._refused, ""
            self.refusal = reason
            name = self._lane.target
            self._lane.pause(reason)
            log.error("lane.paused", lane=name, reason=reason, remedy=f"fix the cause, then: intake resume {name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the calls under way: after an error nothing more is written, neither by them nor to the ledger."""
        self._closed = True
        self._calls.__exit__(*error)


def _send_many(target: Target, claims: Sequence[Claim]) -> list[Outcome] | None:
    """Create the orders in one call. Return None if the target refused the call as a whole."""
    with traces.batch(claims, target=target.name) as span:
        outcomes = attempt_many(target, claims)
        if outcomes is None:
            span.fail("refused")
        for claim, outcome in zip(claims, outcomes or (), strict=False):
            span.note_order(claim, _failure(outcome), target=target.name, attempt=claim.tries + 1, outcome=outcome.kind)
        return outcomes


def _failure(outcome: Outcome) -> str:
    """Return the code of a failed attempt, or "" if the attempt succeeded."""
    return "" if outcome.kind in _SUCCESSES else outcome.code


def _exception(error: BaseException | None) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError("a call ended without a result")
