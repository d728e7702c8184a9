"""A bearer token that is replaced once when it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.http.client import Answer, Client

_UNAUTHORIZED: Final = 401
_NONE: Final[frozenset[int]] = frozenset()


class Bearer:
    """Calls of one account under a token that `ask` gets.

    A token names its end, but by whose clock? An adapter looks at none. Their 401 is the word of the clock that
    counts: it costs one call for each token, and is needed anyhow for a token that was revoked. A call that was
    refused with 401 has changed nothing there, so a write is repeated as well. The second 401 in a row is the last
    (AuthFailed): a wrong key makes two calls, never a storm.
    """

    def __init__(self, client: Client, ask: Callable[[], str]) -> None:
        self._client, self._ask = client, ask
        self._headers: dict[str, str] = {}

    def read(self, path: str, query: Sequence[tuple[str, str]] = (), *, accept: frozenset[int] = _NONE) -> Answer:
        """As `Client.read`."""
        return self._twice(lambda wanted: self._client.read(path, query, headers=self._headers, accept=wanted), accept)

    def write(self, method: str, path: str, *, json: object = None, accept: frozenset[int] = _NONE) -> Answer:
        """As `Client.write`."""
        return self._twice(
            lambda wanted: self._client.write(method, path, json=json, headers=self._headers, accept=wanted), accept
        )

    def renew(self) -> None:
        """Ask for a new token; raises what `ask` raises."""
        self._headers = {"Authorization": f"Bearer {self._ask()}"}

    def _twice(self, call: Callable[[frozenset[int]], Answer], accept: frozenset[int]) -> Answer:
        if not self._headers:
            self.renew()
        answer = call(accept | {_UNAUTHORIZED})
        if answer.status == _UNAUTHORIZED:
            self.renew()
            answer = call(accept)
        return answer
