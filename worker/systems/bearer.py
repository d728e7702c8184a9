"""Calls with a bearer token, which is replaced once when it is refused."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from worker.http.client import Answer, Client

_UNAUTHORIZED: Final = 401
_NONE: Final[frozenset[int]] = frozenset()
#: Whether this thread requests a token now; and whether it sends nothing at all, so that it needs none.
_RENEWS: Final[ContextVar[bool]] = ContextVar("renews", default=False)
_NEEDS_NONE: Final[ContextVar[bool]] = ContextVar("needs_none", default=False)


def renews_token() -> bool:
    """Return whether the current request of this thread is one for a token: it writes nothing."""
    return _RENEWS.get()


@contextmanager
def without_token() -> Iterator[None]:
    """Request no token in this thread: whoever watches its requests stops each of them."""
    before = _NEEDS_NONE.set(True)
    try:
        yield
    finally:
        _NEEDS_NONE.reset(before)


class Bearer:
    """The calls of one account under a token that `request_token` returns.

    An adapter looks at no clock, so the expiry of a token is not used: the 401 of the system decides. That costs one
    call per token, and is needed for revoked tokens anyway. A call that was refused with 401 has changed nothing, so
    writes are repeated as well. The second 401 in a row is final (AuthFailed): a wrong key makes two calls. Of several
    threads that are refused, one requests the new token.
    """

    def __init__(self, client: Client, request_token: Callable[[], str]) -> None:
        self._client, self._request_token = client, request_token
        self._headers: dict[str, str] = {}
        self._lock = threading.Lock()

    def read(self, path: str, query: Sequence[tuple[str, str]] = (), *, accept: frozenset[int] = _NONE) -> Answer:
        """Call `Client.read`."""
        return self._twice(
            lambda statuses: self._client.read(path, query, headers=self._headers, accept=statuses), accept
        )

    def write(self, method: str, path: str, *, json: object = None, accept: frozenset[int] = _NONE) -> Answer:
        """Call `Client.write`."""
        return self._twice(
            lambda statuses: self._client.write(method, path, json=json, headers=self._headers, accept=statuses), accept
        )

    def renew(self) -> None:
        """Request a new token. Raises what `request_token` raises."""
        before = _RENEWS.set(True)
        try:
            self._headers = {"Authorization": f"Bearer {self._request_token()}"}
        finally:
            _RENEWS.reset(before)

    def _twice(self, call: Callable[[frozenset[int]], Answer], accept: frozenset[int]) -> Answer:
        used = self._headers or ({} if _NEEDS_NONE.get() else self._renewed({}))
        answer = call(accept | {_UNAUTHORIZED})
        if answer.status == _UNAUTHORIZED:
            self._renewed(used)
            answer = call(accept)
        return answer

    def _renewed(self, used: dict[str, str]) -> dict[str, str]:
        """Return the headers with a newer token than `used`, which another thread may have requested meanwhile."""
        with self._lock:
            if self._headers == used:
                self.renew()
            return self._headers
