"""Refusals: their bodies, and those that something else than the API sent."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Final

from urllib3.exceptions import HTTPError

from worker.errors import Misdirected
from worker.http.connection import content_of
from worker.jsontext.decoding import decode

#: The statuses of a server that has nothing at the address, or does not take this method there. An adapter accepts one
#: of them only where it means that an order does not exist.
ELSEWHERE: Final = frozenset({404, 405, 410, 421, 426})
#: The statuses that proxies and firewalls send with a page of their own. Any other (413, 422) concerns what was sent.
_OF_PROXIES: Final = ELSEWHERE | {400, 401, 402, 403, 406, 407, 451}
#: Bytes to read of a refusal: enough for its field errors, and to reuse the connection.
_MOST: Final = 64 * 1024
_PAGE: Final = re.compile(rb"\s*<(?:!doctype|html)", re.IGNORECASE)


def body_of(raw: Any) -> bytes:
    """Return the body of a refusal; an empty one if it is lost or too large."""
    with suppress(OSError, HTTPError, ValueError):
        return content_of(raw, _MOST)
    return b""


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
    return Misdirected(f"{message}, not from the API: the url is probably wrong, or a proxy or maintenance answers")
