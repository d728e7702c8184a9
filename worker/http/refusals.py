"""Failed calls: their causes, the words of refusals, and those that something else than the API sent."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import Any, Final

from worker.errors import Misdirected
from worker.jsontext.decoding import decode

#: The statuses of a server that has nothing at the address, or does not take this method there. An adapter accepts one
#: of them only where it means that an order does not exist.
ELSEWHERE: Final = frozenset({404, 405, 410, 421, 426})
#: The statuses that proxies and firewalls send with a page of their own. Any other (413, 422) concerns what was sent.
_OF_PROXIES: Final = ELSEWHERE | {400, 401, 402, 403, 406, 407, 451}
_PAGE: Final = re.compile(rb"\s*<(?:!doctype|html)", re.IGNORECASE)


def field_errors(body: bytes) -> dict[str, Any]:
    """Return the body of a refusal if it is a JSON object, else an empty dict."""
    with suppress(ValueError):
        words = decode(body)
        return words if isinstance(words, dict) else {}
    return {}


def is_foreign(raw: Any, body: bytes) -> bool:
    """Return whether a refusal is the web page of a proxy or a firewall: no API refuses with one."""
    if raw.status not in _OF_PROXIES:
        return False
    return str(raw.headers.get("Content-Type", "")).lower().startswith("text/html") or bool(_PAGE.match(body))


def misdirected(message: str) -> Misdirected:
    """Return the error for a response that something else than the API sent."""
    return Misdirected(
        f"{message}, not from the API: the url is probably wrong, or a proxy or a maintenance page responds"
    )


_CAUSES: Final[dict[type[BaseException], str]] = {
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "connection reset",
    socket.gaierror: "no address is known for this name",
}


def cause(error: BaseException) -> str:
    """Return the innermost error as text or as the name of its class, because the errors around it hold URLs."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        inner = getattr(error, "reason", None) or error.__cause__ or [None, *error.args][-1]
    return _CAUSES.get(type(error), type(error).__name__)
