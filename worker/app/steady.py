"""The clock of beat: it starts with the host's clock and goes on without its steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from worker.store.redis.heartbeat import uptime

_STARTED: Final = (datetime.now(UTC), uptime())


def steady_now() -> datetime:
    """Return the time that the host's clock would show had it not stepped since this process started.

    Beat stores when each task ran last. By the host's clock, one that is set back an hour would stop it for an hour.
    """
    at, began = _STARTED
    return at + timedelta(seconds=uptime() - began)
