"""The raised alarms, and which receivers know of them: one state for all processes."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from worker.errors import StoreFull
from worker.store.health.outbox import KEEP, OUTBOX
from worker.store.redis import catalog
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from redis import Redis

_ALARMS: Final = "intake:alarms"
_JUDGED: Final = "intake:alarms:judged"
#: The hash of what a receiver was sent: by alarm, and the day of the last digest under `DIGEST`.
_SENT: Final = "intake:alarms:sent:"
DIGEST: Final = "digest"
#: The longest life (ms) of the key that expires.
JUDGED_MS: Final = {_JUDGED: 60_000}
#: Messages that each outbox keeps.
_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A message for the destinations of one receiver, and what it changes of what the receiver was sent."""

    receiver: str
    field: str
    #: The values of the field before and after; "": it is not there.
    before: str
    after: str
    message: str
    destinations: Sequence[str]


class AlarmState:
    """The raised alarms by `name subject`, and what each receiver was sent."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._scripts = redis, Scripts(redis)

    def take_turn(self, every: float) -> bool:
        """Return whether the caller is to judge now: one of all processes, once in `every` seconds.

        If Redis takes no writes, everyone is: two messages are better than none.
        """
        lifetime_ms = max(1, int(every * 1000))
        try:
            return bool(self._scripts(catalog.MARK, mark=_JUDGED, value="1", lifetime_ms=lifetime_ms))
        except StoreFull:
            return True

    def read_raised(self) -> dict[str, dict[str, Any]]:
        """Return the raised alarms with their facts at that time."""
        alarms = cast("dict[str, str]", self._redis.hgetall(_ALARMS))
        return {key: json.loads(text) for key, text in alarms.items()}

    def change(self, action: Literal["raise", "clear"], alarms: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Raise alarms, given by key with their facts, or clear those that were read; return the keys that changed."""
        if action == "raise":
            texts = {key: ("", json.dumps({**facts, "by": secrets.token_hex(4)})) for key, facts in alarms.items()}
        else:
            texts = {key: (json.dumps(facts), "") for key, facts in alarms.items()}
        changes = [Change("", key, before, after, "", ()) for key, (before, after) in texts.items()]
        return [change.field for change in self._apply(_ALARMS, changes)]

    def read_sent(self, receivers: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return what each receiver was sent; one round trip."""
        names = list(receivers)
        if not names:
            return {}
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(_SENT + name)
            return dict(zip(names, pipe.execute(), strict=True))

    def send(self, changes: Sequence[Change]) -> list[Change]:
        """Put the messages into the outboxes, unless another process was faster; return those that were put there."""
        return self._apply("", changes)

    def _apply(self, state: str, changes: Sequence[Change]) -> list[Change]:
        """Apply changes of `state`, or of what their receivers were sent, in one pipeline; return those that count."""
        if not changes:
            return []
        with self._redis.pipeline(transaction=False) as pipe:
            for change in changes:
                self._scripts.enqueue(
                    pipe,
                    catalog.ALARM,
                    list(change.destinations),
                    state=state or _SENT + change.receiver,
                    outbox_prefix=OUTBOX,
                    field=change.field,
                    before=change.before,
                    after=change.after,
                    message=change.message,
                    most=_MOST,
                    keep_ms=int(KEEP * 1000),
                )
            applied = self._scripts.execute(pipe)
        return [change for change, changed in zip(changes, applied, strict=True) if changed]
