"""Targets whose view or reader options each break one promise; each must fail its conformance check."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from contract.sabotage import having
from worker.errors import IntakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Order
    from worker.lab.conformance.stage import Case
    from worker.systems.target import Target
    from worker.systems.view import Side, View


def _changing_view(case: Case, change: Callable[[dict[str, Any], Side], dict[str, Any]]) -> Case:
    real: type[Target] = case.adapter
    return having(case, view=lambda self, order, side: change(dict(real.view(self, order, side)), side))


def has_a_field_for_the_source_only(case: Case) -> Case:
    return _changing_view(case, lambda view, side: view | ({"color": "red"} if side == "source" else {}))


def has_no_fields(case: Case) -> Case:
    return _changing_view(case, lambda view, side: {})


def fails_for_an_order_without_lines(case: Case) -> Case:
    real: type[Target] = case.adapter

    def view(self: Any, order: Order, side: Side) -> View:
        return {**real.view(self, order, side), "first": order.lines[0].name}

    return having(case, view=view)


def omits_empty_fields(case: Case) -> Case:
    return _changing_view(case, lambda view, side: {name: text for name, text in view.items() if text})


def has_a_number_as_a_field(case: Case) -> Case:
    return _changing_view(case, lambda view, side: view | {"count": 7})


def counts_its_calls(case: Case) -> Case:
    calls = itertools.count()
    return _changing_view(case, lambda view, side: view | {"call": str(next(calls))})


def hides_every_change(case: Case) -> Case:
    return _changing_view(case, lambda view, side: dict.fromkeys(view, "the same"))


def calls_the_api_for_its_view(case: Case) -> Case:
    real: type[Target] = case.adapter

    def view(self: Any, order: Order, side: Side) -> View:
        try:
            self.client.read("/orders")
        except IntakeError:
            return real.view(self, order, side)
        raise AssertionError("the server has no response to this call")

    return having(case, view=view)


def has_an_unknown_reader_option(case: Case) -> Case:
    real: type[Target] = case.adapter
    return having(case, reader_options=lambda self: {**(real.reader_options(self) or {}), "view": "all"})


def has_no_reader_options(case: Case) -> Case:
    return having(case, reader_options=lambda self: None)


#: The saboteurs that must fail each check.
SABOTEURS: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "every_order_has_the_same_fields_on_both_sides": (
        has_a_field_for_the_source_only,
        has_no_fields,
        fails_for_an_order_without_lines,
        omits_empty_fields,
    ),
    "every_field_is_text": (has_a_number_as_a_field,),
    "the_same_order_always_has_the_same_view": (counts_its_calls, calls_the_api_for_its_view),
    "a_change_shows_in_the_view": (hides_every_change,),
    "a_provider_of_the_kind_takes_the_reader_options": (has_an_unknown_reader_option, has_no_reader_options),
}
