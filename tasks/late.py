"""The result of a task that may continue in the background, after its Celery task has ended (see `background.py`)."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery import current_task
from kombu.exceptions import OperationalError

from tasks.summary import Summary
from worker.app import app
from worker.app.background import background_tasks
from worker.app.timed_request import Later
from worker.runtime import runtime
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from worker.app.background import Job


def run_in_background(job: Job, work: Callable[[], Summary], *, alone: bool = True) -> Summary | Later:
    """Run `work`, and return its summary; raise NeedsPerson if something waits for a person.

    While it waits, return that it continues in the background: its summary follows as an event.
    """
    started = time.monotonic()
    _, name = job
    future = background_tasks().run(job, work, alone=alone, others_wait=lambda: _others_wait(job))
    if future is None:
        return Summary(name, notes=["runs in the background already"])
    if future.done():
        return future.result().conclude()
    request: Any = current_task.request if current_task else None
    if not getattr(request, "sends_events", False):
        return Summary(name, notes=["continues in the background"])
    task_id, hostname = request.id, request.hostname
    future.add_done_callback(lambda ended: _announce(task_id, hostname, ended, time.monotonic() - started))
    return Later()


def _others_wait(job: Job) -> bool:
    with suppress(*ERRORS):
        return runtime().others_wait(*job)
    return False


def _announce(task_id: str, hostname: str, ended: Future[Summary], runtime: float) -> None:
    """Send the event with which the Celery task would have ended; one that cannot be sent is missing in Flower."""
    event, fields = "task-succeeded", {"result": "", "runtime": runtime}
    if error := ended.exception():
        event, fields = "task-failed", {"exception": type(error).__name__, "traceback": ""}
    elif ended.result().remedy:
        event, fields = "task-failed", {"exception": repr(ended.result()), "traceback": ""}
    else:
        fields["result"] = repr(ended.result())
    with suppress(OperationalError, *ERRORS), app.events.default_dispatcher(hostname=hostname) as dispatcher:
        dispatcher.send(event, uuid=task_id, **fields)
