"""Orders of DropStream that wait: they are read again, a bounded number of them, and none stops the feed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.order import Status
from worker.errors import AuthFailed, Malformed, Unavailable
from worker.systems.dropstream.waiting import read_again, remembered
from worker.systems.provider import Record

if TYPE_CHECKING:
    from collections.abc import Callable


def record(order_id: int, state: str) -> Record:
    return Record({"id": order_id, "fulfillment_state": state})


def reader(states: dict[int, str], asked: list[int]) -> Callable[[str], Record | None]:
    def fetch_one(external_id: str) -> Record | None:
        asked.append(int(external_id))
        state = states.get(int(external_id), "pending")
        return None if state == "gone" else record(int(external_id), state)

    return fetch_one


def test_the_states_that_orders_leave_by_themselves_are_remembered() -> None:
    states = ("pending", "Delayed", "error", "closed", "archived", "new", "open", "mine")
    records = [record(n, state) for n, state in enumerate(states)]
    assert remembered((), records, {"mine": Status.ON_HOLD}) == (0, 1, 2, 7)
    assert remembered((0, 9), [record(0, "open"), Record({"id": None}), Record({})], {}) == (9,)
    assert remembered((), [record(n, "pending") for n in range(600)], {}) == tuple(range(100, 600))


def test_all_are_read_in_turn_and_those_that_are_gone_are_forgotten() -> None:
    asked: list[int] = []
    waiting = tuple(range(50))
    for _ in range(3):
        records, waiting = read_again(waiting, [], reader({7: "gone"}, asked))
        waiting = remembered(waiting, records, {})
    assert set(asked) == set(range(50))
    assert (len(asked), len(waiting), 7 in waiting) == (60, 49, False)
    few, listed = (1, 2, 3), [record(2, "pending")]
    asked.clear()
    assert read_again(few, listed, reader({}, asked))[1] == few
    assert asked == [1, 3]


@pytest.mark.parametrize("error", [Unavailable("x"), AuthFailed("x"), Malformed("x", "y")])
def test_an_order_that_cannot_be_read_stops_nothing(error: Exception) -> None:
    def fetch_one(external_id: str) -> Record | None:
        if external_id == "1":
            raise error
        return record(int(external_id), "open")

    records, waiting = read_again((1, 2, 3), [], fetch_one)
    assert (records, waiting) == ([], (2, 3, 1))
    records, waiting = read_again(waiting, [], fetch_one)
    assert [each.raw["id"] for each in records] == [2, 3]
    assert remembered(waiting, records, {}) == (1,)
