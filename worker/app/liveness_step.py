"""A step of the Celery worker that shows that its loop turns."""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps

from worker.process.liveness_file import LivenessFile, liveness_folder
from worker.runtime import process_settings, redis_url
from worker.store.health.signs import UPKEEP, WORKER, Signs
from worker.store.redis.connection import connect

#: Seconds from one sign of life to the next.
EVERY: Final = 3.0


class LivenessStep(bootsteps.StartStopStep):
    """A timer in the loop of a worker's consumer, so that a hanging loop shows no sign of life.

    Celery starts this step when the broker is connected, and stops it when the connection is lost. Until the next start
    the worker waits for Redis: its loop does not turn, and the worker still counts as well.
    """

    requires = ("celery.worker.consumer:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        settings = process_settings()
        self._name, self._role = str(consumer.hostname), role_of(consumer.app)
        self._alive = LivenessFile(liveness_folder(settings.data_dir), self._role)
        self._alive.wait()
        # Short patience, because the loop calls this.
        self._signs = Signs(connect(redis_url(settings), patience="short"))
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Start the timer, because the broker is connected."""
        self._turn()
        self._timer = consumer.timer.call_repeatedly(EVERY, self._turn)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002  # Celery's signature
        """Stop the timer, because the connection is lost or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._alive.wait()

    def _turn(self) -> None:
        self._alive.tick()
        self._signs.give(f"{self._role} {self._name}", process_settings().fingerprint)


def role_of(app: Any) -> str:
    """Return what a worker does: its queues decide, because anybody may choose its name."""
    return UPKEEP if set(app.amqp.queues.consume_from) == {"intake.upkeep"} else WORKER
