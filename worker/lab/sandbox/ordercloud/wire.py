"""How OrderCloud writes moments, JSON with exact amounts, and its errors."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Never

import simplejson

#: A moment is a count of these per second, as .NET counts: seven digits of a second.
TICKS: Final = 10_000_000
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7})\d*)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_encode = simplejson.JSONEncoder(ensure_ascii=False, separators=(",", ":"), use_decimal=True).encode


class RefusedError(Exception):
    """A call that is answered with an error, in the shape that all errors of the API have."""

    def __init__(self, status: int, code: str, message: str, data: Any = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.data = status, code, message, data

    def body(self) -> bytes:
        """`{"Errors": [{"ErrorCode", "Message", "Data"}]}`."""
        return dump({"Errors": [{"ErrorCode": self.code, "Message": self.message, "Data": self.data}]})


def missing(kind: str, key: str) -> RefusedError:
    """The 404; a client of theirs builds its message out of ObjectType and ObjectID."""
    return RefusedError(404, "NotFound", "Object not found.", {"ObjectType": kind, "ObjectID": key})


def invalid(message: str) -> RefusedError:
    """A field has a value that it cannot have."""
    return RefusedError(400, "ValidationFailure", message)


def dump(value: object) -> bytes:
    """JSON as it goes over the wire; a Decimal is written digit by digit."""
    return _encode(value).encode()


def load(body: bytes) -> Any:
    """A posted body, its fractions exact; a refusal if it is no JSON."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except ValueError:
        raise RefusedError(400, "Request.InvalidRequestBody", "Invalid or missing JSON body.") from None


def _no_number(text: str) -> Never:
    raise ValueError(text)


def now() -> int:
    """This moment."""
    return time.time_ns() // 100


def written(moment: int) -> str:
    """UTC with `+00:00` for `Z`, and no more digits of the second than there are: none to seven."""
    seconds, rest = divmod(moment, TICKS)
    fraction = f"{rest:07d}".rstrip("0")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction and '.'}{fraction}+00:00"


@lru_cache(maxsize=200_000)
def moment(text: str) -> int:
    """The moment a text names; without a zone it is UTC. Raises ValueError."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, clock, fraction, zone = found.groups()
    whole = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone or '+00:00'}")
    return int(whole.timestamp()) * TICKS + int((fraction or "0").ljust(7, "0"))
