"""Lengths of time and limits as written in the settings."""

from __future__ import annotations

import pytest

from worker.durations import format_duration, parse_duration
from worker.store.limits.limit import Limit


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("10s", 10), ("1h30m", 5400), ("1.5h", 5400), ("2 d", 172800), (" 1M ", 60)]
)
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "0s", "1s x", "1e9s", "99999d", "nan"])
def test_an_invalid_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a length of time"):
        parse_duration(text)


def test_a_length_of_time_is_written_as_it_is_read() -> None:
    assert [format_duration(s) for s in (0.5, 1.5, 90, 5400, 7200, 86400)] == [
        "500ms",
        "1.5s",
        "90s",
        "90m",
        "2h",
        "1d",
    ]


@pytest.mark.parametrize("text", ["10", "0/s", "10/y", "x/s", "10/0s", "-1/s", "1.5/s", ""])
def test_an_invalid_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a limit"):
        Limit.parse(text)


def test_a_limit_is_written_as_it_is_read() -> None:
    for text in ("10/s", "600/m", "5000/h", "100000/d", "100/10s"):
        assert str(Limit.parse(text)) == text
