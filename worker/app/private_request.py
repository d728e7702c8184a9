"""A Celery request that never exposes its arguments."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request


class PrivateRequest(Request):
    """A request whose arguments appear neither in events, the log of the worker, Flower, nor `celery inspect`.

    The Celery client of a producer puts the repr of the arguments into the message: that would be a whole order.
    """

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._argsrepr, self._kwargsrepr = "(…)", "{}"

    def info(self, safe: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002  # Celery's signature
        """Return what `celery inspect` shows of the request."""
        return super().info(safe=True)
