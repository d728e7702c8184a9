"""Times in the headers of a response."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Most seconds to wait, whatever the other side asks for.
LONGEST_WAIT: Final = 3600.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by the header Retry-After (RFC 9110, 10.2.3): at most an hour. None: no valid header.

    A date is compared with the `Date` of the same response: their clock, not ours.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return min(float(text), LONGEST_WAIT)
    until = parse_date(text)
    if until is None:
        return None
    now = parse_date(headers.get("Date", ""))
    left = until.timestamp() - (time.time() if now is None else now.timestamp())
    return min(max(left, 0.0), LONGEST_WAIT)


def parse_date(text: str) -> datetime | None:
    """Return an HTTP date (RFC 9110, 5.6.7) as an aware UTC time, or None if `text` is not one."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
