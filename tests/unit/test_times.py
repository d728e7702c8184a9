"""Moments are read however systems write them; what is no moment is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.times import UtcMoment

MOMENT: TypeAdapter[datetime] = TypeAdapter(UtcMoment)
AT = datetime(2026, 3, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-05T10:00:00.000000Z",
        "2026-03-05T10:00:00.000ZZ",
        "2026-03-05T11:00:00+01:00",
        "2026-03-05 10:00:00",
        " 2026-03-05T10:00 ",
        1772704800,
        1772704800000,
        Decimal(1772704800000),
        Decimal("1.7727048E+9"),
        AT,
    ],
)
def test_a_moment_is_read_in_any_form(written: object) -> None:
    assert MOMENT.validate_python(written) == AT


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "2026-13-05T10:00:00Z",
        True,
        [],
        10**30,
        -(10**18),
        Decimal("1E+400"),
        Decimal("NaN"),
        Decimal("inf"),
    ],
)
def test_what_is_no_moment_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(written)
