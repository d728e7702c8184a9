"""Corrections of orders in Redis: what a person set on top of what the source says (see `correction.lua`)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from schemas import corrections as fields
from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

    from schemas.corrections import Correction

#: Orders that are listed at once.
_CHUNK: Final = 500
#: What follows if the target turns out to have a corrected order with its former content.
Change = Literal["update", "hold"]


@dataclass(frozen=True, slots=True)
class Stored:
    """The corrections of one order, and their version ("": there are none, or they are no longer kept)."""

    version: str
    by_field: Mapping[str, Correction]

    @classmethod
    def read(cls, text: str | None) -> Stored:
        """Return the corrections as Redis keeps them."""
        version, _, json = (text or "").partition(" ")
        return cls(version, fields.from_json(json))


@dataclass(frozen=True, slots=True)
class NewCorrections:
    """The corrections of one order as a person wants them, and what the person saw before."""

    seen: Stored
    #: The fingerprint and the state of the order as it was.
    seen_fingerprint: str
    seen_state: str
    by_field: Mapping[str, Correction]
    #: The fingerprints with these corrections, and of what the source says.
    fingerprint: str
    source: str
    change: Change
    #: For the history, without a value.
    event: str
    #: Whether the order is sent if it waits for a person.
    resend: bool


def text_of(by_field: Mapping[str, Correction], version: str = "") -> str:
    """Return corrections as Redis keeps them, under a new version unless one is given; "" for none."""
    return f"{version or secrets.token_hex(6)} {json}" if (json := fields.to_json(by_field)) else ""


class Corrections:
    """The corrections of all targets."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    def of(self, target: str, order_keys: Sequence[str]) -> list[Stored]:
        """Return the corrections of each order."""
        prefix = keys.correction(target)
        texts = cast("list[str | None]", self._redis.mget([prefix + key for key in order_keys])) if order_keys else []
        return [Stored.read(text) for text in texts]

    def all(self, target: str) -> dict[str, Stored]:
        """Return the corrections in force of a target by order key, the oldest first."""
        index = keys.corrections(target)
        found: dict[str, Stored] = {}
        chosen = cast("list[str]", self._redis.zrange(index, 0, -1))
        for at in range(0, len(chosen), _CHUNK):
            chunk = chosen[at : at + _CHUNK]
            found |= zip(chunk, self.of(target, chunk), strict=True)
        if gone := [key for key, stored in found.items() if not stored.version]:
            self._redis.zrem(index, *gone)  # they ended with the history of the order
        return {key: stored for key, stored in found.items() if stored.version}

    def write(self, target: str, key: str, new: NewCorrections) -> str:
        """Write the corrections of an order; return what became of it (see `correct.lua`)."""
        k = keys.LaneKeys.of(target)
        result: str = self._scripts(
            catalog.CORRECT,
            lane=k.lane,
            due=k.due,
            dead=k.dead,
            held=k.held,
            index=keys.corrections(target),
            key=key,
            seen=new.seen.version,
            seen_fingerprint=new.seen_fingerprint,
            seen_state=new.seen_state,
            fingerprint=new.fingerprint,
            source=new.source,
            text=text_of(new.by_field),
            change=new.change,
            event=new.event,
            resend=int(new.resend),
            **k.prefixes,
        )
        return result
