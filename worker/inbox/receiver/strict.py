"""HTTP as strict as it needs to be behind a proxy: a request that two programs may read differently is refused."""

from __future__ import annotations

from typing import Any, Final

import h11

#: Most bytes of the head of a request.
HEAD: Final = 16 * 1024
#: The most headers of a request; browsers and proxies send about twenty.
_HEADERS: Final = 100


class StrictConnection(h11.Connection):
    """The connection of h11, which refuses what h11 would read and others read differently (request smuggling).

    Args:
        most: Most bytes of the head of a request. h11 itself bounds only a head that is not complete yet.
    """

    def __init__(self, most: int) -> None:
        super().__init__(h11.SERVER, most)
        self._most = most

    def next_event(self) -> Any:
        """Return the next event. Raise RemoteProtocolError for a request that is refused."""
        event = super().next_event()
        if isinstance(event, h11.Request) and (reason := objection(event, self._most)):
            self._process_error(h11.CLIENT)
            raise h11.RemoteProtocolError(reason)
        return event


def objection(request: h11.Request, most: int) -> str:
    """Return why a request is refused; "" if it is not."""
    names = {name for name, _ in request.headers}
    if request.http_version not in {b"1.0", b"1.1"}:
        return "another version of HTTP"
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        return "two lengths of one body"
    if len(request.headers) > _HEADERS:
        return "too many headers"
    if len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers) > most:
        return "a head that is too large"
    return ""
