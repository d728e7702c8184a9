"""What lets Celery's own loop show that it turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from celery import bootsteps

from worker.process.liveness_file import LivenessFile
from worker.runtime import read_settings, redis_url
from worker.store.health.signs import UPKEEP, WORKER, Signs
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds from one sign of life to the next.
EVERY: Final = 3.0


def liveness_folder(data_dir: Path) -> Path:
    """Where the signs of life of this host are."""
    return data_dir / "alive"


class LivenessStep(bootsteps.StartStopStep):
    """A timer in the loop of a worker's consumer: a loop that hangs gives no sign.

    Celery starts this step when the broker is connected, and stops it when the connection is lost. In between the
    worker waits for Redis, its loop does not turn, and that is not to be blamed on it.
    """

    requires = ("celery.worker.consumer:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        settings = read_settings()
        self._name = str(consumer.hostname)
        # By what it takes, not by its name: that anybody may choose.
        self._role = UPKEEP if set(consumer.app.amqp.queues.consume_from) == {"intake.upkeep"} else WORKER
        self._alive = LivenessFile(liveness_folder(settings.data_dir), self._role)
        self._alive.wait()
        # Short patience: this is called in the loop.
        self._signs = Signs(connect(redis_url(settings), patience="short"))
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """The broker is connected."""
        self._turn()
        self._timer = consumer.timer.call_repeatedly(EVERY, self._turn)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002  # Celery's signature
        """The connection is lost, or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._alive.wait()

    def _turn(self) -> None:
        self._alive.tick()
        self._signs.give(f"{self._role} {self._name}")
