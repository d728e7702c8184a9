"""The checks of a row of a batch file, with the messages of Dropboy's JSON Schema validator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

#: The path of a value from the order down; the first piece is empty.
Path = list[str | int]
#: The path of a wrong value, and the message.
Error = tuple[Path, str]
#: Checks the value at one path.
Check = Callable[[Path, Any], Iterator[Error]]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOMENT: Final = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}Z")


def _check(message: str, is_valid: Callable[[Any], object]) -> Check:
    def check(path: Path, value: Any) -> Iterator[Error]:
        if not is_valid(value):
            yield path, message

    return check


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_text = _check("should be string", _is_text)
_flag = _check("should be boolean", lambda value: isinstance(value, bool))
_number = _check("should be number", _is_number)
_mapping = _check("should be object", lambda value: isinstance(value, dict))


_moment = _check('should match format "date-time"', lambda value: _is_text(value) and _MOMENT.fullmatch(value))
_uuid = _check('should match format "uuid"', lambda value: _is_text(value) and _UUID.fullmatch(value))
_anything = _check("", lambda _: True)
_unknown = _check("should NOT have additional properties", lambda _: False)


def _whole_number(path: Path, value: Any) -> Iterator[Error]:
    if value is not None and not _is_number(value):
        yield path, "should be number,null"
    elif value is not None and value % 1:
        yield path, "should be integer"


def _one_of(*allowed: str) -> Check:
    return _check("should be equal to one of the allowed values", lambda value: _is_text(value) and value in allowed)


_PHONE: Final[dict[str, Check]] = {"prefix": _whole_number, "number": _whole_number}
_WINDOW: Final[dict[str, Check]] = {
    "start": _moment,
    "end": _moment,
    "timeType": _one_of("before", "after", "between", "anytime"),
    "lock": _flag,
}
_PLACE_TEXTS: Final = (
    "companyName", "attention", "address", "extraInfo", "zipCode", "city", "countryCode", "email", "comments",
)  # fmt: skip
_PLACE: Final[dict[str, Check]] = {**dict.fromkeys(_PLACE_TEXTS, _text), "coordinates": _anything}
_ORDER: Final[dict[str, Check]] = {
    **dict.fromkeys(("orderNumber", "requisition", "comments", "commentsSpecial"), _text),
    **dict.fromkeys(("pickuped", "sendSMS"), _flag),
    **dict.fromkeys(("ruleset", "smsSettings", "commentsFiles", "routingTags", "paidBy"), _anything),
    "orderType": _one_of("adhoc", "distribution"),
    "customFields": _mapping,
}


def _object(fields: dict[str, Check], other: Check) -> Check:
    """Return the check of an object; `other` checks the fields that are not in `fields`."""

    def check(path: Path, value: Any) -> Iterator[Error]:
        if not isinstance(value, dict):
            yield path, "should be object"
            return
        for key, inner in value.items():
            yield from fields.get(key, other)([*path, key], inner)

    return check


def _list_of(item: Check) -> Check:
    def check(path: Path, value: Any) -> Iterator[Error]:
        if not isinstance(value, list):
            yield path, "should be array"
            return
        for n, inner in enumerate(value):
            yield from item([*path, n], inner)

    return check


class Checker:
    """Checks the rows of batch files.

    `required` are the fields that an order must have: the documents differ about `orderNumber` and `orderType`.
    `unknown_fields`, those that no document names, are to `refuse` or to `ignore`.
    """

    def __init__(self, required: tuple[str, ...], unknown_fields: str) -> None:
        self._required = required
        other = _unknown if unknown_fields == "refuse" else _anything
        place = _object({**_PLACE, "phone": _object(_PHONE, other), "timeWindow": _object(_WINDOW, other)}, other)
        fields: dict[str, Check] = {
            **_ORDER,
            **dict.fromkeys(("origin", "destination", "sender", "receiver"), place),
            "price": _object({"amount": _number}, other),
            # The documents name only some fields of a cargo, so any other is accepted.
            "cargo": _list_of(_object({"type": _text, "amount": _number, "barcode": _text}, _anything)),
        }
        self._order = _object(fields, other)

    def errors(self, row: Any) -> list[Error]:
        """Return all errors of one row; none if it is accepted."""
        if not isinstance(row, dict) or not isinstance(row.get("order"), dict):
            return [([""], "should be object")]
        order = row["order"]
        errors: list[Error] = [
            ([""], f"should have required property '{key}'") for key in self._required if key not in order
        ]
        if "contractKey" in row:
            errors += _uuid(["", "contractKey"], row["contractKey"])
        return [*errors, *self._order([""], order)]
