"""Celery's own log lines about its connection to Redis, in the words of `worker/store/redis/states.py`."""

from __future__ import annotations

import logging
from typing import Final

from worker.store.redis.diagnosis import state_of

#: The loggers of Celery and Flower that report a connection which fails, with the error among the arguments.
_LOGGERS: Final = ("celery.worker.consumer.consumer", "celery.beat", "flower.events", "flower.views.broker")


class _Reworded(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_words(arg) for arg in record.args)
        return True


def _words(argument: object) -> object:
    # Their sentences go on after it, with a full stop or a comma of their own.
    return str(state_of(argument)).removesuffix(".") if isinstance(argument, Exception) else argument


def reword() -> None:
    """Let these lines name the state of Redis and its remedy. Only for Redis as the broker."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Reworded) for known in logger.filters):
            logger.addFilter(_Reworded())
