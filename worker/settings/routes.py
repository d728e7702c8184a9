"""Routes: which orders go to which targets, under which reference."""

from __future__ import annotations

from itertools import combinations
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from schemas.order import Status  # noqa: TC001  # pydantic reads it at run time
from worker.errors import Rejected
from worker.settings.document import Table, Wrong, listed
from worker.store.orders.ledger import OnChange  # noqa: TC001  # as above

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from schemas.order import Order

#: What a reference may be made of; the second tuple tells one order of a provider from the other.
_FIELDS: Final = ("provider", "external_id", "display_id", "source_id", "store")
_IDS: Final = ("external_id", "source_id")


def _reference(text: str) -> str:
    """Accept a template of literal text and known fields, among them one that identifies the order."""
    allowed = "Use text and " + ", ".join(f"{{{name}}}" for name in _FIELDS) + "."
    stray = Wrong("has a brace that is not part of a field", allowed)
    if "{{" in text or "}}" in text:
        raise stray
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise stray from None
    fields = [field for _, field, _, _ in parts if field is not None]
    if any(field not in _FIELDS for field in fields) or any(spec or conversion for _, _, spec, conversion in parts):
        raise Wrong("has a field that a reference cannot be made of", allowed)
    if not any(field in _IDS for field in fields):
        # A display id is "not promised to be unique": a second order of the same number would be taken for the first.
        raise Wrong("does not tell one order from the other", "Use {external_id} or {source_id} in it.")
    return text


_Some = Annotated[tuple[str, ...], BeforeValidator(listed)]


class Only(Table):
    """A filter: every key that is given must hold, by any of its values."""

    status: Annotated[tuple[Status, ...], BeforeValidator(listed)] = ()
    status_raw: _Some = ()
    store: _Some = ()
    currency: _Some = ()
    country: _Some = ()
    tag: _Some = ()
    test: bool | None = None

    def matches(self, order: Order) -> bool:
        """Whether the order passes."""
        pairs: tuple[tuple[tuple[str, ...], tuple[str | None, ...]], ...] = (
            (self.status, (order.status,)),
            (self.status_raw, (order.status_raw,)),
            (self.store, (order.store,)),
            (self.currency, (order.currency,)),
            (self.country, (order.shipping_address.country,)),
            (self.tag, order.tags),
        )
        if self.test is not None and order.test is not self.test:
            return False
        return all(not wanted or not set(wanted).isdisjoint(has) for wanted, has in pairs)


class Route(Table):
    """One `[[routes]]` table: the orders of `source` that pass `only` go to every one of `targets`."""

    source: str = Field(alias="from")
    targets: Annotated[tuple[str, ...], BeforeValidator(listed), Field(min_length=1)] = Field(alias="to")
    #: What the targets know the order by.
    reference: Annotated[str, AfterValidator(_reference)] = "{external_id}"
    only: Only = Only()
    #: What becomes of an order that changes after its delivery. A target that cannot change an order: only counted.
    on_change: OnChange = "update"

    def wants(self, order: Order) -> bool:
        """Whether this order goes this way."""
        return order.provider == self.source and self.only.matches(order)

    def reference_of(self, order: Order) -> str:
        """What the targets are to know this order by; raises Rejected if the order lacks a field of it."""
        parts: list[str] = []
        for literal, field, _, _ in Formatter().parse(self.reference):
            value = getattr(order, field) if field else ""
            if field and not value:
                raise Rejected(f"the order has no {field}, which its reference is made of")
            parts += [literal, value]
        return "".join(parts)

    def made(self, reference: str) -> bool:
        """Whether this route may have given this reference to an order."""
        start, end = self.edges
        return len(reference) > len(start) + len(end) and reference.startswith(start) and reference.endswith(end)

    @property
    def edges(self) -> tuple[str, str]:
        """The text that each reference of this route begins with, and the text that it ends with."""
        text = self.reference.replace("{provider}", self.source)
        parts = list(Formatter().parse(text))
        return parts[0][0], parts[-1][0] if parts[-1][1] is None else ""


def conflicts(routes: Sequence[Route]) -> Iterator[tuple[int, str, str, str]]:
    """Pairs of routes that could give two references to one order, or one reference to two orders.

    Yields:
        The number of the later route, its key, the reason, the remedy.
    """
    for (_, first), (number, second) in combinations(enumerate(routes), 2):
        for target in [name for name in second.targets if name in first.targets]:
            if first.source == second.source and first.on_change != second.on_change:
                yield (
                    number,
                    "on_change",
                    f"an order of {first.source} that changes could be treated in two ways in {target}",
                    "Give all routes between the two the same on_change.",
                )
            if first.source == second.source and first.reference != second.reference:
                yield (
                    number,
                    "reference",
                    f"an order of {first.source} could get two references in {target}, and be created twice",
                    "Give all routes between the two the same reference.",
                )
            elif first.source != second.source and not _told_apart(first, second):
                yield (
                    number,
                    "reference",
                    (
                        f"an order of {first.source} and one of {second.source} could get one reference in {target},"
                        " and one of them would be lost"
                    ),
                    'Write reference = "{provider}:{external_id}" in both routes.',
                )


def _told_apart(first: Route, second: Route) -> bool:
    """Whether no reference of one route can ever be one of the other, whatever the ids are: ids are opaque."""
    (start, end), (other_start, other_end) = first.edges, second.edges
    starts_differ = not start.startswith(other_start) and not other_start.startswith(start)
    return starts_differ or (not end.endswith(other_end) and not other_end.endswith(end))


def echoes(routes: Sequence[Route], sources: Collection[str]) -> Iterator[tuple[int, str, str, str]]:
    """Routes into a target that is a source as well (`sources`), whose own orders could not be told when read back.

    Yields:
        The number of the route, its key, the reason, the remedy.
    """
    for number, route in enumerate(routes):
        for target in route.targets:
            if target in sources and not any(route.edges):
                yield (
                    number,
                    "reference",
                    f"the account of {target} is read as well, and the orders that we create there would come back",
                    'Write reference = "{provider}:{external_id}": what begins so is ours, and not carried on.',
                )
