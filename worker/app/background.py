"""Run tasks that leave their process to other tasks while they only wait.

A process of the pool runs one task at a time. Without this, a few accounts that do not respond would hold all processes
for as long as a call may take, and so would a few lanes that wait for their limits.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from worker.http.waiting import Waiting, watch_waiting
from worker.process.stopping import stop_here

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds of one call after which its task continues in the background.
PATIENCE: Final = 0.3
#: The same, for a task of an account that made the last one wait longer.
IMPATIENCE: Final = 0.02
#: The part of the time for which an idle process uses a processor at most, and the most tasks in the background beside
#: which another one is begun only because the process is idle: each has a thread, which takes some MB.
IDLE: Final = 0.5
MOST_IDLE: Final = 32
#: Tasks that a process has in hand at most, with those in the background. When all wait, its next task waits as well.
MOST: Final = 100

log = structlog.get_logger()
R = TypeVar("R")
#: A task and the name of its account.
Job = tuple[str, str]


class Background:
    """The tasks of one process: each runs in a thread, which may outlast the Celery task."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="task")
        self._running: dict[Future[Any], Job] = {}
        #: The tasks whose last run waited longer than `PATIENCE` for one call.
        self._slow: set[Job] = set()

    def run(
        self, job: Job, work: Callable[[], R], *, alone: bool = True, others_wait: Callable[[], bool] = lambda: False
    ) -> Future[R] | None:
        """Run `work`; return its future once it has ended or continues in the background. Raise its error.

        It continues there while it waits for another system, and while it leaves the process idle although
        `others_wait`. An error that it raises in the background is logged. With `alone`, nothing is run, and None
        returned, while the same job of this process is in the background.
        """
        if alone and job in list(self._running.values()):
            return None
        waiting, patience = Waiting(), IMPATIENCE if job in self._slow else PATIENCE
        # In the context of the Celery task: its calls end when that says (see `worker/http/task_time.py`).
        future = self._threads.submit(copy_context().run, self._work, job, work, waiting)
        processor = _Processor()
        while not wait([future], timeout=patience).done:
            if waiting.seconds() > patience or (self._has_room(processor) and others_wait()):
                self._running[future] = job
                future.add_done_callback(self._end)
                return future
        future.result()
        return future

    def _has_room(self, processor: _Processor) -> bool:
        return processor.was_idle() and len(self._running) < MOST_IDLE

    def finish(self, seconds: float) -> None:
        """Let the tasks in the background end after their current call, and wait for them for `seconds` at most."""
        stop_here()
        wait(list(self._running), timeout=seconds)

    def _work(self, job: Job, work: Callable[[], R], waiting: Waiting) -> R:
        try:
            with watch_waiting(waiting):
                return work()
        finally:
            (self._slow.add if waiting.longest > PATIENCE else self._slow.discard)(job)

    def _end(self, future: Future[Any]) -> None:
        task, name = self._running.pop(future)
        if error := future.exception():
            log.error("task.failed", task=task, name=name, exc_info=error)


class _Processor:
    """The processor time of this process."""

    def __init__(self) -> None:
        self._at, self._used = time.monotonic(), time.process_time()

    def was_idle(self) -> bool:
        """Return whether the process was idle since the last question, or from the beginning."""
        at, used = self._at, self._used
        self._at, self._used = time.monotonic(), time.process_time()
        return self._used - used < IDLE * (self._at - at)


@cache
def background_tasks() -> Background:
    """Return the background of this process. The first call is made inside a task, so no fork shares its threads."""
    return Background()
