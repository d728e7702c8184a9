"""JSON bodies, with their numbers as they were written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import simplejson

from worker.systems.webhook.contract import Refused


def parse(body: bytes) -> Any:
    """Return the JSON value of the body. Raises Refused for any other body."""
    try:
        return simplejson.loads(body.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, RecursionError):
        raise Refused(400, "not_json", "the body is not JSON in UTF-8, or nested too deep") from None


def write(value: Any) -> str:
    """Return the value of a body as JSON. Raises Refused if it cannot be written in UTF-8."""
    try:
        text: str = simplejson.dumps(value, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (ValueError, RecursionError):
        raise Refused(400, "not_unicode", "the body holds half a character, or is nested too deep") from None
    return text
