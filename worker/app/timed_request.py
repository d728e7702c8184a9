"""A Celery request of a task that may continue in the background, and whose process may be killed at the time limit."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from celery.worker.request import Request

from worker.errors import IntakeError
from worker.runtime import Runtime, process_settings
from worker.store.redis.connection import ERRORS


class Later:
    """The result of a task that continues in the background, and sends the event of its end from there."""

    def __repr__(self) -> str:
        """Return the text by which the worker recognizes it."""
        return "continues in the background"


class TimedRequest(Request):
    """A request of a task that may be in a process with drains: its own, or those that wait in the background.

    A process that is killed at the time limit must not count against the orders that it holds.
    """

    def __init__(self, message: Any, eventer: Any = None, **options: Any) -> None:
        super().__init__(message, eventer=eventer, **options)
        # Nobody receives events of tasks until Flower, or `celery events`, has asked for them.
        groups = eventer.groups if eventer else ()
        sends_events = bool(eventer and eventer.enabled and (not groups or "task" in groups))
        self.request_dict["sends_events"] = sends_events

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  # Celery's signature
        """Send an event of the task, which has not ended while it continues in the background."""
        if type == "task-succeeded" and fields.get("result") == repr(Later()):
            return
        # Whoever began to listen after the task had begun does not know which task it is.
        super().send_event(type, **{"name": self.name, "args": self.argsrepr, **fields})

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001  # Celery's signature
        """Excuse the drains of the process: called in its parent, right before it is killed."""
        # A runtime of its own: processes that are forked later must not share its connections.
        with suppress(IntakeError, *ERRORS), Runtime(process_settings(), patience="short") as rt:
            for lane in rt.lanes.values():
                lane.excuse_process(socket.gethostname(), str(self.worker_pid))
        super().on_timeout(soft, timeout)
