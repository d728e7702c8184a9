"""Saboteurs of an adapter outside of Intake: the faults that a reader of a bare-array API has most often."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contract.provider_saboteurs import loses_an_order_of_a_moving_list, stops_after_the_first_page
from contract.sabotage import having
from worker.lab.conformance import providers
from worker.lab.conformance.recorded import NotRecorded
from worker.lab.conformance.stage import Case, promises

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OUTSIDE = Path(__file__).parents[1] / "data" / "outside"
MOVING = "a_list_that_moves_while_it_is_read_loses_no_order"
SHAPES = "a_response_of_another_shape_counts_as_no_response"


@pytest.fixture
def woo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """Return the provider of the guide with its recordings."""
    monkeypatch.syspath_prepend(str(OUTSIDE))
    module = importlib.import_module("woo")
    yield Case.of(OUTSIDE / "recordings" / "providers" / "woo", "providers", "woo", module.Woo)
    del sys.modules["woo"]


def check(name: str, case: Case) -> None:
    promises(providers)[name](case)


def takes_a_page_without_headers_for_the_last(case: Case) -> Case:
    """Read the array alone: a proxy that removes the headers ends the list after its first page."""

    def _list(self: Any, query: Any) -> Any:
        answer = self._get("/wp-json/wc/v3/orders", query)
        rows = answer.json()
        counts = (answer.headers.get(name, str(len(rows) and 1)) for name in ("X-WP-Total", "X-WP-TotalPages"))
        return rows, *map(int, counts)

    return having(case, _list=_list)


def test_a_page_without_its_headers_is_never_the_last(woo: Case) -> None:
    check(SHAPES, woo)
    with pytest.raises(AssertionError):
        check(SHAPES, takes_a_page_without_headers_for_the_last(woo))


@pytest.mark.parametrize("saboteur", [loses_an_order_of_a_moving_list, stops_after_the_first_page])
def test_a_reader_that_loses_orders_of_a_moving_list_fails(woo: Case, saboteur: Callable[[Case], Case]) -> None:
    check(MOVING, woo)
    with pytest.raises(AssertionError):
        check(MOVING, saboteur(woo))


def test_a_reader_that_goes_on_by_page_numbers_fails(woo: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on within one second although the total is another one: the list has moved meanwhile."""
    place = sys.modules[woo.adapter.__module__].__dict__["Place"]
    after = place.after
    monkeypatch.setattr(
        place,
        "after",
        lambda self, last, total, *rest: after(self.model_copy(update={"total": total}), last, total, *rest),
    )
    with pytest.raises(AssertionError):
        check(MOVING, woo)


def test_a_list_that_moves_has_to_be_recorded_or_declared_fixed(woo: Case) -> None:
    unmoved = replace(woo, scenes={name: scene for name, scene in woo.scenes.items() if scene["call"] != "walk"})
    with pytest.raises(NotRecorded, match=r"record providers/woo/inserted\.json: a list to which an order is added"):
        check(MOVING, unmoved)
    check(MOVING, replace(unmoved, account={**woo.account, "list_never_moves": "It is a log."}))
