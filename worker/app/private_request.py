"""A Celery request whose arguments are nobody's business."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request


class PrivateRequest(Request):
    """Neither events, nor the worker's log, nor Flower, nor `celery inspect` show what such a task was given.

    A producer's Celery client puts the repr of the arguments into the message; with us that would be a whole order.
    """

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._argsrepr, self._kwargsrepr = "(…)", "{}"

    def info(self, safe: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002  # Celery's signature
        """What `celery inspect` tells of it."""
        return super().info(safe=True)
