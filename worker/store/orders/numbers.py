"""The numbers that people know orders by, such as "#1001", where they are not the id of the order at its provider."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

    from schemas.order import Order
    from worker.store.redis.catalog import Argument

#: Entries of a page: Redis keeps a hash of so many fields in one piece of memory, with the defaults of every version.
_PAGE: Final = 120
#: Characters of a number that are compared.
_LONGEST: Final = 40


class Numbered(NamedTuple):
    """An order of a provider, and the number that it was found by."""

    provider: str
    external_id: str
    number: str


class Numbers:
    """The numbers of the orders of all providers."""

    def __init__(self, redis: Redis, *, page: int = _PAGE) -> None:
        self._redis = redis
        self._page = page
        self._scripts = Scripts(redis)

    def note(self, provider: str, orders: Iterable[Order]) -> None:
        """Note the numbers of orders of one provider; an order whose number is its id is found without it."""
        items: list[Argument] = []
        for order in orders:
            if (number := plain(order.display_id or "")) and number != plain(order.external_id):
                items += [number, order.external_id]
        if items:
            index = keys.numbers(provider)
            self._scripts(catalog.NUMBER, items, index=index, page_prefix=f"{index}:", most=self._page)

    def find(self, providers: Sequence[str], number: str) -> list[Numbered]:
        """Return the orders that people know by this number, at most 100 of each provider; one round trip."""
        return self._search(providers, plain(number) + "\0", 100) if plain(number) else []

    def find_by_beginning(self, providers: Sequence[str], text: str, most: int) -> list[Numbered]:
        """Return at most `most` orders of each provider whose number begins with `text`; one round trip."""
        return self._search(providers, plain(text), most) if plain(text) else []

    def _search(self, providers: Sequence[str], text: str, most: int) -> list[Numbered]:
        with self._redis.pipeline(transaction=False) as pipe:
            for provider in providers:
                named = {"index": keys.numbers(provider), "page_prefix": f"{keys.numbers(provider)}:"}
                self._scripts.enqueue(pipe, catalog.NUMBERED, **named, text=text, most=most)
            found = self._scripts.execute(pipe)
        return [
            Numbered(provider, external_id, number)
            for provider, entries in zip(providers, found, strict=True)
            for number, _, external_id in (entry.partition("\0") for entry in entries)
        ]


def plain(number: str) -> str:
    """Return a number as it is compared: without "#" before it, spaces around it, and the case of its letters."""
    if number.isascii() and number.isprintable():  # as most are: what follows takes ten times as long
        return number.lower().strip().lstrip("#").lstrip()[:_LONGEST]
    text = unicodedata.normalize("NFKC", number.encode("utf-8", "replace").decode()).casefold()
    return "".join(filter(str.isprintable, text)).strip().lstrip("#").lstrip()[:_LONGEST]
