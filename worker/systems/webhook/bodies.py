"""A body as JSON, with its numbers as they were written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import simplejson

from worker.systems.webhook.contract import Refused


def parse(body: bytes) -> Any:
    """What the body says; raises Refused."""
    try:
        return simplejson.loads(body.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, RecursionError):
        raise Refused(400, "not_json", "the body is not JSON in UTF-8, or nested too deep") from None


def write(said: Any) -> str:
    """The JSON of what a body said; raises Refused where it cannot be written in UTF-8."""
    try:
        text: str = simplejson.dumps(said, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (ValueError, RecursionError):
        raise Refused(400, "not_unicode", "the body holds half a character, or is nested too deep") from None
    return text
