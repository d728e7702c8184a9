"""A Celery request of a sweep, which Flower shows only if it did something: there are 86,400 a day."""

from __future__ import annotations

from typing import Any

from worker.app.private_request import PrivateRequest

#: The `repr` of the result of a task that did nothing.
NOTHING = "None"


class QuietRequest(PrivateRequest):
    """A request that sends its events at its end, and none if its task returned None.

    The task has `send_events=False`, so that Celery sends none by itself.
    """

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  # Celery's signature
        """Send the event of the end, after those of the beginning."""
        eventer: Any = self._eventer  # type: ignore[attr-defined]  # unknown to its stubs
        if not eventer or type == "task-started" or fields.get("result") == NOTHING:
            return
        eventer.send("task-received", uuid=self.id, name=self.name, args="", kwargs="", retries=0, eta=None)
        eventer.send("task-started", uuid=self.id)
        eventer.send(type, uuid=self.id, **fields)
