"""Refusals of requests that prove nothing: whoever sends many waits for each, and fills no log."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import structlog

log = structlog.get_logger()

#: Refusals in one second that are answered at once, and have a line of the log each.
FREE: Final = 10
#: Seconds that a sender waits for each further one.
DELAY: Final = 3.0


class Refusals:
    """The refusals of one receiver."""

    def __init__(self) -> None:
        self._since, self._count, self._unlogged = 0.0, 0, 0

    def note(self, **facts: Any) -> float:
        """Log a refusal, alone or counted; return the seconds until it may be answered."""
        now = time.monotonic()
        if now - self._since >= 1:
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= FREE:
            log.info("hook.answered", **facts)
            return 0.0
        if not self._unlogged:
            asyncio.get_running_loop().call_later(1, self._log_rest)
        self._unlogged += 1
        return DELAY

    def _log_rest(self) -> None:
        log.warning("hook.refused", count=self._unlogged)
        self._unlogged = 0
