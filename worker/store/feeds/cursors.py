"""Cursors: how far each provider has been read."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import simplejson

from worker.errors import LeaseLost
from worker.store.health.pauses import Pause
from worker.store.redis import clock, keys
from worker.store.redis.heartbeat import Heartbeat
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

#: Bytes of a record that are kept with its dead letter.
RAW_LIMIT = 65_536
#: Former values of a cursor that are kept, for a person who moved it and wants it back.
FORMER = 10


@dataclass(slots=True)
class Poll:
    """One poll that runs: where it reads, and the lease by which it may move the cursor."""

    cursors: Cursors
    provider: str
    owner: str
    cursor: str | None
    heartbeat: Heartbeat = field(repr=False)

    def advance(self, cursor: str, *, more: bool, records: int) -> None:
        """Move the cursor, once everything on the page is accepted; raises LeaseLost if it is not ours to move."""
        self.heartbeat.check()
        args = [self.owner, self.cursor or "", cursor, "more" if more else "end", records]
        if not self.cursors.scripts(
            "advance", [self.cursors.key(self.provider), self.cursors.lease(self.provider)], args
        ):
            raise LeaseLost(f"the cursor of {self.provider} was moved by another poll, or Redis was lost")
        self.cursor = cursor

    def count_incomplete(self) -> int:
        """Note that some of the page at the cursor is not given; answers how often that is so since it moved."""
        return int(self.cursors.redis.hincrby(self.cursors.key(self.provider), "missed", 1))

    def bury(self, external_id: str, raw: object, field_path: str, reason: str) -> None:
        """Keep a record that could not be read; raises LeaseLost if another polls by now, who may have read it."""
        self.cursors.bury(self.provider, external_id, raw, field_path, reason, owner=self.owner)


class Cursors:
    """The cursors of all providers, and the dead letters of what could not be read."""

    #: The keys of a provider's cursor, and of the lease by which it is moved.
    key, lease = staticmethod(keys.cursor), staticmethod(keys.poll)

    def __init__(self, redis: Redis, *, lease: float, heartbeat: float) -> None:
        self.redis = redis
        self.scripts = Scripts(redis)
        self._lease, self._interval = lease, heartbeat

    @contextlib.contextmanager
    def poll(self, provider: str, gap: float) -> Iterator[Poll | str]:
        """Take the poll lease of `provider`; yields why not ("busy", "early", "paused") instead of a Poll.

        Args:
            provider: Name of the account.
            gap: Seconds that must lie between two whole polls: two beats do not make a provider polled twice as often.
                -1: at once, even after a failure.
        """
        owner = secrets.token_hex(8)
        names = [self.key(provider), self.lease(provider)]
        lease = int(self._lease * 1000)
        answer = self.scripts("begin", names, [owner, lease, int(gap * 1000)])
        if answer[0] != "begun":
            yield str(answer[0])
            return
        heartbeat = Heartbeat(
            lambda: bool(self.scripts("renew", names[1:], [owner, lease])), self._interval, self._lease
        )
        try:
            with heartbeat:
                yield Poll(self, provider, owner, answer[1] or None, heartbeat)
        finally:
            self.scripts("renew", names[1:], [owner, 0])

    def bury(  # noqa: PLR0913  # the columns of a letter
        self, provider: str, external_id: str, raw: object, field_path: str, reason: str, *, owner: str = ""
    ) -> None:
        """Keep a record that could not be read; the same record again replaces its letter.

        Raises LeaseLost if `owner` is named, and the lease of the poll is not its any more.
        """
        text = simplejson.dumps(raw, use_decimal=True, default=str, ensure_ascii=False)
        letter = {"field": field_path, "reason": reason, "at": str(self.now()), "raw": text[:RAW_LIMIT]}
        names = [keys.malformed(provider), self.lease(provider)]
        if not self.scripts("bury", names, [external_id, simplejson.dumps(letter), owner]):
            raise LeaseLost(f"the poll of {provider} was overtaken by another, or Redis was lost")

    def drop_letters(self, provider: str, external_ids: list[str]) -> None:
        """Drop the letters of records that could be read after all."""
        if external_ids:
            self.redis.hdel(keys.malformed(provider), *external_ids)

    def letter_ids(self, provider: str) -> list[str]:
        """The external ids of a provider's dead letters."""
        return cast("list[str]", self.redis.hkeys(keys.malformed(provider)))

    def letter(self, provider: str, external_id: str) -> dict[str, str] | None:
        """One dead letter: field, reason, at (Unix ms), raw."""
        text = self.redis.hget(keys.malformed(provider), external_id)
        return None if text is None else cast("dict[str, str]", simplejson.loads(text))

    def letters(self, provider: str) -> dict[str, dict[str, str]]:
        """The dead letters of a provider by external id: field, reason, at (ISO), raw."""
        found = cast("dict[str, str]", self.redis.hgetall(keys.malformed(provider)))
        return {key: simplejson.loads(text) for key, text in found.items()}

    def note_failure(self, provider: str, error: str, delay: float) -> None:
        """Note why a poll did not get on; it is not tried again for `delay` seconds."""
        name, now = self.key(provider), self.now()
        noted: list[str | int] = ["error", error, "failed", now, "retry_at", now + int(delay * 1000)]
        self.scripts("note", [name], ["failures", "finished", *noted])

    def is_waiting(self, provider: str) -> bool:
        """Whether a poll was cut short, or never began, and may go on now."""
        finished, retry_at, paused = self.redis.hmget(self.key(provider), "finished", "retry_at", "paused")
        if finished or paused or int(retry_at or 0) > self.now():
            return False
        return not self.redis.exists(self.lease(provider))

    def pause(self, provider: str, reason: str, seconds: float | None = None) -> None:
        """Poll no more, for so many seconds or until resumed."""
        Pause(self.redis, self.key(provider)).begin(reason, seconds)

    def resume(self, provider: str) -> None:
        """Poll again."""
        Pause(self.redis, self.key(provider)).end()

    def resume_if_over(self, provider: str) -> bool:
        """Poll again if the pause had an end, and that is reached."""
        return Pause(self.redis, self.key(provider)).end_if_over()

    def status(self, provider: str) -> dict[str, str]:
        """What is known of the polls: value, started, finished, moved (ms), records, error, paused, paused_until."""
        known = cast("dict[str, str]", self.redis.hgetall(self.key(provider)))
        known["malformed"] = str(self.redis.hlen(keys.malformed(provider)))
        return known

    def place(self, provider: str, seen: str, value: str) -> bool:
        """Move the cursor by hand, from the value that was `seen` ("": none); False if it was moved meanwhile.

        What it was is kept for `undo`. A poll that runs loses its page, which is read again, and moves nothing.
        """
        names = [keys.cursor(provider), keys.former(provider)]
        return bool(self.scripts("place", names, [seen, value, "set", FORMER]))

    def undo(self, provider: str, seen: str, value: str) -> bool:
        """Put the latest of the `former` values back; False if the cursor, or that list, was moved meanwhile."""
        names = [keys.cursor(provider), keys.former(provider)]
        return bool(self.scripts("place", names, [seen, value, "undo", FORMER]))

    def former_values(self, provider: str) -> list[tuple[int, str]]:
        """What the cursor was before a person moved it: when (Unix ms), and the value; the latest first."""
        lines = cast("list[str]", self.redis.lrange(keys.former(provider), 0, -1))
        return [(int(at), value) for at, _, value in (line.partition(" ") for line in lines)]

    def now(self) -> int:
        """Redis' clock in whole milliseconds."""
        return clock.now(self.redis)
