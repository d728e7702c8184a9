"""A Celery request whose process may be killed at the time limit without any blame for the orders that it holds."""

from __future__ import annotations

import socket
from contextlib import suppress

from celery.worker.request import Request

from worker.errors import IntakeError
from worker.runtime import Runtime, read_settings
from worker.store.redis.connection import ERRORS


class TimedRequest(Request):
    """A request of a task that may be in a process with drains: its own, or those that wait in the background."""

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001  # Celery's signature
        """Excuse the drains of the process: called in its parent, right before it is killed."""
        # A runtime of its own: processes that are forked later must not share its connections.
        with suppress(IntakeError, *ERRORS), Runtime(read_settings(), patience="short") as rt:
            for lane in rt.lanes.values():
                lane.excuse_process(socket.gethostname(), str(self.worker_pid))
        super().on_timeout(soft, timeout)
