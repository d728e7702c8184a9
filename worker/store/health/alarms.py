"""The raised alarms and the messages about them that are to be sent: one state for all processes."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from worker.errors import StoreFull
from worker.store.redis import catalog
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis import Redis

_ALARMS: Final = "intake:alarms"
_JUDGED: Final = "intake:alarms:judged"
_OUTBOX: Final = "intake:alarms:outbox"
_SENDER: Final = "intake:alarms:sender"
_FAILURES: Final = "intake:alarms:failures"
#: The longest lives (ms) of the keys that expire.
LIFETIMES_MS: Final = {_JUDGED: 60_000, _SENDER: 300_000}
#: Messages that are kept while nobody sends them.
_MOST: Final = 500


class AlarmState:
    """The raised alarms by `name subject`, and the outbox."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._scripts = redis, Scripts(redis)

    def take_turn(self, every: float) -> bool:
        """Return whether the caller is to judge now: one of all processes, once in `every` seconds."""
        return self._lock(_JUDGED, every)

    def _lock(self, key: str, seconds: float) -> bool:
        """Return whether the caller got the lock; if Redis takes no writes: two messages are better than none."""
        lifetime_ms = max(1, int(seconds * 1000))
        try:
            return bool(self._scripts(catalog.MARK, mark=key, value="1", lifetime_ms=lifetime_ms))
        except StoreFull:
            return True

    def read_raised(self) -> dict[str, dict[str, Any]]:
        """Return the raised alarms with their facts at that time."""
        alarms = cast("dict[str, str]", self._redis.hgetall(_ALARMS))
        return {key: json.loads(text) for key, text in alarms.items()}

    def change(
        self, action: Literal["raise", "clear"], alarms: Mapping[str, tuple[Mapping[str, Any], str]]
    ) -> list[str]:
        """Raise or clear alarms, given by key as facts and a message, in one pipeline; return the keys that changed.

        The message of a changed alarm, unless it is empty, is in the outbox then.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            for key, (facts, message) in alarms.items():
                self._scripts.enqueue(
                    pipe,
                    catalog.ALARM,
                    alarms=_ALARMS,
                    outbox=_OUTBOX,
                    action=action,
                    alarm=key,
                    facts=json.dumps({**facts, "by": secrets.token_hex(4)}),
                    message=message,
                    most=_MOST,
                )
            return [key for key, changed in zip(alarms, self._scripts.execute(pipe), strict=True) if changed]

    def has_messages(self) -> bool:
        """Return whether a message waits to be sent, and no process is sending or deferring it."""
        return bool(self._redis.llen(_OUTBOX)) and not self._redis.exists(_SENDER)

    def outbox(self, lifetime: float) -> Iterator[str]:
        """Yield the waiting messages, the oldest first, to one sender at a time, for `lifetime` seconds each.

        A message is removed when the next one is requested: a message that was not sent completely is sent again.
        """
        while self._redis.llen(_OUTBOX) and self._lock(_SENDER, lifetime):
            message = cast("str | None", self._redis.lindex(_OUTBOX, -1))
            if message is not None:
                yield message
                self._redis.lrem(_OUTBOX, -1, message)
            self._redis.delete(_SENDER, _FAILURES)

    def defer(self, wait: float) -> int:
        """Send nothing for `wait` seconds, doubled with each failure in a row (at most 5 min); return the failures."""
        failures = int(self._redis.incr(_FAILURES))
        self._redis.set(_SENDER, 1, px=int(min(300.0, wait * 2 ** min(failures - 1, 10)) * 1000))
        return failures
