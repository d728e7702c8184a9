"""The meaning of RetailCRM's codes: statuses of orders, lines and payments. An account adds codes of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from schemas.order import Status
from schemas.retailcrm_reference import PaymentStatuses, ProductStatuses, Statuses
from worker.errors import PermanentError, Unavailable
from worker.systems.parsing import parse
from worker.systems.retailcrm.account import FORBIDDEN, NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from schemas.retailcrm_reference import StatusEntry
    from worker.http.client import Answer
    from worker.systems.retailcrm.account import Account

V = TypeVar("V")

#: The codes of a new account, by their groups approval, assembling, delivery, complete, cancel.
STATUSES: Final[Mapping[str, Status]] = {
    "new": Status.NEW,
    "prepayed": Status.PAID,
    **dict.fromkeys(("availability-confirmed", "offer-analog", "client-confirmed"), Status.PROCESSING),
    **dict.fromkeys(("send-to-assembling", "assembling", "assembling-complete"), Status.PROCESSING),
    **dict.fromkeys(("send-to-delivery", "delivering", "redirect"), Status.SHIPPED),
    **dict.fromkeys(("ready-for-self-pickup", "arrived-in-pickup-point"), Status.SHIPPED),
    **dict.fromkeys(("complete", "partially-completed"), Status.DELIVERED),
    **dict.fromkeys(("no-call", "no-product", "already-buyed", "cancel-other"), Status.CANCELLED),
    **dict.fromkeys(("delyvery-did-not-suit", "prices-did-not-suit"), Status.CANCELLED),
    **dict.fromkeys(("return", "returned"), Status.RETURNED),
    **dict.fromkeys(("abandoned-cart", "testdubl"), Status.EXCLUDED),
}
#: The groups of a new account ("Creating and editing a status group"). A person may add groups, and move codes.
GROUPS: Final[Mapping[str, Status]] = {
    "new": Status.NEW,
    **dict.fromkeys(("approval", "assembling"), Status.PROCESSING),
    "delivery": Status.SHIPPED,
    "complete": Status.DELIVERED,
    "cancel": Status.CANCELLED,
}
#: Names of statuses of the group cancel that never were orders: carts, and duplicates.
_EXCLUDED: Final = frozenset(
    {
        *("abandoned", "abandoned cart", "брошенная корзина", "carrito abandonado"),
        *("duplicate", "duplicate order", "дубль", "дубликат", "duplicado"),
    }
)
#: The codes of lines that are not shipped, in a recorded account.
_CANCELLED_LINES: Final = frozenset(
    {"out-of-stock", "failure", "product-is-damaged", "assembly-not-delivery", "lost", "returned"}
)


#: The most codes that nobody knows for which the list is read again, outside of `learn`.
_MOST_UNKNOWN: Final = 100


class CodeList(Generic[V]):
    """The meaning of one kind of codes.

    The account's own list is read when a code appears that is not `known`, once for each such code: an account
    creates a code before an order has it. An API key that may not read the list leaves the `fallback`.
    """

    def __init__(
        self, read: Callable[[], Mapping[str, V] | None], known: Mapping[str, V], fallback: Mapping[str, V]
    ) -> None:
        self._read, self._known, self._fallback = read, known, fallback
        self._own: Mapping[str, V] = {}
        self._asked: set[str] = set()

    def __getitem__(self, code: str) -> V | None:
        """Return the meaning of a code; None if nobody knows it."""
        if code in self._known:
            return self._known[code]
        if code not in self._own and code not in self._asked and len(self._asked) < _MOST_UNKNOWN:
            with suppress(PermanentError):  # the next page of orders has this error too
                self.learn([code])
            self._asked.add(code)
        return self._own.get(code)

    def learn(self, codes: Iterable[str]) -> None:
        """Read the list, by one call, if there are codes that it may have."""
        new = {code for code in codes if code not in self._known and code not in self._own} - self._asked
        if new:
            own = self._read()
            self._own = self._fallback if own is None else own
            self._asked |= new


class Reference:
    """The codes of one account. `status_map` has precedence, then the documented codes, then the account's groups."""

    def __init__(self, account: Account, status_map: Mapping[str, Status]) -> None:
        self._account = account
        known = {**STATUSES, **status_map}
        self.orders = CodeList(self.read_statuses, known, {})
        self.lines = CodeList(self.read_cancelled_lines, {"new": False}, dict.fromkeys(_CANCELLED_LINES, True))
        self.payments = CodeList(self.read_paid, {"paid": True, "not-paid": False}, {})

    def learn(self, orders: Sequence[Mapping[str, Any]]) -> None:
        """Look up the codes of orders as they were sent, so that reading these orders needs no call."""
        self.orders.learn(_codes(orders))
        self.lines.learn(_codes(row for order in orders for row in _rows(order.get("items"))))
        self.payments.learn(_codes(row for order in orders for row in _rows(order.get("payments"))))

    def read_statuses(self) -> dict[str, Status] | None:
        """Read the statuses of orders; None if the key may not."""
        answer = self._list("statuses")
        if answer is None:
            return None
        entries = parse("statuses", lambda: Statuses.model_validate(answer.json()), Unavailable).statuses
        return {entry.code: status for entry in entries if (status := _meaning(entry))}

    def read_cancelled_lines(self) -> dict[str, bool] | None:
        """Read which statuses cancel a line; None if the key may not."""
        answer = self._list("product-statuses")
        if answer is None:
            return None
        entries = parse(
            "product statuses", lambda: ProductStatuses.model_validate(answer.json()), Unavailable
        ).product_statuses
        return {entry.code: bool(entry.cancel_status) for entry in entries}

    def read_paid(self) -> dict[str, bool] | None:
        """Read which statuses mean that a payment is paid; None if the key may not."""
        answer = self._list("payment-statuses")
        if answer is None:
            return None
        entries = parse(
            "payment statuses", lambda: PaymentStatuses.model_validate(answer.json()), Unavailable
        ).payment_statuses
        return {entry.code: bool(entry.payment_complete) for entry in entries}

    def _list(self, name: str) -> Answer | None:
        answer = self._account.get(f"reference/{name}", accept=frozenset({FORBIDDEN, NOT_FOUND}))
        return None if answer.status in {FORBIDDEN, NOT_FOUND} else answer


def _rows(entries: Any) -> Iterable[Any]:
    return entries.values() if isinstance(entries, dict) else entries if isinstance(entries, list) else ()


def _codes(rows: Iterable[Any]) -> Iterator[str]:
    statuses = (row.get("status") for row in rows if isinstance(row, dict))
    return (str(code) for code in statuses if isinstance(code, (str, int)) and not isinstance(code, bool))


def _meaning(entry: StatusEntry) -> Status | None:
    """Return what a code of the account means; None for a group that is not documented."""
    status = GROUPS.get(entry.group or "")
    if status is Status.CANCELLED and (entry.name or "").strip().casefold() in _EXCLUDED:
        return Status.EXCLUDED
    return status
