"""The calls to one RetailCRM account that its provider and its target share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas import retailcrm as wire
from worker.errors import Misdirected, Unavailable
from worker.systems.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SecretStr

    from worker.http.client import Answer, Client

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404


class Account:
    """One account with its API key."""

    def __init__(self, client: Client, key: SecretStr) -> None:
        self._client = client
        self.headers = {"X-API-KEY": key.get_secret_value()}

    def get(self, path: str, query: Sequence[tuple[str, str]] = (), accept: frozenset[int] = frozenset()) -> Answer:
        """Read a path of version 5 of the API."""
        return self.read(f"/api/v5/{path}", query, accept)

    def read(self, path: str, query: Sequence[tuple[str, str]] = (), accept: frozenset[int] = frozenset()) -> Answer:
        """Read a path of the server."""
        return self._client.read(path, query, headers=self.headers, accept=accept)

    def settings(self) -> wire.AccountSettings:
        """Read the settings. The answer for an unknown account is a 404 or 400, or a web page ("APIErrorMessage")."""
        answer = self.get("settings", accept=frozenset({BAD_REQUEST, NOT_FOUND}))
        if answer.status in {BAD_REQUEST, NOT_FOUND} or answer.body.lstrip().startswith(b"<"):
            raise Misdirected(
                f"{answer.request}: status {answer.status}, no RetailCRM account is there: the url is probably wrong"
            )
        return parse(answer.request, lambda: wire.Settings.model_validate(answer.json()), Unavailable).settings
