"""The calls to Dropboy that its provider and its target have in common (docs.dropboy.com/reference, "introduction")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from schemas.dropboy import Envelope, Rows
from worker.errors import AuthFailed, Rejected, Unavailable, Uncertain
from worker.systems.paging import ListPosition
from worker.systems.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from worker.http.client import Answer, Client

BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
#: Rows of a page: no maximum is thought to be less.
_LEAST: Final = 10
#: Pages of one walk: more than anybody has, fewer than a server that knows no end.
_MOST_PAGES: Final = 10_000
_KEY: Final = re.compile(r"(missing|invalid) api[ -]?key", re.IGNORECASE)


class Api:
    """One account. The words of a refusal are theirs and may repeat what was sent: never in a message."""

    def __init__(self, client: Client, key: SecretStr, take: int) -> None:
        self._client, self._take = client, take
        self.headers = {"APIkey": key.get_secret_value()}

    def page(self, skip: int, take: int | None = None) -> list[dict[str, Any]]:
        """`GET /public/orders`: rows as they were sent; the server may give fewer than `take`.

        It may as well refuse a `take` that is more than its maximum, which no page names: then half is asked for.
        """
        asked = take or self._take
        answer, said = self._listed(skip, asked)
        while answer.status == BAD_REQUEST and asked >= 2 * _LEAST:
            asked //= 2
            answer, said = self._listed(skip, asked)
        if not said.success:
            raise Unavailable(f"{answer.request}: status {answer.status}: not a success")
        rows = parse(answer.request, lambda: Rows.model_validate({"result": said.result}), Unavailable).result
        self._take = asked if take is None else self._take
        return rows

    def _listed(self, skip: int, take: int) -> tuple[Answer, Envelope]:
        answer = self.read("/public/orders", [("take", str(take)), ("skip", str(skip))])
        if answer.status == _NOT_FOUND:
            raise AuthFailed(f"{answer.request}: status 404, no Dropboy account is there: the url is probably wrong")
        return answer, envelope_of(answer, Unavailable)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The whole list, some rows more than once."""
        place = ListPosition()
        for _ in range(_MOST_PAGES):
            rows = self.page(place.skip)
            yield from rows
            after = place.after(ids_of(rows))
            if after is None:
                return
            place = after
        raise Unavailable(f"GET /public/orders: no end after {_MOST_PAGES} pages")

    def read(self, path: str, query: list[tuple[str, str]] | tuple[()] = ()) -> Answer:
        """GET; 400 and 404 come back like a success."""
        accept = frozenset({BAD_REQUEST, _NOT_FOUND})
        return self._client.read(path, query, headers=self.headers, accept=accept)

    def check(self) -> None:
        """Read one order: there is no cheaper call that needs the key."""
        self.page(0, 1)


def envelope_of(answer: Answer, unreadable: type[Unavailable | Uncertain]) -> Envelope:
    """What they say, which may be a refusal; raises AuthFailed if it is one of the key.

    By its text: what status comes with it is not documented, and their 401 and 403 mean each other.
    """
    said = Envelope(success=False)
    if answer.status < BAD_REQUEST:
        said = parse(answer.request, lambda: Envelope.model_validate(answer.json()), unreadable)
    else:
        with suppress(Unavailable, Uncertain):  # refused for certain, however it is said
            read = parse(answer.request, lambda: Envelope.model_validate(answer.json()), unreadable)
            said = read.model_copy(update={"success": False})
    if not said.success and any(_KEY.search(text) for text in said.words):
        raise AuthFailed(f"{answer.request}: status {answer.status}: the API key is missing or not valid")
    return said


def refused(answer: Answer, said: Envelope) -> Rejected:
    """Their words as fields."""
    return Rejected(f"{answer.request}: status {answer.status}: refused", {"errors": said.words})


def ids_of(rows: list[dict[str, Any]]) -> list[str]:
    """By what rows are told apart, whether they have an id or not."""
    return [str(row.get("id")) for row in rows]
