"""Send messages about alarms to a web hook, each until the hook accepts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import simplejson
import structlog

from worker.errors import IntakeError, Misdirected, Rejected, SnoozeError
from worker.http.client import Client
from worker.http.gates import Open

if TYPE_CHECKING:
    from worker.store.health.alarms import AlarmState

log = structlog.get_logger()

#: Seconds that one call may take.
DEADLINE: Final = 10.0
#: Seconds before the first retry of a hook that failed; each further retry waits twice as long.
RETRY_AFTER: Final = 5.0


def send_messages(alarms: AlarmState, url: str) -> None:
    """Send the messages in the outbox, the oldest first, until all are sent or the hook fails.

    A message that is refused for good (a redirect, a 4xx status except 401, 403, 408 and 429, or a 403 with a web page)
    is dropped, with a line in the log; after any other failure it stays in the outbox. `url` is a secret and appears in
    no log line.
    """
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    client = Client(f"{parts.scheme}://{parts.netloc}", gate=Open(), headers={}, deadline=DEADLINE)
    try:
        for message in alarms.outbox(lifetime=6 * DEADLINE):
            try:
                client.write("POST", f"{parts.path}{query}", json=simplejson.loads(message))
            # Misdirected: the hook is gone, or refuses with a web page. The messages behind this one matter.
            except (Rejected, Misdirected) as error:
                reason = _without_path(error, parts.path)
                log.error("alarm.refused", code=error.code, reason=reason, remedy="look at alarms.url")
            except IntakeError as error:
                requested = error.delay if isinstance(error, SnoozeError) else RETRY_AFTER
                attempt = alarms.defer(max(requested, RETRY_AFTER))
                log.warning("alarm.waiting", code=error.code, reason=_without_path(error, parts.path), attempt=attempt)
                return
    finally:
        client.close()


def _without_path(error: IntakeError, path: str) -> str:
    """Return what happened, without the path of the hook, which is its secret."""
    return str(error).replace(path, "…") if len(path) > 1 else str(error)
