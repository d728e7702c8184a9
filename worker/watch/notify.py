"""Telling somebody: the messages about alarms go to a web hook, each until it was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import simplejson
import structlog

from worker.errors import IntakeError, Rejected, SnoozeError
from worker.http.client import Client
from worker.http.gates import Open

if TYPE_CHECKING:
    from worker.store.health.alarms import AlarmState

log = structlog.get_logger()

#: Seconds that one call may take.
DEADLINE: Final = 10.0
#: Seconds until a hook that did not answer is called again, doubled each time.
AGAIN: Final = 5.0


def deliver_messages(alarmed: AlarmState, url: str) -> None:
    """Send what waits in the outbox, the oldest first, until all of it is sent or the hook does not take it.

    What the hook refuses for good (a 4xx status) is thrown away and said in the log; for all else it waits its turn.
    `url` is a secret: it is in no log line.
    """
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    client = Client(f"{parts.scheme}://{parts.netloc}", gate=Open(), headers={}, deadline=DEADLINE)
    try:
        for message in alarmed.outbox(life=6 * DEADLINE):
            try:
                client.write("POST", f"{parts.path}{query}", json=simplejson.loads(message))
            except Rejected as error:
                log.error(
                    "alarm.refused", code=error.code, reason=_said(error, parts.path), remedy="look at alarms.url"
                )
            except IntakeError as error:
                named = error.delay if isinstance(error, SnoozeError) else AGAIN
                attempt = alarmed.defer(max(named, AGAIN))
                log.warning("alarm.waiting", code=error.code, reason=_said(error, parts.path), attempt=attempt)
                return
    finally:
        client.close()


def _said(error: IntakeError, path: str) -> str:
    """What happened, without the path: a hook's path is its secret."""
    return str(error).replace(path, "…") if len(path) > 1 else str(error)
