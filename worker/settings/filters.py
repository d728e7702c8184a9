"""The `only` table of a route, and why a route leaves an order out."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from pydantic import BeforeValidator

from schemas.order import Status  # noqa: TC001  # pydantic reads it at run time
from schemas.values import Country  # noqa: TC001  # as above
from worker.settings.tables import Table, as_list

if TYPE_CHECKING:
    from schemas.order import Order

#: The words for the keys of a filter that are not plain English.
_LABELS: Final = {"status_raw": "status"}
_Texts = Annotated[tuple[str, ...], BeforeValidator(as_list)]


class LeftOut(NamedTuple):
    """The rule by which a route does not create an order.

    There are few different rules, so that they can be counted. `reason` is for the history of the order.
    """

    rule: str
    reason: str


class OrderFilter(Table):
    """The `only` table of a route: an order passes if it matches each given key, by any value of the key."""

    status: Annotated[tuple[Status, ...], BeforeValidator(as_list)] = ()
    status_raw: _Texts = ()
    store: _Texts = ()
    currency: _Texts = ()
    #: However it is written, as in the orders: "Netherlands" is NL.
    country: Annotated[tuple[Country, ...], BeforeValidator(as_list)] = ()
    tag: _Texts = ()
    test: bool | None = None

    @cached_property
    def _names_any(self) -> bool:
        return any(value not in {(), None} for value in self.__dict__.values())

    def matches(self, order: Order, *, status: bool = True) -> bool:
        """Return whether the order passes; without `status`, whether it would with another status."""
        return self.mismatch(order, status=status) is None

    def mismatch(self, order: Order, *, status: bool = True) -> LeftOut | None:
        """Return the first key that the order does not match; None if the order passes (see `matches`)."""
        if not self._names_any:
            return None
        fields: tuple[tuple[str, tuple[str, ...], tuple[str | None, ...]], ...] = (
            ("status", self.status if status else (), (order.status,)),
            ("status_raw", self.status_raw if status else (), (order.status_raw,)),
            ("store", self.store, (order.store,)),
            ("currency", self.currency, (order.currency,)),
            ("country", self.country, (order.shipping_address.country,)),
            ("tag", self.tag, order.tags),
        )
        for key, allowed, values in fields:
            if allowed and set(allowed).isdisjoint(values):
                # Our statuses are few; any other value could be a different one for each order.
                rule = f"only.{key}={order.status.value}" if key == "status" else f"only.{key}"
                return LeftOut(rule, f"the route's only.{key} does not have its {_LABELS.get(key, key)}")
        if self.test is not None and order.test is not self.test:
            return LeftOut("only.test", f"the route's only.test is {str(self.test).lower()}")
        return None
