"""One customer's data in Redis: found, and erased."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

import simplejson

from worker.store.orders import payload
from worker.store.orders.lanes import KEEP_HISTORY_MS
from worker.store.redis import keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from worker.store.feeds.cursors import Cursors
    from worker.store.inbox import Inbox
    from worker.store.redis.scripts import Argument

#: Digits from which on a number is taken for a telephone number, which is written in many ways.
_PHONE: Final = 6
#: What became of an order: see `erase.lua`.
Erased = Literal["erased", "maybe", "delivered", "claimed", ""]


@dataclass(frozen=True, slots=True)
class Match:
    """What to look for: an e-mail address, a telephone number, a name, any text, in any letter case."""

    text: str

    def occurs_in(self, raw: str) -> bool:
        """Whether one value of this JSON holds it, or several of one object one after the other, as names do."""
        try:
            return any(map(self._is_in, _values(simplejson.loads(raw))))
        except ValueError:
            return self._is_in(raw)

    def _is_in(self, value: str) -> bool:
        wanted = self.text.casefold()
        digits = _digits(wanted)
        if len(digits) >= _PHONE and not wanted.strip("+-()/. 0123456789"):
            return digits in _digits(value)
        return wanted in value.casefold()


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _values(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield " ".join(it for it in value.values() if isinstance(it, str))
        value = list(value.values())
    if isinstance(value, list):
        for it in value:
            yield from _values(it)
    else:
        # A text that is JSON itself, as a signed job has it.
        text = str(value)
        yield text
        if text[:1] in {"{", "["}:
            try:
                yield from _values(simplejson.loads(text))
            except ValueError:
                return


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Where a customer's data is: order keys by target, letters by provider, letters and jobs of the inbox."""

    orders: dict[str, list[str]]
    letters: dict[str, list[str]]
    inbox_letters: list[str]
    jobs: list[bytes]
    #: Jobs that a taker has in hand at this moment: they cannot be taken from it.
    taken: int


class Eraser:
    """Looks through all that holds personal data, and erases."""

    def __init__(self, redis: Redis, targets: Sequence[str], cursors: Cursors, inbox: Inbox) -> None:
        self._redis, self._targets, self._cursors, self._inbox = redis, targets, cursors, inbox
        self._scripts = Scripts(redis)

    def find(self, providers: Sequence[str], order_keys: Sequence[str], match: Match | None) -> PersonalData:
        """What belongs to these orders, or holds this text: nothing is touched."""
        wanted = [_of_order(key) for key in order_keys]
        if match is not None:
            wanted.append(match.occurs_in)

        def meant(raw: str) -> bool:
            return any(it(raw) for it in wanted)

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
            letters={provider: found for provider, found in letters.items() if found},
            inbox_letters=[
                it for it, letter in self._inbox.letters().items() if meant(letter.raw.decode("utf-8", "replace"))
            ],
            jobs=[job for job in waiting if meant(job.decode("utf-8", "replace"))],
            taken=sum(meant(job.decode("utf-8", "replace")) for job in taken),
        )

    def _orders(self, target: str, order_keys: Sequence[str], match: Match | None) -> list[str]:
        """The named orders, and those whose content is here and holds the text."""
        prefix = keys.LaneKeys.of(target).payload
        found = dict.fromkeys(order_keys)
        if match is not None:
            for name in self._redis.scan_iter(match=f"{prefix}*", count=1000):
                kept = cast("str | None", self._redis.get(name))
                if kept is not None and match.occurs_in(payload.unpack(kept)):
                    found[name.removeprefix(prefix)] = None
        return list(found)

    def erase(self, found: PersonalData) -> dict[str, dict[str, Erased]]:
        """Erase what was found; answers by target what became of each order that is known there."""
        # The jobs first: what one of them would make is not erased yet.
        self._inbox.remove(found.jobs)
        self._inbox.discard(found.inbox_letters)
        for provider, external_ids in found.letters.items():
            self._cursors.drop_letters(provider, external_ids)
        done = {target: self._erase(target, order_keys) for target, order_keys in found.orders.items()}
        return {target: {key: what for key, what in it.items() if what} for target, it in done.items()}

    def _erase(self, target: str, order_keys: Sequence[str]) -> dict[str, Erased]:
        k = keys.LaneKeys.of(target)
        done: dict[str, Erased] = {}
        for start in range(0, len(order_keys), 100):
            some = order_keys[start : start + 100]
            args: list[Argument] = [k.order, k.payload, k.history, KEEP_HISTORY_MS, *some]
            done |= zip(some, self._scripts("erase", [k.lane, k.due, k.dead, k.doubt, k.held], args), strict=True)
        return done


def _of_order(key: str) -> Callable[[str], bool]:
    """Whether a job, or what should have been one, is about this order."""
    provider, _, external_id = key.partition(":")

    def about(raw: str) -> bool:
        try:
            job = simplejson.loads(raw)
        except ValueError:
            return provider in raw and external_id in raw
        if isinstance(job, dict) and isinstance(job.get("job"), str):  # what is signed is a text
            return about(job["job"])
        if not isinstance(job, dict) or job.get("provider", provider) != provider:
            return False
        # By which name a record has its id, its provider's adapter knows.
        parts = [{"id": job.get("external_id")}, job.get("order"), job.get("record")]
        return any(external_id in map(str, part.values()) for part in parts if isinstance(part, dict))

    return about
