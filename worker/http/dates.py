"""The times that the headers of an answer tell."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds; nobody is believed who asks for more.
LONGEST_WAIT: Final = 3600.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the header Retry-After (RFC 9110, 10.2.3), an hour at most; None where it is none or nonsense.

    A date is read against the `Date` of the same answer: their clock, not ours.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return min(float(text), LONGEST_WAIT)
    until = moment(text)
    if until is None:
        return None
    now = moment(headers.get("Date", ""))
    left = until.timestamp() - (time.time() if now is None else now.timestamp())
    return min(max(left, 0.0), LONGEST_WAIT)


def moment(text: str) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7) as aware UTC; None if it is none."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
