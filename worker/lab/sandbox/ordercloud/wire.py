"""How OrderCloud writes moments, JSON with exact amounts, and errors."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Never

import simplejson

#: A moment is an integer number of ticks, as in .NET; this many make a second (seven digits).
TICKS: Final = 10_000_000
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7})\d*)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_encode = simplejson.JSONEncoder(ensure_ascii=False, separators=(",", ":"), use_decimal=True).encode


class RefusedError(Exception):
    """A call is refused; the body has the form of all errors of the API."""

    def __init__(self, status: int, code: str, message: str, data: Any = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.data = status, code, message, data

    def body(self) -> bytes:
        """Return `{"Errors": [{"ErrorCode", "Message", "Data"}]}`."""
        return dump({"Errors": [{"ErrorCode": self.code, "Message": self.message, "Data": self.data}]})


def missing(kind: str, key: str) -> RefusedError:
    """Return a 404; OrderCloud's own client builds its message from ObjectType and ObjectID."""
    return RefusedError(404, "NotFound", "Object not found.", {"ObjectType": kind, "ObjectID": key})


def invalid(message: str, field: str | None = None) -> RefusedError:
    """Return the error for a field with an invalid value."""
    return RefusedError(400, "ValidationFailure", message, None if field is None else {field: [message]})


def dump(value: object) -> bytes:
    """Return JSON as it is sent over the wire; a Decimal is written exactly."""
    return _encode(value).encode()


def load(body: bytes) -> Any:
    """Return a posted body with fractions as Decimal. Raise RefusedError if it is not JSON."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except ValueError:
        raise RefusedError(400, "Request.InvalidRequestBody", "Invalid or missing JSON body.") from None


def _refuse_constant(text: str) -> Never:
    raise ValueError(text)


def now() -> int:
    """Return the current moment in ticks."""
    return time.time_ns() // 100


def written(moment: int) -> str:
    """Return a moment as text: UTC as `+00:00`, and the fraction of the second without trailing zeros."""
    seconds, ticks = divmod(moment, TICKS)
    fraction = f"{ticks:07d}".rstrip("0")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction and '.'}{fraction}+00:00"


@lru_cache(maxsize=200_000)
def moment(text: str) -> int:
    """Return the moment of a text, in UTC if it names no zone. Raise ValueError if it is not one."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, clock, fraction, zone = match.groups()
    whole = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone or '+00:00'}")
    return int(whole.timestamp()) * TICKS + int((fraction or "0").ljust(7, "0"))
