"""The path of a call: a text of another system is one segment of it, or the call is not made."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from worker.errors import Malformed

#: A segment that a server, or a proxy before it, resolves: as it is, or once the path is decoded.
_RESOLVED: Final = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\]|$)")


def segment(text: str) -> str:
    """Return the text as one segment of a path. Raise Malformed for a text that would name another path."""
    if not text:
        raise Malformed("an empty id cannot be a part of a path")
    refuse_resolved(text)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise Malformed("an id with half a character cannot be a part of a path") from None


def refuse_resolved(path: str) -> None:
    """Raise Malformed for a path with a segment `.` or `..`, however often it is encoded."""
    while True:
        if _RESOLVED.search(path):
            raise Malformed("an id with a part . or .. would change the path of a call")
        decoded = unquote(path)
        if decoded == path:
            return
        path = decoded
