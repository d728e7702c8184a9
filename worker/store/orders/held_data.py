"""Search the orders whose data is still held for an e-mail address: a scan in parts, as nothing personal is indexed.

An index of addresses, also of keyed hashes of them, would have to end with the data of each order, and costs memory for
every order that waits. The scan costs nothing until somebody searches, and finds what is held at that moment only.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from worker.store.orders import payload
from worker.store.orders.corrections import Corrections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

    from worker.store.feeds.cursors import Cursors

#: The keys of Redis, and the unreadable records, that are looked at in one round trip.
_AT_ONCE: Final = 1000
#: Where an order has e-mail addresses.
_PARTS: Final = ("customer", "shipping_address", "billing_address")
_PAYLOADS: Final = "intake:payload:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search continues: how many keys of Redis were looked at, its cursor, and the unreadable records."""

    seen: int = 0
    cursor: int = 0
    records: int = 0

    @classmethod
    def read(cls, text: str) -> Place:
        """Return the place that `str` wrote; the beginning for any other text."""
        parts = text.split("-")
        is_place = len(parts) == len(cls.__slots__) and all(part.isascii() and part.isdigit() for part in parts)
        return cls(*(int(part[:20]) % 2**64 for part in parts)) if is_place else cls()

    def __str__(self) -> str:
        return f"{self.seen}-{self.cursor}-{self.records}"


@dataclass(frozen=True, slots=True)
class Part:
    """The order keys that a part of the search found; where it continues (None at the end), and how far it is."""

    keys: list[str]
    place: Place | None
    #: From 0 to 1, estimated.
    share: float


class HeldData:
    """The data of the orders that are not delivered yet, and of the records that could not be read."""

    def __init__(self, redis: Redis, cursors: Cursors, providers: Sequence[str], targets: Sequence[str]) -> None:
        self._redis, self._cursors, self._providers, self._targets = redis, cursors, providers, targets

    def search(self, email: str, place: Place, seconds: float) -> Part:
        """Search for the orders with exactly this address, ignoring case, from a place on and for some seconds."""
        email = email.strip().casefold()
        needle = json.dumps(email, ensure_ascii=False)[1:-1]
        until = time.monotonic() + seconds
        found = dict.fromkeys(self._corrected(email)) if place == Place() else {}
        if (records := self._search_records(f'"{needle}"', place.records, until, found)) is not None:
            return Part(list(found), Place(place.seen, place.cursor, records), 0.0)
        seen, cursor = place.seen, place.cursor
        while True:
            cursor, names = cast("tuple[int, list[str]]", self._redis.scan(cursor, f"{_PAYLOADS}*", _AT_ONCE))
            seen += _AT_ONCE
            found |= dict.fromkeys(self._matching(names, needle, email))
            if not cursor:
                return Part(list(found), None, 1.0)
            if time.monotonic() > until:
                return Part(list(found), Place(seen, cursor, _DONE), min(0.99, seen / self._count_keys()))

    def _count_keys(self) -> int:
        """Return how many keys Redis has, at least 1. The users of Redis may ask for this, and not for DBSIZE."""
        databases = cast("dict[str, dict[str, int]]", self._redis.info("keyspace"))
        return max(1, sum(each["keys"] for each in databases.values()))

    def _matching(self, names: Sequence[str], needle: str, email: str) -> Iterator[str]:
        packed = cast("list[str | None]", self._redis.mget(names)) if names else []
        for name, content in zip(names, packed, strict=True):
            text = payload.unpack(content) if content else ""
            if needle in text.casefold() and email in _addresses(json.loads(text)):
                yield name.removeprefix(_PAYLOADS).partition(":")[2]

    def _corrected(self, email: str) -> Iterator[str]:
        """Yield the orders whose address a person corrected to this one."""
        for target in self._targets:
            for key, stored in Corrections(self._redis).all(target).items():
                fields = stored.by_field.items()
                if any(path.endswith("email") and each.value.strip().casefold() == email for path, each in fields):
                    yield key

    def _search_records(self, quoted: str, first: int, until: float, found: dict[str, None]) -> int | None:
        """Search the unreadable records from the one with this number on; return where to continue, None at the end."""
        ids = self._cursors.letter_ids(self._providers) if first != _DONE else []
        for at in range(first, len(ids), _AT_ONCE):
            if time.monotonic() > until and at > first:
                return at
            chunk = ids[at : at + _AT_ONCE]
            for (provider, external_id), record in zip(chunk, self._cursors.letters_of(chunk), strict=True):
                if record is not None and quoted in record["raw"].casefold():
                    found[f"{provider}:{external_id}"] = None
        return None


#: Marks that all unreadable records were searched.
_DONE: Final = 2**63


def _addresses(order: dict[str, Any]) -> set[str]:
    parts = (order.get(name) or {} for name in _PARTS)
    return {str(part.get("email") or "").strip().casefold() for part in parts}
