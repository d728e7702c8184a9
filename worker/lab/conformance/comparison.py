"""The checks of a target that can be compared field by field. Each raises AssertionError for a broken promise."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from schemas.order import Line, Order, Totals
from worker.lab.conformance.targets import ORDER
from worker.systems.providers import provider_kinds
from worker.systems.view import Side, View, differing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.lab.conformance.stage import Case

_SIDES: Final[tuple[Side, ...]] = ("source", "target")
#: An order with required fields only.
_BARE: Final = Order(
    provider=ORDER.provider,
    external_id=ORDER.external_id,
    status=ORDER.status,
    ordered_at=ORDER.ordered_at,
    lines=(),
    totals=Totals(),
)


@contextmanager
def _account(case: Case) -> Iterator[Any]:
    """Yield a target whose server must not be called."""
    with case.playing({"exchanges": []}) as (target, stage):
        yield target
        assert stage.asked == []


def _orders(case: Case) -> list[Order]:
    recorded = (scene["order"] for scene in case.scenes.values() if "order" in scene)
    return [ORDER, _BARE, *map(Order.model_validate, recorded)]


def _view(target: Any, order: Order, side: Side) -> View:
    """Return a view; turn any error into an AssertionError."""
    try:
        view: View = target.view(order, side)
    except Exception as error:  # noqa: BLE001  # the check names it
        raise AssertionError(f"view raised {type(error).__name__}") from None
    return view


def every_order_has_the_same_fields_on_both_sides(case: Case) -> None:
    with _account(case) as target:
        views = [_view(target, order, side) for order in _orders(case) for side in _SIDES]
    assert views[0]
    assert {tuple(view) for view in views} == {tuple(views[0])}


def every_field_is_text(case: Case) -> None:
    with _account(case) as target:
        for order in _orders(case):
            for side in _SIDES:
                view = _view(target, order, side)
                assert [name for name, text in view.items() if not isinstance(text, str)] == []


def the_same_order_always_has_the_same_view(case: Case) -> None:
    for side in _SIDES:
        with _account(case) as target:
            first, second = _view(target, ORDER, side), _view(target, ORDER, side)
        with _account(case) as target:
            assert first == second == _view(target, ORDER, side)


def a_change_shows_in_the_view(case: Case) -> None:
    """Require that a change of goods, prices or address shows, as far as the target can hold the field."""
    line = Line(sku="ANOTHER", product_id="ANOTHER", name="Another", quantity=ORDER.lines[0].quantity, unit_price=1)
    to = ORDER.shipping_address.model_copy(update={"street1": "Another street 1", "city": "Another city"})
    changed = ORDER.model_copy(update={"lines": (line,), "shipping_address": to})
    with _account(case) as target:
        assert differing(_view(target, ORDER, "source"), _view(target, changed, "source"))
        assert differing(_view(target, ORDER, "target"), _view(target, changed, "target"))


def a_provider_of_the_kind_takes_the_reader_options(case: Case) -> None:
    provider = provider_kinds().get(case.kind)
    assert provider is not None, f"no provider of the kind {case.kind} is registered, so nothing can be compared"
    assert provider.reference_field in {"external_id", "source_id"}
    with _account(case) as target:
        options = target.reader_options()
    assert options is not None
    try:
        provider.Options.model_validate(options)
    except ValidationError as error:
        fields = [".".join(map(str, detail["loc"])) for detail in error.errors(include_input=False)]
        raise AssertionError(f"the provider does not take these options: {', '.join(fields)}") from None
