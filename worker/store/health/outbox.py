"""The messages that wait to be sent to one destination, and why the last one could not be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from worker.errors import StoreFull
from worker.store.redis import catalog, clock
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redis import Redis

#: The list of the messages for a destination (`alarm.lua` pushes them).
OUTBOX: Final = "intake:alarms:outbox:"
_SENDER: Final = "intake:alarms:sender:"
#: The hash of what failed, by destination.
FAILING: Final = "intake:alarms:failing"
#: Seconds for which a message may be retried; an outbox that nobody empties is gone after that.
KEEP: Final = 86_400.0
#: The longest wait between two attempts, in seconds.
_LONGEST: Final = 300.0
_SENDER_MS: Final = 300_000


def lifetimes_ms(destinations: Iterable[str]) -> dict[str, int]:
    """Return the longest lives of the keys that expire."""
    return {_SENDER + destination: _SENDER_MS for destination in destinations}


def with_messages(redis: Redis, destinations: Iterable[str]) -> set[str]:
    """Return the destinations that have a message which no process is sending or deferring; one round trip."""
    names = list(destinations)
    if not names:
        return set()
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(OUTBOX + name)
            pipe.exists(_SENDER + name)
        answers = cast("list[int]", pipe.execute())
    pairs = zip(answers[::2], answers[1::2], strict=True)
    return {name for name, (waiting, taken) in zip(names, pairs, strict=True) if waiting and not taken}


class Outbox:
    """The outbox of one destination."""

    def __init__(self, redis: Redis, destination: str) -> None:
        self._redis, self._scripts, self._destination = redis, Scripts(redis), destination
        self._list, self._sender = OUTBOX + destination, _SENDER + destination

    def messages(self, lifetime: float) -> Iterator[str]:
        """Yield the waiting messages, the oldest first, to one sender at a time, for `lifetime` seconds each.

        A message is removed when the next one is requested: a message that was not sent completely is sent again.
        """
        while self._redis.llen(self._list) and self._lock(lifetime):
            message = cast("str | None", self._redis.lindex(self._list, -1))
            if message is not None:
                yield message
                self._redis.lrem(self._list, -1, message)
            self._redis.delete(self._sender)

    def _lock(self, seconds: float) -> bool:
        try:
            return bool(
                self._scripts(catalog.MARK, mark=self._sender, value="1", lifetime_ms=max(1, int(seconds * 1000)))
            )
        except StoreFull:  # two messages are better than none
            return True

    def defer(self, wait: float, code: str, reason: str) -> int:
        """Send nothing for `wait` seconds, doubled with each failure in a row; return the failures."""
        failures = self.note_failure(code, reason)
        delay = max(wait, min(_LONGEST, wait * 2 ** min(failures - 1, 10)))
        self._redis.set(self._sender, 1, px=min(_SENDER_MS, int(delay * 1000)))
        return failures

    def note_failure(self, code: str, reason: str) -> int:
        """Note why a message could not be sent; return how many attempts in a row failed."""
        text = cast("str | None", self._redis.hget(FAILING, self._destination))
        known: dict[str, Any] = json.loads(text) if text else {"since": clock.now(self._redis) / 1000, "failures": 0}
        known |= {"code": code, "reason": reason, "failures": known["failures"] + 1}
        self._redis.hset(FAILING, self._destination, json.dumps(known))
        return int(known["failures"])

    def note_success(self) -> None:
        """Note that the destination accepted a message."""
        self._redis.hdel(FAILING, self._destination)
