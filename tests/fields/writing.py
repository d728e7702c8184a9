"""What becomes of each field of an order in a target: fields of its requests, checked, or dropped."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from email.parser import BytesParser
from email.policy import HTTP
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import simplejson
from pydantic import ValidationError

from fields.reading import CHECKED
from schemas.order import Order
from support.leaves import filled, other_values, replaced, written
from worker.errors import IntakeError
from worker.http.client import watch_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from support.leaves import Path
    from worker.http.client import Request
    from worker.systems.target import Target

#: Values of closed lists, to be tried one after the other.
_CHOICES: Final = {
    "status": ("cancelled", "paid", "shipped"),
    "removed": (None,),
    "country": ("DE", "BE"),
    "currency": ("USD",),
    "phone": ("+31201234568",),
    "phone2": ("+31201234568",),
    "ean": ("4006381333931",),
}
_NUMBERS: Final = count()
#: What an order is, rather than what it has.
IDENTITY: Final = frozenset({"provider", "external_id", "version", "updated_at", "uncounted"})
#: The objects that requests to parts of an order write, by the last words of their paths.
_OBJECTS: Final = {"lineitems": "LineItem", "shipto": "ShippingAddress", "billto": "BillingAddress"}


#: What is emptied to see the fields that a target uses only when another one is missing.
_EMPTIED: Final = (
    {"shipping_address": ("first_name", "middle_name", "last_name", "company", "phone", "phone2", "email")},
    {"lines": ("product_id",), "shipping": ("note",)},
    {"lines": ("product_id", "sku", "ean")},
    {"shipping_address": (), "customer": ()},
)


def way_out(target: Target, order: Order, is_listed: Callable[[str], object]) -> dict[str, set[str]]:
    """Return, by the path of each field of the order, the fields of the target's requests that change with it.

    A field that does not change anything may be used when another one is missing: it is followed again, unless
    `is_listed` knows why it is dropped.
    """
    ways: dict[str, set[str]] = defaultdict(set)
    _follow(target, _without(order, {}), ways, lambda _: True)
    for emptied in _EMPTIED:
        with suppress(IntakeError):
            _follow(target, _without(order, emptied), ways, lambda name: not is_listed(name))
    return {name: ways[name] - {CHECKED} or ways[name] for name in ways}


def _follow(target: Target, document: dict[str, Any], ways: dict[str, set[str]], chosen: Callable[[str], bool]) -> None:
    """Add the ways of the fields that have none yet, starting from the order in `document`."""
    starts = [_Start(target, document), _Start(target, replaced(document, ("totals", "grand"), None))]
    for path, value in filled(document):
        name = written(path)
        if path[0] in IDENTITY or ways[name] - {CHECKED} or not chosen(name):
            continue
        for other in _CHOICES.get(str(path[-1]), tuple(other_values(value))):
            found = _found(target, starts, path, other)
            ways[name] |= found
            if found - {CHECKED}:
                break


class _Start:
    """An order that one field after the other is changed of, and the fields of the requests that create it."""

    def __init__(self, target: Target, document: dict[str, Any]) -> None:
        self._target, self.document = target, document

    @cached_property
    def requests(self) -> set[tuple[str, str]]:
        """The requests that create the order as it is."""
        return _requests(self._target, Order.model_validate(self.document))


def _found(target: Target, starts: Sequence[_Start], path: Path, other: Any) -> set[str]:
    """Return the fields of the requests that differ if the leaf at `path` has the other value.

    An amount that no longer adds up to the grand total is refused: it is followed from the second start, which has no
    grand total. Return CHECKED if it is refused there as well.
    """
    for start in starts:
        try:
            after = _requests(target, Order.model_validate(replaced(start.document, path, other)))
        except ValidationError:
            return set()
        except IntakeError:
            continue
        return {field for field, _ in start.requests ^ after}
    return {CHECKED}


def _without(order: Order, emptied: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the order as a document without the emptied fields; a part without any named is emptied as a whole."""
    document: dict[str, Any] = _lists(order.model_dump())
    for name, fields in emptied.items():
        for part in document[name] if isinstance(document[name], list) else [document[name]]:
            for field in fields or list(part):
                part[field] = None
    return document


def _lists(value: Any) -> Any:
    """Return the document with lists instead of tuples, which cannot be changed."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def _requests(target: Target, order: Order) -> set[tuple[str, str]]:
    """Create the order under a new reference. Return the fields of all writes, with their values."""
    requests: list[Request] = []
    reference = f"way-{next(_NUMBERS)}"
    with watch_requests(requests.append):
        target.create(order, reference)
    writes = [request for request in requests if request.method != "GET" and "token" not in request.url]
    fields = {
        (f"{_object_of(request)}{written(path)}", re.sub(r"way-\d+", "way", repr(value)))
        for request in writes
        for path, value in filled(_body(request))
    }
    return {(name, value) for name, value in fields if value not in {"None", "{}", "[]"}}


def _object_of(request: Request) -> str:
    words = urlsplit(request.url).path.split("/")
    return next((f"{name}." for word, name in _OBJECTS.items() if word in words), "")


def _body(request: Request) -> Any:
    kind = next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")
    if kind.startswith("application/x-www-form-urlencoded"):
        fields = dict(parse_qsl(request.body.decode()))
        return {name: simplejson.loads(text) for name, text in fields.items() if text.startswith("{")}
    if kind.startswith("multipart/"):
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
        return simplejson.loads(next(message.iter_parts()).get_content(), use_decimal=True)
    return simplejson.loads(request.body, use_decimal=True) if request.body else {}
