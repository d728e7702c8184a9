"""The time window of a transport, from the day and the hours that were promised."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from schemas.order import Shipping


class Window(NamedTuple):
    """Two moments, written in UTC with milliseconds and Z."""

    start: str
    end: str


def window_of(shipping: Shipping, zone: ZoneInfo | None) -> Window | None:
    """Return the promised time in the time zone of the receiver, the whole day if no hours are promised.

    Return None without a zone, and for a promise that is no window: no day, a day that the calendar does not have, or
    a single moment. Hours that end before they begin end on the next day.
    """
    if zone is None or not shipping.promised_on or _is_moment(shipping):
        return None
    first, until = shipping.promised_from or "00:00", shipping.promised_until
    with suppress(ValueError, OverflowError):
        day = date.fromisoformat(shipping.promised_on)
        ends = day if until and until > first else day + timedelta(days=1)
        return Window(_moment(day, first, zone), _moment(ends, until or "00:00", zone))
    return None


def _is_moment(shipping: Shipping) -> bool:
    return shipping.promised_until is not None and shipping.promised_from == shipping.promised_until


def _moment(day: date, hours: str, zone: ZoneInfo) -> str:
    at = datetime.combine(day, time.fromisoformat(hours), zone).astimezone(UTC)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
