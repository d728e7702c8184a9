"""Moments as systems write them, for the wire models of all systems."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AwareDatetime, BeforeValidator

if TYPE_CHECKING:
    from collections.abc import Iterable

#: From this number on, a number counts milliseconds since 1970: as seconds it would be the year 5138.
_MILLISECONDS: Final = 100_000_000_000
#: The year 5138 in milliseconds.
_LATEST: Final = 100_000_000_000_000
_ZONES: Final = re.compile(r"[Zz]+$")
#: No order is as old: an earlier moment is an empty date, a zero, or a number of something else.
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


def latest_of(moments: Iterable[datetime]) -> datetime | None:
    """Return the latest of the moments that an order shows; None if it shows none that can be one."""
    latest = max(moments, default=_EARLIEST)
    return latest if latest > _EARLIEST else None


def utc(value: object) -> object:
    """Return a moment with its zone: UTC, if it names none. A number counts seconds or milliseconds since 1970.

    A second "Z", as in an example of Dropboy's documents, is dropped. Raise ValueError for a text that is no moment.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(_ZONES.sub("Z", value.strip()))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return value
    seconds = Decimal(value)
    if not seconds.is_finite() or abs(seconds) >= _LATEST:
        raise ValueError("not a moment")
    return datetime.fromtimestamp(float(seconds / 1000 if abs(seconds) >= _MILLISECONDS else seconds), UTC)


#: A moment in UTC, unless it names another zone.
UtcMoment = Annotated[AwareDatetime, BeforeValidator(utc)]
