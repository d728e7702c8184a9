"""Cursors: how far each provider has been read."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import simplejson

from worker.errors import LeaseLost
from worker.jsontext.encoding import text_of
from worker.store.health.pauses import Pause
from worker.store.redis import catalog, clock, keys
from worker.store.redis.heartbeat import Heartbeat
from worker.store.redis.receipts import Receipts
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

    from worker.store.redis.catalog import Argument

#: Bytes of a record that are kept with its dead letter.
RAW_LIMIT: Final = 65_536
#: Earlier values of a cursor that are kept, so that a person can undo a move.
FORMER: Final = 10


@dataclass(slots=True)
class Poll:
    """A running poll: where it reads, and the lease that allows it to move the cursor."""

    cursors: Cursors
    provider: str
    owner: str
    cursor: str | None
    heartbeat: Heartbeat = field(repr=False)

    def advance(self, cursor: str, *, more: bool, records: int) -> None:
        """Move the cursor, after everything on the page was accepted.

        Raise LeaseLost if another poll took over, or if Redis forgot what this poll wrote: the page is read again.
        """
        self.heartbeat.check()
        moved = self.cursors.scripts(
            catalog.ADVANCE,
            cursor=self.cursors.key(self.provider),
            lease=self.cursors.lease(self.provider),
            owner=self.owner,
            seen=self.cursor or "",
            value=cursor,
            progress="more" if more else "end",
            records=records,
        )
        if not moved:
            raise LeaseLost(f"the cursor of {self.provider} was moved by another poll, or Redis has lost writes")
        self.cursor = cursor

    def count_incomplete(self) -> int:
        """Note that the page at the cursor is incomplete; return how often it was since the cursor moved."""
        return int(self.cursors.redis.hincrby(self.cursors.key(self.provider), "missed", 1))

    def bury(self, external_id: str, raw: object, field_path: str, reason: str) -> bool:
        """Keep a record that could not be read; return whether it had no dead letter for this reason before.

        Raise LeaseLost if another poll took over: it may have read the record.
        """
        return self.cursors.bury(self.provider, external_id, raw, field_path, reason, owner=self.owner)


class Cursors:
    """The cursors of all providers, and the dead letters of records that could not be read."""

    #: The keys of a provider's cursor, and of the lease that allows moving it.
    key, lease = staticmethod(keys.cursor), staticmethod(keys.poll)

    def __init__(self, redis: Redis, *, lease: float, heartbeat: float) -> None:
        self.redis = redis
        self.scripts = Scripts(redis)
        self._lease, self._interval = lease, heartbeat

    @contextlib.contextmanager
    def poll(self, provider: str, gap: float) -> Iterator[Poll | str]:
        """Take the poll lease of `provider`; yield a Poll, or the reason against it ("busy", "early", "paused").

        Args:
            provider: Name of the account.
            gap: Seconds from the start of a complete poll to the next start, so that two beat processes do not poll a
                provider twice as often. -1: at once, even after a failure.
        """
        owner, lease, lease_ms = secrets.token_hex(8), self.lease(provider), int(self._lease * 1000)
        result, *value = self.scripts(
            catalog.BEGIN,
            cursor=self.key(provider),
            lease=lease,
            owner=owner,
            lease_ms=lease_ms,
            gap_ms=int(gap * 1000),
        )
        if result != "begun":
            yield str(result)
            return

        def renew() -> bool:
            return bool(self.scripts(catalog.RENEW, lease=lease, owner=owner, lease_ms=lease_ms))

        heartbeat = Heartbeat(renew, self._interval, self._lease)
        try:
            with heartbeat, Receipts() as left:
                yield Poll(self, provider, owner, value[0] or None, heartbeat)
                if left.count:
                    self.redis.unlink(left.key)
        finally:
            self.scripts(catalog.RENEW, lease=lease, owner=owner, lease_ms=0)

    def bury(  # noqa: PLR0913  # the columns of a letter
        self, provider: str, external_id: str, raw: object, field_path: str, reason: str, *, owner: str = ""
    ) -> bool:
        """Keep a record that could not be read; the same record again replaces its dead letter.

        `raw` is the record, or its text. Return whether it had no dead letter for this reason before.

        Raises:
            LeaseLost: An `owner` is named, and does not hold the lease of the poll any more.
        """
        letter = {"field": field_path, "reason": reason, "raw": text_of(raw)[:RAW_LIMIT]}
        cause = hashlib.blake2b(f"{field_path}\n{reason}".encode("utf-8", "replace"), digest_size=8).hexdigest()
        kept = self.scripts(
            catalog.BURY,
            letters=keys.malformed(provider),
            lease=self.lease(provider),
            external_id=external_id,
            letter=simplejson.dumps(letter),
            cause=cause,
            owner=owner,
        )
        if kept == "lost":
            raise LeaseLost(f"the poll of {provider} was overtaken by another, or Redis was lost")
        return bool(kept == "new")

    def drop_letters(self, provider: str, external_ids: list[str]) -> None:
        """Drop the dead letters of records that could be read after all."""
        if external_ids:
            self.redis.hdel(keys.malformed(provider), *external_ids)

    def letter_ids(self, providers: Sequence[str]) -> list[tuple[str, str]]:
        """Return the provider and the external id of each dead letter of these providers, in one round trip."""
        with self.redis.pipeline(transaction=False) as pipe:
            for provider in providers:
                pipe.hkeys(keys.malformed(provider))
            ids = pipe.execute()
        return [(provider, each) for provider, found in zip(providers, ids, strict=True) for each in found]

    def count_letters(self, providers: Sequence[str]) -> int:
        """Return how many dead letters these providers have, in one round trip."""
        with self.redis.pipeline(transaction=False) as pipe:
            for provider in providers:
                pipe.hlen(keys.malformed(provider))
            return sum(pipe.execute())

    def letter(self, provider: str, external_id: str) -> dict[str, str] | None:
        """Return one dead letter: field, reason, at (Unix ms), raw."""
        text = self.redis.hget(keys.malformed(provider), external_id)
        return None if text is None else _letter(str(text))

    def letters_of(self, records: Sequence[tuple[str, str]]) -> list[dict[str, str] | None]:
        """Return the dead letter of each record (its provider and external id), or None, in one round trip."""
        with self.redis.pipeline(transaction=False) as pipe:
            for provider, external_id in records:
                pipe.hget(keys.malformed(provider), external_id)
            return [None if text is None else _letter(str(text)) for text in pipe.execute()]

    def letters(self, provider: str) -> dict[str, dict[str, str]]:
        """Return the dead letters of a provider by external id: field, reason, at (Unix ms), raw."""
        texts = cast("dict[str, str]", self.redis.hgetall(keys.malformed(provider)))
        return {key: _letter(text) for key, text in texts.items()}

    def note_failure(self, provider: str, error: str, delay: float) -> None:
        """Note why a poll failed; it is not repeated for `delay` seconds."""
        now = self.now()
        fields: list[Argument] = ["error", error, "failed", now, "retry_at", now + int(delay * 1000)]
        self.scripts(catalog.NOTE, fields, hash=self.key(provider), counter="failures", forgotten="finished")

    def ask(self, provider: str) -> None:
        """Ask for a poll with the next sweep, whenever the last one was."""
        self.scripts(catalog.NOTE, ["asked", "1"], hash=self.key(provider), counter="", forgotten="")

    def pause(self, provider: str, reason: str, seconds: float | None = None, *, seen: str | None = None) -> bool:
        """Stop polling for `seconds`, or until resumed; return False if the pause is another one than `seen`."""
        return Pause(self.redis, self.key(provider)).begin(reason, seconds, seen)

    def resume(self, provider: str, *, seen: str | None = None) -> bool:
        """Poll again; return False if the pause is another one than `seen`."""
        return Pause(self.redis, self.key(provider)).end(seen)

    def status(self, provider: str) -> dict[str, str]:
        """Return the state of the polls: value, started, finished, moved (ms), records, error, paused, paused_until."""
        status = cast("dict[str, str]", self.redis.hgetall(self.key(provider)))
        status["malformed"] = str(self.redis.hlen(keys.malformed(provider)))
        return status

    def unread(self, providers: Sequence[str]) -> list[str]:
        """Return those of the providers of which no page was ever read."""
        with self.redis.pipeline(transaction=False) as pipe:
            for provider in providers:
                pipe.hexists(self.key(provider), "value")
            return [name for name, is_read in zip(providers, pipe.execute(), strict=True) if not is_read]

    def place(self, provider: str, seen: str, value: str) -> bool:
        """Move the cursor by hand, from the value that was `seen` ("": none); return False if it moved meanwhile.

        `undo` can restore the former value. A running poll reads its page in vain: it cannot move the cursor, and the
        page is read again.
        """
        return self._place(provider, seen, value, "set")

    def undo(self, provider: str, seen: str, value: str) -> bool:
        """Restore the latest of the `former_values`; return False if the cursor or that list changed meanwhile."""
        return self._place(provider, seen, value, "undo")

    def _place(self, provider: str, seen: str, value: str, action: str) -> bool:
        return bool(
            self.scripts(
                catalog.PLACE,
                cursor=keys.cursor(provider),
                former=keys.former(provider),
                seen=seen,
                value=value,
                action=action,
                keep=FORMER,
            )
        )

    def former_values(self, provider: str) -> list[tuple[int, str]]:
        """Return the values that a person replaced: when (Unix ms), and the value; the latest first."""
        lines = cast("list[str]", self.redis.lrange(keys.former(provider), 0, -1))
        return [(int(at), value) for at, _, value in (line.partition(" ") for line in lines)]

    def now(self) -> int:
        """Return the time of Redis' clock in whole milliseconds."""
        return clock.now(self.redis)


def _letter(kept: str) -> dict[str, str]:
    """Return a dead letter as bury.lua keeps it: when, a digest of the reason, and the rest as JSON."""
    at, _, text = kept.split(" ", 2)
    return {**simplejson.loads(text), "at": at}
