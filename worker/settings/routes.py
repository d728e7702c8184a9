"""Routes: the orders that go to each target, and the references they get there."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo, model_validator

from schemas.cancellation import cancellation, stop
from schemas.order import Status
from schemas.transform import Hold, Skip
from worker.errors import PermanentError, Rejected
from worker.settings.filters import LeftOut, OrderFilter
from worker.settings.start import format_start
from worker.settings.tables import SettingError, Table, as_list
from worker.settings.transforms import Transform, read_transform
from worker.store.orders.delivery import Delivery, OnChange

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from schemas.order import Order

#: The fields that a reference may contain.
_FIELDS: Final = ("provider", "external_id", "display_id", "source_id", "store")
#: The fields that identify an order of a provider.
_IDS: Final = ("external_id", "source_id")
#: The kinds of orders that are not created unless a route's `also_create` names them: four statuses, and test orders.
Withheld = Literal["cancelled", "returned", "excluded", "on_hold", "test"]
_WITHHELD_STATUSES: Final = frozenset({Status.CANCELLED, Status.RETURNED, Status.EXCLUDED, Status.ON_HOLD})


def _reference(text: str) -> str:
    """Return a template of literal text and known fields, of which one must identify the order."""
    allowed = "Use text and " + ", ".join(f"{{{name}}}" for name in _FIELDS) + "."
    if text != text.strip():  # systems drop it, and then the order is not found by what was sent
        raise SettingError("begins or ends with a blank", "Remove the blank.")
    stray = SettingError("has a brace that is not part of a field", allowed)
    if "{{" in text or "}}" in text:
        raise stray
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise stray from None
    fields = [field for _, field, _, _ in parts if field is not None]
    if any(field not in _FIELDS for field in fields) or any(spec or conversion for _, _, spec, conversion in parts):
        raise SettingError("has a field that a reference cannot use", allowed)
    if not any(field in _IDS for field in fields):
        # A display id is "not promised to be unique": a second order with the same number would count as the first.
        raise SettingError("does not distinguish one order from another", "Use {external_id} or {source_id} in it.")
    return text


@lru_cache
def _parts_of(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return the parts of a template: a text, and the field behind it."""
    return tuple((literal, field) for literal, field, _, _ in Formatter().parse(template))


def _transform(value: Any, info: ValidationInfo) -> Transform:
    return value if isinstance(value, Transform) else read_transform(value, (info.context or {}).get("folder"))


