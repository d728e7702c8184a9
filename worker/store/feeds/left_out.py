"""Orders that no route creates, counted by rule; and statuses that are not understood, counted by code."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from redis import Redis

    from worker.store.redis.catalog import Argument

#: Orders that each of 256 buckets remembers: about 10,000 of a provider, in less than a megabyte.
MOST: Final = 40
#: Different codes that are counted for a provider; all others count as one.
MOST_CODES: Final = 100
#: Characters that are kept of a code, and of the number that people know an order by.
_LONGEST: Final = 40


class LeftOutOrder(NamedTuple):
    """An order of one provider that is not created in a target, the rule, and what people know it by."""

    external_id: str
    target: str
    rule: str
    display_id: str | None
    status_raw: str | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """An order that was left out: since when (Unix seconds), in which target, by which rule, with which status."""

    external_id: str
    target: str
    rule: str
    at: int
    status_raw: str
    display_id: str


class LeftOuts:
    """The orders of all providers that no route creates."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    def note(self, provider: str, orders: Sequence[LeftOutOrder]) -> list[bool]:
        """Count and remember orders; return for each whether it was not noted by its rule before."""
        items: list[Argument] = []
        for order in orders:
            shown = f"{_short(order.status_raw)}\t{_short(order.display_id)}"
            items += [order.external_id, order.target, order.rule, shown]
        noted = self._scripts(
            catalog.LEAVE_OUT,
            items,
            counts=keys.left_out(provider),
            rules=keys.left_out_rules(provider),
            bucket_prefix=keys.left_out_orders(provider),
            most=MOST,
        )
        return [bool(new) for new in noted]

    def find(self, provider: str, external_id: str) -> list[Remembered]:
        """Return where and why an order is left out, as far as it is remembered."""
        return self.find_all([(provider, external_id)])[0]

    def find_all(self, orders: Sequence[tuple[str, str]]) -> list[list[Remembered]]:
        """Return the same of each order (its provider and external id), in one round trip."""
        with self._redis.pipeline(transaction=False) as pipe:
            for provider, external_id in orders:
                digits = hashlib.sha1(external_id.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:2]
                pipe.hgetall(keys.left_out_rules(provider))
                pipe.hgetall(keys.left_out_orders(provider) + digits)
            found = iter(pipe.execute())
        read = [_read(rules, bucket.items()) for rules, bucket in zip(found, found, strict=True)]
        return [
            [each for each in remembered if each.external_id == external_id]
            for (_, external_id), remembered in zip(orders, read, strict=True)
        ]

    def find_by_display_id(self, providers: Sequence[str], display_id: str) -> dict[str, list[Remembered]]:
        """Return by provider the orders that people know by this number, in one pipeline."""
        with self._redis.pipeline(transaction=False) as pipe:
            for provider in providers:
                self._scripts.enqueue(
                    pipe,
                    catalog.SHOWN,
                    rules=keys.left_out_rules(provider),
                    bucket_prefix=keys.left_out_orders(provider),
                    display_id=_short(display_id),
                )
            found = self._scripts.execute(pipe)
        return {
            provider: _read(_pairs(rules), _pairs(orders).items())
            for provider, (rules, orders) in zip(providers, found, strict=True)
        }

    def note_unknown(self, provider: str, codes: Iterable[str]) -> None:
        """Count orders by a status code that is not understood."""
        name, counts = keys.unknown_statuses(provider), Counter(map(_short, codes))
        known = self._redis.hgetall(name)
        with self._redis.pipeline(transaction=False) as pipe:
            for code, count in counts.items():
                pipe.hincrby(name, code if code in known or len(known) < MOST_CODES else "", count)
            pipe.execute()


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _read(rules: Mapping[str, str], orders: Iterable[tuple[str, str]]) -> list[Remembered]:
    names = {number: name for name, number in rules.items()}
    return [_remembered(names, field, value) for field, value in orders]


def _short(text: str | None) -> str:
    """Return text that Redis takes, whatever a provider sends."""
    return (text or "")[:_LONGEST].replace("\t", " ").encode("utf-8", "replace").decode()


def _remembered(names: Mapping[str, str], field: str, value: str) -> Remembered:
    target, _, external_id = field.partition(" ")
    number, at, shown = value.split(" ", 2)
    status_raw, _, display_id = shown.partition("\t")
    return Remembered(external_id, target, names.get(number, " ").partition(" ")[2], int(at), status_raw, display_id)
