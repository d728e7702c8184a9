"""The calls to Dropboy that provider and target share (docs.dropboy.com/reference, "introduction")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from schemas.dropboy import Envelope, Rows, id_of
from worker.errors import AuthFailed, Misdirected, Rejected, Unavailable, Uncertain
from worker.systems.paging import ListPosition
from worker.systems.parsing import objects, parse
from worker.systems.steps import current_place, note_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from worker.http.client import Answer, Client

BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
#: The fewest rows that a page is reduced to: no server is expected to allow less.
_LEAST: Final = 10
#: The most pages of a list: more than any account has, to stop at a server that never ends its list.
_MOST_PAGES: Final = 10_000
_KEY: Final = re.compile(r"(missing|invalid) api[ -]?key", re.IGNORECASE)


class Api:
    """One account. The texts of a refusal may repeat what was sent, so they are never part of a message."""

    def __init__(self, client: Client, key: SecretStr, take: int) -> None:
        self._client, self.take = client, take
        self.headers = {"APIkey": key.get_secret_value()}

    def page(self, skip: int, take: int) -> list[dict[str, Any]]:
        """Return rows of `GET /public/orders` as they were sent. The server may return fewer than `take`.

        Its maximum is not documented: if it refuses `take`, half of it is requested.
        """
        requested = take
        answer, envelope = self._list(skip, requested)
        while answer.status == BAD_REQUEST and requested >= 2 * _LEAST:
            requested //= 2
            answer, envelope = self._list(skip, requested)
        if not envelope.success:
            raise Unavailable(f"{answer.request}: status {answer.status}: not a success")
        rows = parse(answer.request, lambda: Rows.model_validate({"result": envelope.result}), Unavailable).result
        self.take = requested if take == self.take else self.take
        return objects(rows)

    def _list(self, skip: int, take: int) -> tuple[Answer, Envelope]:
        answer = self.read("/public/orders", [("take", str(take)), ("skip", str(skip))])
        if answer.status == _NOT_FOUND:
            raise Misdirected(f"{answer.request}: status 404, no Dropboy account is there: the url is probably wrong")
        return answer, envelope_of(answer, Unavailable)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the whole list, or the rest of it if this call was interrupted; some rows may come twice."""
        place = current_place()
        position = ListPosition.model_validate_json(place) if place else ListPosition()
        for _ in range(_MOST_PAGES):
            rows = self.page(position.skip, self.take)
            yield from rows
            after = position.after(ids_of(rows))
            if after is None:
                return
            position = after
            note_place(position.model_dump_json(exclude_defaults=True))
        raise Unavailable(f"GET /public/orders: no end after {_MOST_PAGES} pages")

    def read(self, path: str, query: list[tuple[str, str]] | tuple[()] = ()) -> Answer:
        """Send a GET. Return a 400 or 404 like a success."""
        accept = frozenset({BAD_REQUEST, _NOT_FOUND})
        return self._client.read(path, query, headers=self.headers, accept=accept)

    def check(self) -> None:
        """Read one order: no cheaper call needs the key."""
        self.page(0, 1)


def envelope_of(answer: Answer, unreadable: type[Unavailable | Uncertain]) -> Envelope:
    """Return the envelope of an answer, which may be a refusal. Raises AuthFailed for a refused key.

    A refused key is recognized by its text: the status is not documented, and 401 and 403 are used for each other.
    """
    envelope = Envelope(success=False)
    if answer.status < BAD_REQUEST:
        envelope = parse(answer.request, lambda: Envelope.model_validate(answer.json("result")), unreadable)
    else:
        with suppress(Unavailable, Uncertain):  # it is a refusal, even if it cannot be read
            body = parse(answer.request, lambda: Envelope.model_validate(answer.json()), unreadable)
            envelope = body.model_copy(update={"success": False})
    if not envelope.success and any(_KEY.search(text) for text in envelope.messages):
        raise AuthFailed(f"{answer.request}: status {answer.status}: the API key is missing or not valid")
    return envelope


def refused(answer: Answer, envelope: Envelope) -> Rejected:
    """Return the error of a refusal, with its texts as fields."""
    return Rejected(f"{answer.request}: status {answer.status}: refused", {"errors": envelope.messages})


def ids_of(rows: list[dict[str, Any]]) -> list[str]:
    """Return a text for each row that identifies it; rows without an id have the same."""
    return [str(id_of(row)) for row in rows]
