"""Lists of OrderCloud: filters, search, sorting and pages, as in its page about advanced querying."""

from __future__ import annotations

import operator
import re
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, invalid, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Test = Callable[[Any], bool]

MOST: Final = 100
_PAGE_SIZE: Final = 20
_SORTABLE: Final = frozenset({
    "DateSubmitted", "DateCreated", "ID", "FromCompanyID", "ToCompanyID", "FromUserID", "Status", "DateApproved",
    "DateDeclined", "DateCanceled", "DateCompleted", "LastUpdated", "Subtotal", "ShippingCost", "TaxCost", "Gratuity",
    "Fees", "PromotionDiscount", "Total", "IsSubmitted", "DateAdded", "ProductID", "Quantity", "UnitPrice", "LineTotal",
})  # fmt: skip
_SEARCHABLE: Final = ("ID", "FromCompanyID", "ToCompanyID", "Comments")
_OWN: Final = frozenset({
    "page", "pagesize", "from", "to", "buyerid", "supplierid", "search", "searchon", "searchtype", "sortby",
})  # fmt: skip
_DATES: Final = frozenset({
    "DateCreated", "DateSubmitted", "DateApproved", "DateDeclined", "DateCanceled", "DateCompleted", "LastUpdated",
    "DateAdded", "DateNeeded",
})  # fmt: skip
_NUMBERS: Final = frozenset({
    "LineItemCount", "Subtotal", "ShippingCost", "TaxCost", "Gratuity", "Fees", "BaseDiscount", "PromotionDiscount",
    "Total", "Quantity", "QuantityShipped", "UnitPrice", "LineTotal", "LineSubtotal",
})  # fmt: skip
_OBJECTS: Final = frozenset({
    "FromUser", "BillingAddress", "Product", "Variant", "ShippingAddress", "ShipFromAddress", "Specs", "xp",
})  # fmt: skip
_BOOLS: Final = frozenset({"IsSubmitted", "IsBundle", "IsOnSale", "PriceOverridden"})
_TERM: Final = re.compile(r"(?P<sign>!>|!<|>|<|!)?(?P<value>.*)", re.DOTALL)
#: The statuses of orders that the buyer has not yet passed on to the seller.
UNSUBMITTED: Final = frozenset({"Unsubmitted", "AwaitingApproval", "Declined"})
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt, "<": operator.lt, "!>": operator.le, "!<": operator.ge,
}  # fmt: skip