class Route(Table):
    """One `[[routes]]` table: the orders of `source` that pass `only` go to each of `targets`."""

    source: str = Field(alias="from")
    targets: Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)] = Field(alias="to")
    #: The template of the reference, by which the targets know the order.
    reference: Annotated[str, AfterValidator(_reference)] = "{external_id}"
    #: Templates that it had before: the ledger knows them itself, until it is lost.
    formerly: Annotated[tuple[Annotated[str, AfterValidator(_reference)], ...], BeforeValidator(as_list)] = ()
    only: OrderFilter = OrderFilter()
    #: The orders that are created although they are cancelled, returned, excluded, on hold, or tests.
    also_create: Annotated[tuple[Withheld, ...], BeforeValidator(as_list)] = ()
    #: What happens to an order that changes after its delivery; in a target without updates it is only counted.
    on_change: OnChange = "update"
    #: The function of the user that changes each order that passes `only`, for the targets of this route.
    transform: Annotated[Transform | None, PlainValidator(_transform)] = None

    @model_validator(mode="after")
    def _filters_what_it_creates(self) -> Self:
        """Refuse a filter for orders that this route never creates."""
        wanted: list[str] = [status for status in self.only.status if status in _WITHHELD_STATUSES]
        wanted += ["test"] if self.only.test else []
        for kind in wanted:
            if kind not in self.also_create:
                key = "only.test" if kind == "test" else "only.status"
                raise SettingError(
                    f"lets {kind} orders pass in {key}, but they are created only if also_create names them",
                    f'Add also_create = ["{kind}"] to the route, or take it out of {key}: '
                    "an order that changes after its delivery is followed whatever its status is.",
                )
        return self

    def left_out(self, order: Order) -> LeftOut | None:
        """Return why this route does not create the order; None if it does."""
        return self.withheld(order) or self.only.mismatch(order)

    def withheld(self, order: Order) -> LeftOut | None:
        """Return why no route creates such an order unless it says so: it is removed, cancelled, returned or a test."""
        if order.removed:
            return LeftOut(order.removed, cancellation(order))
        if order.status in _WITHHELD_STATUSES and order.status.value not in self.also_create:
            return LeftOut(f"status={order.status.value}", f"its status is {order.status.value}")
        if order.test and "test" not in self.also_create:
            return LeftOut("test", "it is a test order")
        return None

    def accepts(self, order: Order) -> bool:
        """Return whether the order takes this route."""
        return order.provider == self.source and self.left_out(order) is None

    def reference_of(self, order: Order) -> str:
        """Return the reference of an order; raise Rejected if the order has no value for a field of it."""
        parts: list[str] = []
        for literal, field in _parts_of(self.reference):
            value = getattr(order, field) if field else ""
            if field and not value:
                raise Rejected(f"the order has no {field}, which its reference needs")
            parts += [literal, value]
        return "".join(parts)

    def apply(self, order: Order) -> Order | Skip | Hold:
        """Return what the transform makes of the order; without a transform, the order."""
        return order if self.transform is None else self.transform(order)

    def may_have_made(self, reference: str) -> bool:
        """Return whether an order may have got this reference from this route."""
        start, end = self.edges
        return len(reference) > len(start) + len(end) and reference.startswith(start) and reference.endswith(end)

    @property
    def edges(self) -> tuple[str, str]:
        """The text with which each reference of this route begins, and the text with which it ends."""
        text = self.reference.replace("{provider}", self.source)
        parts = list(Formatter().parse(text))
        return parts[0][0], parts[-1][0] if parts[-1][1] is None else ""


def route_to(routes: Sequence[Route], order: Order, encode: Callable[[str], str]) -> Delivery:
    """Return the delivery of an order to one target; `routes` are all routes from its provider to this target.

    The first route that accepts the order, and whose transform does not skip it, decides. Without one, the delivery
    says why the order is left out: a route may have wanted it before it changed. Its reference is "" if it has none.

    Args:
        routes: The routes from the order's provider to the target, at least one.
        order: The order as its provider has it. It gives the reference, which a transform cannot change.
        encode: Writes a reference in the alphabet of the target.

    Raises:
        Rejected: A route wants the order, and cannot make its reference.
        Malformed: The transform of a route that wants the order failed.
    """
    skipped = ""
    for route in routes:
        if not route.accepts(order):
            continue
        outcome = route.apply(order)
        if isinstance(outcome, Skip):
            skipped = skipped or outcome.reason
            continue
        reference = encode(route.reference_of(order))
        if isinstance(outcome, Hold):
            return _held(order, reference, outcome)
        if outcome is not order and (rule := route.withheld(outcome)):
            return Delivery(outcome, reference, left_out=f"by its transform, {rule.reason}", rule=rule.rule)
        return Delivery(outcome, reference)
    return _left_out(routes, order, encode, skipped)


def route_since(
    start: datetime | None, routes: Sequence[Route], order: Order, encode: Callable[[str], str]
) -> Delivery:
    """Return the delivery of an order as `route_to` does, marked if the order was placed before `start`.

    Nothing raises for such an order: what a route or its transform has against it does not matter until it is asked
    for. `start` is None for a producer, which has none.
    """
    before_start = placed_before(start, order)
    try:
        delivery = route_to(routes, order, encode)
    except PermanentError:
        if not before_start:
            raise
        delivery = replace(_left_out(routes, order, encode, ""), left_out="")
    return replace(delivery, before_start=before_start) if before_start else delivery


