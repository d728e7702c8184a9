"""Fetch: read single orders from a provider, because a producer pushed a hint: a job with only an order id."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import simplejson
import structlog

from tasks.accept import accept
from tasks.dead_records import kept_of
from tasks.late import run_in_background
from tasks.outcomes import pause_provider
from tasks.summary import NeedsPerson, Summary
from worker.app import app, nudge
from worker.errors import AuthFailed, IntakeError, OutOfTime, PermanentError, SnoozeError, StoreFull, Unavailable
from worker.http.task_time import is_over
from worker.inbox.record import isolated, to_order
from worker.process.stopping import stopping
from worker.runtime import Runtime, confirmed_runtime
from worker.store.letters import Letter
from worker.store.redis.receipts import Receipts
from worker.systems.steps import Steps, continued, current_place, note_place
from worker.telemetry import traces
from worker.telemetry.log import report_store_full

if TYPE_CHECKING:
    from worker.app import Nudge
    from worker.app.timed_request import Later
    from worker.store.feeds.fetches import Fetch
    from worker.systems.provider import Provider, Record

log = structlog.get_logger()

#: Hints claimed at once: few, because each fetch waits for the limit.
BATCH: Final = 5
#: How often an order that the provider does not have is fetched before its hint becomes a dead letter. With the waiting
#: in between, this takes about four hours.
GIVE_UP: Final = 30
#: How often an order fails by itself before it is a dead letter, while it is still tried: this takes half a minute.
SHOWN: Final = 5
#: Most seconds between two attempts.
LONGEST: Final = 600.0
#: Seconds until a search continues that was interrupted.
_SOON: Final = 0.1
#: Seconds until the next attempt at a provider that does not respond.
UNAVAILABLE: Final = 10.0


@app.task(name="tasks.fetch", Request="worker.app.timed_request:TimedRequest", throws=(NeedsPerson,))
def fetch_orders(name: str) -> Summary | Later:
    """Run `fetch` as a Celery task."""
    rt = confirmed_runtime()
    name = rt.settings.ledger_provider(name)
    rt.nudges.take("fetch", name)
    return run_in_background(("fetch", name), lambda: fetch(rt, name, nudge))


def fetch(rt: Runtime, name: str, nudge: Nudge) -> Summary:
    """Fetch the due orders of the provider `name`, until none is left or the time of one poll is over.

    A limit, or a failure of the provider or of Redis, ends the run early. A bad order does not. A search that was
    interrupted continues where it stopped. Return how many were fetched.
    """
    provider, summary = rt.providers[name], Summary(name)
    until = time.monotonic() + rt.settings.clocks.poll
    while not _is_stopped(rt, name) and (claimed := rt.fetches.claim(name, BATCH)):
        delay = 0.0
        for number, hint in enumerate(claimed):
            steps = Steps(hint.place)
            # What delays one hint would delay the others as well: they wait for the same time.
            if not delay and not stopping() and not (number and (time.monotonic() > until or is_over())):
                with Receipts(), continued(steps):
                    delay = _fetch_one(rt, provider, hint, nudge)
                if not delay:
                    summary.counts["fetched"] += 1
                    continue
            rt.fetches.settle(name, hint, "wait", delay, place=steps.place)
        if delay:
            summary.notes.append(f"continues in {max(1, round(delay))} s")
            break
        if time.monotonic() > until or stopping() or is_over():
            nudge("fetch", name)
            break
    return summary


def _is_stopped(rt: Runtime, name: str) -> bool:
    return "paused" in rt.cursors.status(name) or bool(rt.provider_maintenance_left(name))


def _fetch_one(rt: Runtime, provider: Provider, hint: Fetch, nudge: Nudge) -> float:
    """Fetch and accept one order, and settle its hint.

    If the provider or Redis failed rather than this order, return the seconds to wait: the caller settles the hint.
    """
    name, record = provider.name, None
    try:
        with traces.span(f"fetch {name}", provider=name, order=f"{name}:{hint.external_id}"):
            record = _fetch_record(provider, hint.external_id)
            note_place("")  # the search has ended: what fails from here on begins a new one
            if record is None:
                _missing(rt, name, hint)
                return 0.0
            order = to_order(provider, record)
            _, rejected = accept(rt, [order], f"hint {name}", nudge)
            if rejected:
                raise rejected[0][1]
        rt.cursors.drop_letters(name, [hint.external_id])
    except PermanentError as error:
        raw = kept_of(record) if record else {}
        if rt.cursors.bury(name, hint.external_id, raw, getattr(error, "field", ""), str(error)):
            log.error("record.malformed", provider=name, external_id=hint.external_id, reason=str(error))
    except OutOfTime as error:
        if current_place() != hint.place:
            return _SOON
        # All the time was not enough for one step.
        _fails_alone(rt, name, hint, error)
        return 0.0
    except IntakeError as error:
        return _wait_after(rt, provider, hint, error)
    rt.fetches.settle(name, hint, "done")
    return 0.0


def _wait_after(rt: Runtime, provider: Provider, hint: Fetch, error: IntakeError) -> float:
    """Return the seconds for which no order is fetched from the provider after this error."""
    name = provider.name
    match error:
        case StoreFull():
            report_store_full(error, provider=name)
            return UNAVAILABLE
        case SnoozeError() if not isinstance(error, AuthFailed):
            return max(error.delay, 0.1)
    log.warning("hint.failed", provider=name, external_id=hint.external_id, code=error.code, reason=str(error))
    if _works(provider):
        _fails_alone(rt, name, hint, error)
        return 0.0
    if isinstance(error, AuthFailed):
        pause_provider(rt, name, error)
        return error.delay
    rt.fetches.settle(name, hint, "wait", 2 * UNAVAILABLE)
    return UNAVAILABLE


def _works(provider: Provider) -> bool:
    """Return whether the account can be called: then the failure is that of one order, and the others do not wait."""
    try:
        provider.check()
    except IntakeError:
        return False
    return True


def _fails_alone(rt: Runtime, name: str, hint: Fetch, error: IntakeError) -> None:
    """Try this order again later. After `SHOWN` attempts it is a dead letter too, until one of `GIVE_UP` succeeds."""
    if hint.tries + 1 >= SHOWN:
        raw = error.text if isinstance(error, Unavailable) else ""
        rt.cursors.bury(name, hint.external_id, raw, "", f"it could not be fetched: {error}")
    if hint.tries + 1 < GIVE_UP:
        rt.fetches.settle(name, hint, "again", min(LONGEST, 2.0**hint.tries))
        return
    log.error("hint.buried", provider=name, external_id=hint.external_id, reason=f"asked {GIVE_UP} times: {error}")
    rt.fetches.settle(name, hint, "done")


def _fetch_record(provider: Provider, external_id: str) -> Record | None:
    """Return the record, or None if the provider does not have it.

    Raise Malformed for a bug of the adapter, because it would fail at every attempt.
    """
    with isolated(f"the {provider.kind} adapter"):
        return provider.fetch_one(external_id)


def _missing(rt: Runtime, name: str, hint: Fetch) -> None:
    """Try again later, because the provider may not show the order yet. After `GIVE_UP` attempts, bury the hint."""
    if hint.tries + 1 < GIVE_UP:
        rt.fetches.settle(name, hint, "again", min(LONGEST, 2.0**hint.tries))
        return
    job = simplejson.dumps({"v": 1, "provider": name, "external_id": hint.external_id}).encode()
    reason = f"{name} does not have it, asked {GIVE_UP} times"
    rt.inbox.add_letters([Letter("not_there", reason, job, len(job), name)])
    log.error("hint.buried", provider=name, external_id=hint.external_id, reason=reason)
    rt.fetches.settle(name, hint, "done")
