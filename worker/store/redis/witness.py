"""The witness of a script's caller: its own clock, which tells a step of Redis' clock from time that has passed.

It also tells a ledger that went back to an earlier state from one that nobody used meanwhile.
"""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from worker.store.redis.heartbeat import uptime

if TYPE_CHECKING:
    from redis import Redis

CLOCK: Final = "intake:clock"


@cache
def _host() -> str:
    """Return a name of this host that changes when it is started again."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return socket.gethostname()


#: Scripts that have noted the time of the ledger once they return: it is the first thing they do, even in a full Redis.
NOTE_TIME: Final = frozenset({"now", "sign", "sweep", "claim", "settle", "beat"})
#: When the last of them was sent and returned, by the clock of this host.
_LAST: Final[WeakKeyDictionary[Redis, str]] = WeakKeyDictionary()


def host_time() -> int:
    """Return the microseconds since this host was started."""
    return int(uptime() * 1e6)


def own_clock() -> tuple[str, int]:
    """Return the name of this host, and its own clock in microseconds."""
    return _host(), host_time()


def witness(redis: Redis) -> str:
    """Return the last key of every script: this host, its own clock, which never steps, and what it knows to be noted.

    A ledger without a note from between the two times has forgotten it (see `ledger_time.lua`).
    """
    return f"{CLOCK}:{_host()}:{host_time()}:{_LAST.get(redis, ':')}"


def note_return(redis: Redis, script: str, sent: int) -> None:
    """Note that a script was sent at this time of the host, and has returned."""
    if script in NOTE_TIME:
        _LAST[redis] = f"{sent}:{host_time()}"
