"""Which alarms are raised, and the messages about them that are to be sent: one state for all processes."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from redis.exceptions import ResponseError

from worker.store.redis.connection import as_store_full
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis import Redis

_ALARMS: Final = "intake:alarms"
_JUDGED: Final = "intake:alarms:judged"
_OUTBOX: Final = "intake:alarms:outbox"
_SENDER: Final = "intake:alarms:sender"
_FAILURES: Final = "intake:alarms:failures"
#: Messages that are kept while nobody takes them.
_MOST: Final = 500


class AlarmState:
    """The raised alarms by `name subject`, and the outbox."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._scripts = redis, Scripts(redis)

    def take_turn(self, every: float) -> bool:
        """Whether it is the caller's turn to judge: one of all processes, once in `every` seconds."""
        return self._alone(_JUDGED, every)

    def _alone(self, key: str, seconds: float) -> bool:
        """Whether nobody else has it; a Redis that is full cannot say, and then it is better told twice than never."""
        try:
            return bool(self._redis.set(key, 1, nx=True, px=max(1, int(seconds * 1000))))
        except ResponseError as error:
            if as_store_full(error):
                return True
            raise

    def read_raised(self) -> dict[str, dict[str, Any]]:
        """What is raised, with what was said of it then."""
        found = cast("dict[str, str]", self._redis.hgetall(_ALARMS))
        return {key: json.loads(text) for key, text in found.items()}

    def change(self, do: Literal["raise", "clear"], key: str, known: Mapping[str, Any], message: str) -> bool:
        """Raise it, or clear it; whether it was this call that did. `message` is put into the outbox, unless empty."""
        text = json.dumps({**known, "by": secrets.token_hex(4)})
        return bool(self._scripts("alarm", [_ALARMS, _OUTBOX], [do, key, text, message, _MOST]))

    def has_messages(self) -> bool:
        """Whether a message waits to be sent, and nobody sends it or has put it off."""
        return bool(self._redis.llen(_OUTBOX)) and not self._redis.exists(_SENDER)

    def outbox(self, life: float) -> Iterator[str]:
        """The messages that wait, the oldest first, to one sender at a time, for `life` seconds.

        A message is struck off when the next one is asked for: what was not sent whole is sent again.
        """
        while self._redis.llen(_OUTBOX) and self._alone(_SENDER, life):
            message = cast("str | None", self._redis.lindex(_OUTBOX, -1))
            if message is not None:
                yield message
                self._redis.lrem(_OUTBOX, -1, message)
            self._redis.delete(_SENDER, _FAILURES)

    def defer(self, wait: float) -> int:
        """Send nothing for `wait` seconds, doubled with each failure in a row, up to five minutes; which it was."""
        failures = int(self._redis.incr(_FAILURES))
        self._redis.set(_SENDER, 1, px=int(min(300.0, wait * 2 ** min(failures - 1, 10)) * 1000))
        return failures
