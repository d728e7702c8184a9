"""Finds one customer's data in Redis, and erases it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

import simplejson

from worker.store.orders import payload
from worker.store.orders.corrections import Corrections
from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from worker.store.feeds.cursors import Cursors
    from worker.store.inbox import Inbox

#: A number with at least so many digits is treated as a telephone number, which can be written in many ways.
_PHONE: Final = 6
#: Orders that one call of the script erases.
_CHUNK: Final = 100
#: The result for one order: see `erase.lua`.
Erased = Literal["erased", "maybe", "delivered", "claimed", ""]


@dataclass(frozen=True, slots=True)
class Match:
    """The text to look for: an e-mail address, a telephone number, a name or any other text, ignoring case."""

    text: str

    def occurs_in(self, raw: str) -> bool:
        """Return whether a value of this JSON contains the text, or consecutive values of an object do, as in names."""
        try:
            return any(map(self._is_in, _values(simplejson.loads(raw))))
        except ValueError:
            return self._is_in(raw)

    def _is_in(self, value: str) -> bool:
        text = self.text.casefold()
        digits = _digits(text)
        if len(digits) >= _PHONE and not text.strip("+-()/. 0123456789"):
            return digits in _digits(value)
        return text in value.casefold()


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _values(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield " ".join(text for text in value.values() if isinstance(text, str))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _values(item)
    else:
        # A text can be JSON itself, as in a signed job.
        text = str(value)
        yield text
        if text[:1] in {"{", "["}:
            try:
                yield from _values(simplejson.loads(text))
            except ValueError:
                return


@dataclass(frozen=True, slots=True)
class PersonalData:
    """A customer's data: order keys by target, dead letters by provider, dead letters and jobs of the inbox."""

    orders: dict[str, list[str]]
    letters: dict[str, list[str]]
    inbox_letters: list[str]
    jobs: list[bytes]
    #: Jobs that a taker holds at this moment: they cannot be erased.
    taken: int


class Eraser:
    """Searches everything that holds personal data, and erases it."""

    def __init__(self, redis: Redis, targets: Sequence[str], cursors: Cursors, inbox: Inbox) -> None:
        self._redis, self._targets, self._cursors, self._inbox = redis, targets, cursors, inbox
        self._scripts = Scripts(redis)

    def find(self, providers: Sequence[str], order_keys: Sequence[str], match: Match | None) -> PersonalData:
        """Return the data that belongs to these orders or contains this text; change nothing."""
        conditions = [_names_order(key) for key in order_keys]
        if match is not None:
            conditions.append(match.occurs_in)

        def concerns(job: bytes) -> bool:
            text = job.decode("utf-8", "replace")
            return any(condition(text) for condition in conditions)

        letters = {
            provider: [
                external_id
                for external_id, letter in self._cursors.letters(provider).items()
                if f"{provider}:{external_id}" in order_keys or (match and match.occurs_in(letter["raw"]))
            ]
            for provider in providers
        }
        waiting, taken = self._inbox.all_jobs()
        return PersonalData(
            orders={target: self._orders(target, order_keys, match) for target in self._targets},
            letters={provider: external_ids for provider, external_ids in letters.items() if external_ids},
            inbox_letters=[letter_id for letter_id, letter in self._inbox.letters().items() if concerns(letter.raw)],
            jobs=[job for job in waiting if concerns(job)],
            taken=sum(map(concerns, taken)),
        )

    def _orders(self, target: str, order_keys: Sequence[str], match: Match | None) -> list[str]:
        """Return the named orders, and those whose stored content contains the text."""
        prefix = keys.LaneKeys.of(target).payload
        selected = dict.fromkeys(order_keys)
        if match is not None:
            for name in self._redis.scan_iter(match=f"{prefix}*", count=1000):
                packed = cast("str | None", self._redis.get(name))
                if packed is not None and match.occurs_in(payload.unpack(packed)):
                    selected[name.removeprefix(prefix)] = None
            for key, stored in Corrections(self._redis).all(target).items():
                if any(match.occurs_in(each.value) for each in stored.by_field.values()):
                    selected[key] = None
        return list(selected)

    def erase(self, data: PersonalData) -> dict[str, dict[str, Erased]]:
        """Erase the data; return by target the result for each order that the ledger knows."""
        # The jobs first: an order that a job would still create could not be erased.
        self._inbox.remove(data.jobs)
        self._inbox.discard(data.inbox_letters)
        for provider, external_ids in data.letters.items():
            self._cursors.drop_letters(provider, external_ids)
        results = {target: self._erase(target, order_keys) for target, order_keys in data.orders.items()}
        return {target: {key: result for key, result in by_key.items() if result} for target, by_key in results.items()}

    def _erase(self, target: str, order_keys: Sequence[str]) -> dict[str, Erased]:
        k = keys.LaneKeys.of(target)
        results: dict[str, Erased] = {}
        for start in range(0, len(order_keys), _CHUNK):
            chunk = order_keys[start : start + _CHUNK]
            erased = self._scripts(
                catalog.ERASE,
                chunk,
                lane=k.lane,
                due=k.due,
                dead=k.dead,
                doubt=k.doubt,
                held=k.held,
                keep_history_ms=keys.KEEP_HISTORY_MS,
                **k.prefixes,
            )
            results |= zip(chunk, erased, strict=True)
        return results


def _names_order(key: str) -> Callable[[str], bool]:
    """Return a function that tells whether a job, even an unreadable one, is about this order."""
    provider, _, external_id = key.partition(":")

    def is_about(raw: str) -> bool:
        try:
            job = simplejson.loads(raw)
        except ValueError:
            return provider in raw and external_id in raw
        if isinstance(job, dict) and isinstance(job.get("job"), str):  # a signed job is a text
            return is_about(job["job"])
        if not isinstance(job, dict) or job.get("provider", provider) != provider:
            return False
        # Only the provider's adapter knows the field in which a record has its id, so compare all of them.
        parts = [{"id": job.get("external_id")}, job.get("order"), job.get("record")]
        return any(external_id in map(str, part.values()) for part in parts if isinstance(part, dict))

    return is_about
