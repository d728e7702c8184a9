"""The range of a backfill that begins in the console or by the API."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

#: The longest range of a backfill that begins there: a year and a bit.
LONGEST: Final = timedelta(days=400)


def limit_range(begin: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the range as far as it is past; None if it is empty, in the future or too long."""
    now = now.replace(second=0, microsecond=0)
    return None if begin >= min(end, now) or end - begin > LONGEST else (begin, min(end, now))
