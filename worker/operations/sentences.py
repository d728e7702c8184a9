"""The sentences with which a target refused an order, from the fields that the ledger keeps of its response."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from worker.store.redis.connection import FORBIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.store.orders.stuck import Stuck

#: Keys that only say that an error follows.
_ENVELOPES: Final = frozenset(
    {"errors", "error", "errormsg", "message", "messages", "detail", "details", "description"}
)
#: Texts of an order that are too short, or too common, to identify a person.
_SHORTEST: Final = 3
_NAMELESS: Final = frozenset({"status", "status_raw", "currency", "sku", "provider", "kind", "method", "type"})
_MASK: Final = "***"


class Summary(NamedTuple):
    """What people without access to personal data may know of an order: its number, and why the target refused it."""

    number: str = ""
    said: str = ""


def summaries(stuck: Stuck, order_keys: Sequence[str]) -> list[Summary]:
    """Return the summary of each order that waits for a person; empty ones if this user of Redis may read no orders."""
    try:
        contents = stuck.contents(order_keys)
    except FORBIDDEN:
        return [Summary()] * len(order_keys)
    return [_summary(content, fields) for content, fields in contents]


def _summary(content: str, fields: str) -> Summary:
    if not content:
        return Summary()
    said = "; ".join(impersonal(sentence, content) for sentence in sentences(fields or "{}"))
    return Summary(json.loads(content).get("display_id") or "", said)


def sentences(fields: str) -> list[str]:
    """Return the sentences of the target, each after the field that it is about; the text itself if it is not JSON."""
    try:
        said = json.loads(fields)
    except ValueError:
        return [fields]
    return list(dict.fromkeys(_flat("", said)))


def _flat(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            name = "" if str(key).casefold() in _ENVELOPES else str(key)
            yield from _flat(".".join(filter(None, (path, name))), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _flat(path, inner)
    elif value not in (None, "", True, False):
        yield f"{path}: {value}" if path else str(value)


def impersonal(sentence: str, order: str) -> str:
    """Return a sentence about an order, given as JSON, with `***` for every text of the order that occurs in it."""
    texts = sorted({text.casefold() for text in _texts("", json.loads(order))}, key=len, reverse=True)
    for text in texts:
        sentence = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", _MASK, sentence, flags=re.IGNORECASE)
    return sentence


def _texts(key: str, value: Any) -> Iterator[str]:
    """Yield every text and number of an order that may be about a person, and each word of it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(name, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(key, inner)
    elif isinstance(value, str | int) and not isinstance(value, bool) and key not in _NAMELESS:
        text = str(value)
        yield from (part for part in (text, *text.split()) if len(part) >= _SHORTEST)