class Query:
    """The parameters of one list call. The constructor and the methods raise RefusedError for wrong ones."""

    def __init__(self, text: str, fields: Iterable[str]) -> None:
        pairs = [(key, value) for key, value in parse_qsl(text, keep_blank_values=True) if value]
        self._own = {key.lower(): value for key, value in pairs if key.lower() in _OWN}
        self._fields = frozenset(fields)
        self.filters = [(key, value) for key, value in pairs if key.lower() not in _OWN]
        page = self._own.get("page", "1")
        if not page.isdecimal() or int(page) < 1:
            raise invalid("page must be a number of 1 or more.")
        self.number = int(page)
        try:
            self.size = int(self._own.get("pagesize", _PAGE_SIZE))
        except ValueError:
            self.size = 0
        if not 1 <= self.size <= MOST:
            raise RefusedError(400, "List.InvalidPageSize", f"pageSize must be between 1 and {MOST}.")

    def matcher(self, numeric: frozenset[str] = frozenset()) -> Test:
        """Return the test of a record; fields in `numeric` are compared as numbers if both sides look like numbers."""
        tests = [(self._require_field(key), _value_test(key, value, numeric)) for key, value in self.filters]
        tests += [
            (name, _value_test(name, f"{sign}{self._own[key]}", numeric))
            for key, name, sign in (
                ("from", "DateCreated", "!<"),
                ("to", "DateCreated", "!>"),
                ("buyerid", "FromCompanyID", ""),
                ("supplierid", "ToCompanyID", ""),
            )
            if key in self._own
        ]
        if "search" in self._own:
            tests.append(("", self._search()))
        return lambda record: all(test(_value(record, name)) for name, test in tests)

    def sort(self, records: list[Any], doc: Callable[[Any], Mapping[str, Any]]) -> None:
        """Sort records in place as requested; a missing value comes first, and text is sorted by code point."""
        for name in reversed([part for part in self._own.get("sortby", "").split(",") if part]):
            field = name.lstrip("!")
            if field not in _SORTABLE:
                raise RefusedError(400, "List.InvalidSortProperty", f"{field} is not sortable.", {"Property": field})
            records.sort(key=partial(_sort_key, field, doc), reverse=name[0] == "!")

    def page(self, records: list[Any], text: Callable[[Any], bytes]) -> bytes:
        """Return the body of the response: `{"Meta", "Items"}`."""
        first = (self.number - 1) * self.size
        rows = records[first : first + self.size]
        meta = {
            "Page": self.number,
            "PageSize": self.size,
            "TotalCount": len(records),
            "TotalPages": -(-len(records) // self.size),
            "ItemRange": [first + 1, first + len(rows)],
            "NextPageKey": None,
        }
        return b'{"Meta":' + dump(meta) + b',"Items":[' + b",".join(map(text, rows)) + b"]}"

    def submitted(self) -> bool:
        """Return whether the list is about submitted orders; an index cannot list both kinds at once."""
        kinds: set[bool] = set()
        for key, value in self.filters:
            terms = value.split("|")
            if key == "IsSubmitted":
                kinds |= {(term.lower().lstrip("!") == "true") != term.startswith("!") for term in terms}
            elif key == "Status":
                kinds |= {term not in UNSUBMITTED for term in terms}
        if len(kinds) > 1:
            text = "You cannot request both submitted and unsubmitted orders in the same list."
            raise RefusedError(400, "Order.CannotMixSubmittedAndUnsubmitted", text)
        return not kinds or kinds.pop()

    def _require_field(self, name: str) -> str:
        if name.startswith("xp.") or name in self._fields - _OBJECTS:
            return name
        raise RefusedError(400, "List.InvalidProperty", f"{name} does not exist.", {"Property": name})

    def _search(self) -> Test:
        names = [name for name in self._own.get("searchon", "").split(",") if name] or list(_SEARCHABLE)
        if wrong := [name for name in names if name not in _SEARCHABLE]:
            raise RefusedError(400, "List.InvalidSearchProperty", f"{wrong[0]} is not searchable.")
        sought = self._own["search"].strip("*").lower()
        return lambda record: any(sought in str(record.get(name) or "").lower() for name in names)


def _value(record: Mapping[str, Any], path: str) -> Any:
    if "." not in path:
        return record.get(path) if path else record
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _sort_key(field: str, doc: Callable[[Any], Mapping[str, Any]], record: Any) -> tuple[Any, ...]:
    value = _value(doc(record), field)
    if value is None:
        return (0,)
    if field in _DATES:
        return (1, moment(value))
    return (1, str(value)) if not isinstance(value, (int, Decimal)) else (1, value)


def _value_test(field: str, text: str, numeric: frozenset[str]) -> Test:
    tests = [_term(field, part, numeric) for part in text.split("|")]
    return lambda value: any(test(value) for test in tests)


def _term(field: str, text: str, numeric: frozenset[str]) -> Test:
    """Return the test of one of the alternatives between the bars."""
    match = _TERM.fullmatch(text)
    assert match is not None  # noqa: S101  # every text matches
    sign, pattern = match["sign"] or "", match["value"]
    if pattern == "*":
        return (lambda value: value is None) if sign == "!" else (lambda value: value is not None)
    typed = _read(field, pattern)
    compare = _COMPARE.get(sign)

    def test(value: Any) -> bool:
        if isinstance(value, list):
            return any(map(test, value))
        if value is None:
            return False
        left, right = _pair(field, value, typed, numeric)
        if compare is not None:
            return type(left) is type(right) and compare(left, right)
        if isinstance(left, str) and "*" in pattern:
            expression = ".*".join(re.escape(part) for part in pattern.split("*"))
            return re.fullmatch(expression, left, re.IGNORECASE | re.DOTALL) is not None
        return (left.lower() == right.lower()) if isinstance(left, str) and isinstance(right, str) else left == right

    return (lambda value: not test(value)) if sign == "!" else test


def _read(field: str, text: str) -> Any:
    """Return a filter's value in the type of its field. Raise RefusedError for a value of another type."""
    try:
        if field in _DATES:
            return moment(text)
        if field in _NUMBERS:
            return Decimal(text)
        if field in _BOOLS:
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, InvalidOperation, KeyError):
        data = {"Property": field, "Value": text}
        raise RefusedError(400, "List.InvalidType", f"{text} is not valid for {field}.", data) from None
    return text


def _pair(field: str, value: Any, operand: Any, numeric: frozenset[str]) -> tuple[Any, Any]:
    """Return a record's value and a filter's operand in types that can be compared."""
    if field in _DATES:
        return moment(value), operand
    if isinstance(value, bool):
        return (value, operand) if isinstance(operand, bool) else (str(value).lower(), str(operand).lower())
    if isinstance(value, (int, Decimal)) or (field in numeric and value.isdecimal() and operand.isdecimal()):
        try:
            return Decimal(value), Decimal(operand)
        except InvalidOperation:
            return Decimal(value), None
    return str(value), operand
