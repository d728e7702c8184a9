"""Send the messages of an outbox to its webhook or mailbox, each until it is accepted."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import structlog

from worker.errors import IntakeError, Misdirected, Rejected, SnoozeError
from worker.http.client import Client
from worker.http.gates import Open
from worker.store.health.outbox import KEEP, Outbox
from worker.watch.mail import DEADLINE as MAIL_DEADLINE
from worker.watch.mail import MailSender

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

    from worker.settings.load import Settings
    from worker.settings.receivers import Destination

log = structlog.get_logger()

#: Seconds that one call to a webhook may take.
DEADLINE: Final = 10.0
#: Seconds before the first retry of a destination that failed; each further retry waits twice as long.
RETRY_AFTER: Final = 5.0


class Sender(Protocol):
    """Sends messages to one destination."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; raise IntakeError if it was not accepted."""

    def close(self) -> None:
        """Close the connection."""


class HookSender:
    """Sends messages to a webhook. `url` is a secret and appears in no error."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path, self._query = parts.path, f"?{parts.query}" if parts.query else ""
        self._client = Client(f"{parts.scheme}://{parts.netloc}", gate=Open(), headers={}, deadline=DEADLINE)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; raise IntakeError, whose text does not contain the path, if it was not accepted.

        Rejected: a redirect, a 4xx status except 401, 403, 408 and 429, or a web page instead of an answer.
        """
        try:
            self._client.write("POST", f"{self._path}{self._query}", json=dict(message))
        except IntakeError as error:
            if len(self._path) > 1:
                error.args = (str(error).replace(self._path, "…"),)
            raise

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def sender_to(destination: Destination, settings: Settings) -> Sender:
    """Return what sends messages to this destination."""
    if destination.address is not None and settings.mail is not None:
        return MailSender(settings.mail, destination.address)
    url = settings.alarms.to[destination.receiver].url
    return HookSender(url.get_secret_value() if url else "")


def send_messages(redis: Redis, settings: Settings, destination: Destination) -> None:
    """Send the messages in the outbox, the oldest first, until all are sent or the destination fails.

    A message that is refused for good, or is older than a day, is dropped, with a line in the log; after any other
    failure it stays in the outbox.
    """
    outbox, to, sender = Outbox(redis, destination.key), destination.setting, sender_to(destination, settings)
    try:
        for text in outbox.messages(lifetime=2 * max(MAIL_DEADLINE, DEADLINE)):
            message = json.loads(text)
            if time.time() - datetime.fromisoformat(message["at"]).timestamp() > KEEP:
                log.error("alarm.dropped", to=to, remedy=f"intake alarms test {destination.receiver}")
                continue
            try:
                sender.send(message)
                outbox.note_success()
            # Misdirected: the hook is gone, or refuses with a web page. The messages behind this one matter.
            except (Rejected, Misdirected) as error:
                outbox.note_failure(error.code, str(error))
                log.error("alarm.refused", to=to, code=error.code, reason=str(error), remedy=f"check {to}")
            except IntakeError as error:
                requested = error.delay if isinstance(error, SnoozeError) else RETRY_AFTER
                attempt = outbox.defer(max(requested, RETRY_AFTER), error.code, str(error))
                log.warning("alarm.waiting", to=to, code=error.code, reason=str(error), attempt=attempt)
                return
    finally:
        sender.close()
