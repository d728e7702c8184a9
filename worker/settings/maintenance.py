"""The maintenance windows of an account, in which it is not called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from worker.settings.tables import SettingError, as_list

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM: Final = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))?|(daily)) (\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY: Final = 24 * 60
#: Windows that touch count as one; no more than this many can touch in a week.
_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class Window:
    """The days of the week (0 is Monday) on which a window begins, and its minutes of the day.

    A window that ends on the next day has an end of more than 24 hours.
    """

    days: tuple[int, ...]
    begins: int
    ends: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """Parse `Sun 02:00-04:00`, `Mon-Fri 22:00-06:00` or `daily 03:00-03:30`; raise ValueError for other texts."""
        if (match := _FORM.fullmatch(text.strip().lower())) is None:
            raise ValueError("not a window")
        first, last, daily, *clock = match.groups()
        begins, ends = int(clock[0]) * 60 + int(clock[1]), int(clock[2]) * 60 + int(clock[3])
        if begins >= _DAY or ends > _DAY or begins == ends or int(clock[1]) > 59 or int(clock[3]) > 59:  # noqa: PLR2004
            raise ValueError("not a time of the day")
        start, end = (0, 6) if daily else (_DAYS.index(first), _DAYS.index(last or first))
        days = tuple((start + n) % 7 for n in range((end - start) % 7 + 1))
        return cls(days, begins, ends if ends > begins else ends + _DAY)

    def __str__(self) -> str:
        first, last = self.days[0], self.days[-1]
        days = "daily" if len(self.days) == len(_DAYS) else _DAYS[first].capitalize()
        if 1 < len(self.days) < len(_DAYS):
            days += f"-{_DAYS[last].capitalize()}"
        begins, ends = divmod(self.begins, 60), divmod(self.ends % _DAY or _DAY, 60)
        return f"{days} {begins[0]:02}:{begins[1]:02}-{ends[0]:02}:{ends[1]:02}"

    def end(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the end of the window if `now` is in it."""
        today = now.astimezone(zone).date()
        for day in (today, today - timedelta(days=1)):
            if day.weekday() in self.days:
                midnight = datetime.combine(day, time(), zone)
                # The hour that occurs twice in autumn belongs to the window both times.
                begins = (midnight + timedelta(minutes=self.begins)).astimezone(UTC)
                ends = (midnight + timedelta(minutes=self.ends)).replace(fold=1).astimezone(UTC)
                if begins <= now < ends:
                    return ends
        return None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The windows of one account, in the time zone `zone`."""

    windows: tuple[Window, ...] = ()
    zone: str = "UTC"

    def left(self, now: datetime) -> float:
        """Return the seconds until the account may be called again; 0 if it may be called now."""
        at, zone = now, ZoneInfo(self.zone)
        for _ in range(_MOST):
            ends = max((end for window in self.windows if (end := window.end(at, zone))), default=None)
            if ends is None:
                break
            at = ends
        return (at - now).total_seconds()


def windows(value: Any) -> tuple[Window, ...]:
    """Parse one window or several, as the settings write them."""
    try:
        return tuple(Window.parse(text) for text in as_list(value))
    except (AttributeError, TypeError, ValueError):
        remedy = 'Write ["Sun 02:00-04:00"], ["Mon-Fri 22:00-06:00"] or ["daily 03:00-03:30"].'
        raise SettingError("is not a time of maintenance", remedy) from None


def zone(name: str) -> str:
    """Return the name of a known time zone."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingError("is not a time zone", 'Write its name: "Europe/Amsterdam".') from None
