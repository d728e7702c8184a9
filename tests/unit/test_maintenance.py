"""Maintenance windows: when they begin and end, in their time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from worker.errors import TargetDown
from worker.http.gates import MaintenanceGate, Open
from worker.settings.maintenance import Maintenance, windows
from worker.settings.tables import SettingError


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def left(texts: list[str], now: str, zone: str = "UTC") -> float:
    return Maintenance(windows(texts), zone).left(at(now))


def test_a_window_lasts_from_its_first_minute_to_its_last() -> None:
    sunday = ["Sun 02:00-04:00"]  # 2026-03-01 is a Sunday
    assert left(sunday, "2026-03-01T01:59:59") == 0
    assert left(sunday, "2026-03-01T02:00:00") == 7200
    assert left(sunday, "2026-03-01T03:59:59") == 1
    assert left(sunday, "2026-03-01T04:00:00") == 0
    assert left(sunday, "2026-03-02T03:00:00") == 0


def test_a_window_may_span_midnight_and_several_days() -> None:
    nights = ["Fri-Mon 22:00-06:00"]
    assert left(nights, "2026-02-27T23:00:00") == 7 * 3600
    assert left(nights, "2026-03-03T05:00:00") == 3600, "Monday's window, on Tuesday"
    assert left(nights, "2026-02-27T05:00:00") == 0, "Thursday has no window"
    assert left(["daily 00:00-24:00"], "2026-03-03T05:00:00") > 6 * 86_400


def test_windows_that_touch_are_one() -> None:
    assert left(["Sun 02:00-04:00", "Sun 04:00-05:00"], "2026-03-01T03:00:00") == 7200


def test_windows_follow_the_clocks_of_their_zone_through_summer_time() -> None:
    zone = "Europe/Amsterdam"
    assert left(["daily 04:00-05:00"], "2026-03-28T03:30:00", zone) == 1800, "winter"
    assert left(["daily 04:00-05:00"], "2026-03-29T02:30:00", zone) == 1800, "summer"
    assert left(["daily 04:00-05:00"], "2026-03-29T03:30:00", zone) == 0
    twice = ["Sun 02:00-03:00"]  # on 2026-10-25, 02:30 occurs twice: at 00:30 and at 01:30 UTC
    assert left(twice, "2026-10-25T00:30:00", zone) == 5400
    assert left(twice, "2026-10-25T01:30:00", zone) == 1800


@pytest.mark.parametrize(
    "text", ["Sun", "Sunday 02:00-04:00", "Sun 02:00", "Sun 2:00-4:00", "Sun 24:00-25:00", "Sun 02:00-02:00", 7, "x"]
)
def test_an_invalid_window_is_refused_with_a_remedy(text: object) -> None:
    with pytest.raises(SettingError, match="is not a time of maintenance"):
        windows([text])


def test_a_closed_gate_refuses_calls_with_the_remaining_time() -> None:
    remaining = [90.0]
    gate = MaintenanceGate(Open(), lambda: remaining[0])
    with pytest.raises(TargetDown) as down:
        gate.enter()
    assert (down.value.delay, down.value.uncertain) == (90.0, False)
    remaining[0] = 0.0
    gate.enter()
    assert gate.close(3.0) == 3.0
