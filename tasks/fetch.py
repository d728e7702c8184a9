"""Fetch: read single orders of a provider that somebody gave a hint of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import simplejson
import structlog

from tasks.accept import accept, adapter_bug, normalize
from tasks.outcomes import pause_provider
from worker.app import app, nudge
from worker.errors import AuthFailed, IntakeError, PermanentError, SnoozeError, StoreFull
from worker.process.stopping import stopping
from worker.runtime import Runtime, runtime
from worker.store.inbox import Letter
from worker.store.redis.connection import ERRORS
from worker.telemetry import traces
from worker.telemetry.log import report_store_full

if TYPE_CHECKING:
    from worker.app import Nudge
    from worker.store.feeds.fetches import Fetch
    from worker.systems.provider import Provider, Record

log = structlog.get_logger()

#: Orders claimed at once: few, because each waits for the limit.
BATCH: Final = 5
#: Times a provider may not have an order before the hint is given up: with the waiting in between, about four hours.
GIVE_UP: Final = 30
#: Seconds between two tries, at most.
LONGEST: Final = 600.0
#: Seconds until a provider that does not answer is asked again.
UNAVAILABLE: Final = 10.0


@app.task(name="tasks.fetch")
def fetch_orders(name: str) -> None:
    """Celery's door to `fetch`."""
    rt = runtime()
    rt.nudges.take("fetch", name)
    fetch(rt, name, nudge)


def fetch(rt: Runtime, name: str, nudge: Nudge) -> None:
    """Fetch what is due of the provider `name`, until nothing is, its limit is reached, or the time is up."""
    provider = rt.providers[name]
    until = time.monotonic() + rt.settings.clocks.poll
    while not _rests(rt, name) and (claimed := rt.fetches.claim(name, BATCH)):
        delay = 0.0
        for one in claimed:
            # What stops one stops all that would follow it.
            if not delay and not stopping():
                delay = _fetch_one(rt, provider, one, nudge)
                if not delay:
                    continue
            rt.fetches.settle(name, one, "wait", delay)
        if delay:
            return
        if time.monotonic() > until or stopping():
            nudge("fetch", name)
            return


def _rests(rt: Runtime, name: str) -> bool:
    return "paused" in rt.cursors.status(name) or bool(rt.provider_maintenance_left(name))


def _fetch_one(rt: Runtime, provider: Provider, one: Fetch, nudge: Nudge) -> float:
    """Fetch one order; answers the seconds to wait if it was not this order's fault, and then nothing was settled."""
    name, record = provider.name, None
    try:
        with traces.span(f"fetch {name}", provider=name, order=f"{name}:{one.external_id}"):
            record = _read(provider, one.external_id)
            if record is None:
                _missing(rt, name, one)
                return 0.0
            order = normalize(provider, record)
            _, refused = accept(rt, [order], f"hint {name}", nudge)
            if refused:
                raise refused[0][1]
        rt.cursors.drop_letters(name, [one.external_id])
    except PermanentError as error:
        rt.cursors.bury(name, one.external_id, record.raw if record else {}, getattr(error, "field", ""), str(error))
        log.error("record.malformed", provider=name, external_id=one.external_id, reason=str(error))
    except IntakeError as error:
        return _wait_after(rt, name, one, error)
    rt.fetches.settle(name, one, "done")
    return 0.0


def _wait_after(rt: Runtime, name: str, one: Fetch, error: IntakeError) -> float:
    """Return the seconds for which nothing is fetched from the provider after this error."""
    match error:
        case AuthFailed():
            pause_provider(rt, name, error)
            return error.delay
        case SnoozeError():
            return max(error.delay, 0.1)
        case StoreFull():
            report_store_full(error, provider=name)
            return UNAVAILABLE
    log.warning("hint.failed", provider=name, external_id=one.external_id, code=error.code, reason=str(error))
    # Behind the others: if only this order cannot be fetched, it must not be the first again.
    rt.fetches.settle(name, one, "wait", 2 * UNAVAILABLE)
    return UNAVAILABLE


def _read(provider: Provider, external_id: str) -> Record | None:
    """The record; raises Malformed for a mistake of the adapter, which would be made again at each try."""
    try:
        return provider.fetch_one(external_id)
    except IntakeError:
        raise
    except ERRORS:
        raise
    except Exception as error:  # noqa: BLE001  # one order that an adapter stumbles over must not stop the others
        raise adapter_bug(provider, error) from None


def _missing(rt: Runtime, name: str, one: Fetch) -> None:
    """The provider may not show it yet."""
    if one.tries + 1 < GIVE_UP:
        rt.fetches.settle(name, one, "again", min(LONGEST, 2.0**one.tries))
        return
    job = simplejson.dumps({"v": 1, "provider": name, "external_id": one.external_id}).encode()
    reason = f"{name} does not have it, asked {GIVE_UP} times"
    rt.inbox.add_letters([Letter("not_there", reason, job, len(job), name)])
    log.error("hint.buried", provider=name, external_id=one.external_id, reason=reason)
    rt.fetches.settle(name, one, "done")