def placed_before(start: datetime | None, order: Order) -> str:
    """Return the rule that leaves an order out because it was placed before `start`; "" if it was not."""
    if start is None or order.ordered_at >= start:
        return ""
    return f"placed before start {format_start(start)}"


def _left_out(routes: Sequence[Route], order: Order, encode: Callable[[str], str], skipped: str) -> Delivery:
    """Return the delivery of an order that no route creates: it counts only if the order was accepted before."""
    # The status has changed since: the route that wanted the order then is the one that fits it otherwise.
    route = next((route for route in routes if route.only.matches(order, status=False)), routes[0])
    rule = route.left_out(order) or LeftOut("transform", f"its transform left it out: {skipped}")
    try:
        reference = encode(route.reference_of(order))
    except Rejected:
        reference = ""  # the ledger has the one with which the order was delivered
    delivery = Delivery(order, reference, left_out=rule.reason, rule=rule.rule)
    if skipped:
        return replace(delivery, hold=f"transform left out by its transform: {skipped}")
    if stop(order):
        return delivery  # it is cancelled as it is: a transform has no say in that
    try:
        outcome = route.apply(order)
    except PermanentError as error:
        return replace(delivery, hold=f"transform {error}")
    if isinstance(outcome, Skip):
        outcome = Hold(f"left out by its transform: {outcome.reason}")
    if isinstance(outcome, Hold):
        return replace(_held(order, reference, outcome), left_out=rule.reason, rule=rule.rule)
    return replace(delivery, order=outcome)


def _held(order: Order, reference: str, hold: Hold) -> Delivery:
    code = "transform" if hold.order is None else "review"
    return Delivery(hold.order or order, reference, hold=f"{code} {hold.reason}")


def conflicts(routes: Sequence[Route]) -> Iterator[tuple[int, str, str, str]]:
    """Find pairs of routes that could give two references to one order, or one reference to two orders.

    Yields:
        The number of the later route, its key, the reason, the remedy.
    """
    for (_, first), (number, second) in combinations(enumerate(routes), 2):
        for target in [name for name in second.targets if name in first.targets]:
            if first.source == second.source and first.on_change != second.on_change:
                reason = f"an order of {first.source} that changes could be treated in two ways in {target}"
                yield number, "on_change", reason, "Give all routes between the two the same on_change."
            if first.source == second.source and first.reference != second.reference:
                reason = f"an order of {first.source} could get two references in {target}, and be created twice"
                yield number, "reference", reason, "Give all routes between the two the same reference."
            elif first.source != second.source and not _are_distinct(first, second):
                orders = f"an order of {first.source} and one of {second.source}"
                reason = f"{orders} could get one reference in {target}, and one of them would be lost"
                yield number, "reference", reason, 'Write reference = "{provider}:{external_id}" in both routes.'


def _are_distinct(first: Route, second: Route) -> bool:
    """Return whether no reference of one route can be a reference of the other, for any ids."""
    (start, end), (other_start, other_end) = first.edges, second.edges
    starts_differ = not start.startswith(other_start) and not other_start.startswith(start)
    return starts_differ or (not end.endswith(other_end) and not other_end.endswith(end))


def echoes(routes: Sequence[Route], sources: Collection[str]) -> Iterator[tuple[int, str, str, str]]:
    """Find routes into a target that is also read (`sources`), whose references do not mark the orders we create there.

    Such an order is an echo: it is read back, and must not be delivered again.

    Yields:
        The number of the route, its key, the reason, the remedy.
    """
    for number, route in enumerate(routes):
        for target in route.targets:
            if target in sources and not any(route.edges):
                reason = (
                    f"the account of {target} is also a provider, so the orders that we create there would be read back"
                )
                remedy = 'Write reference = "{provider}:{external_id}", by which Intake recognizes its own orders.'
                yield number, "reference", reason, remedy
