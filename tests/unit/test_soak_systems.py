"""The systems of the soak: every response of an adapter's calls, and a journal from which they can be rebuilt."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import urlencode

import pytest

from soak import plan, verdict
from soak.bodies import content
from soak.forgotten import was_forgotten
from soak.systems import Systems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLLED = {"shop1": "depot", "shop2": "depot", "shop3": "crm", "shop4": "crm"}


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], Systems]:
    given: dict[str, Any] = {
        "sources": POLLED | {"web": "depot", "tips": "depot"},
        "polled": list(POLLED),
        "seed": 1,
        "weather": dict.fromkeys(("shop read", "depot read", "depot write", "crm read", "crm write", "malformed"), 0.0),
        "latency": [0.02, 0.15],
        "home": str(tmp_path),
    }
    return lambda: Systems(given)


def order_with(fate: str, source: str = "shop3") -> int:
    """Return the number of the first order with this fate."""
    return next(n for n in range(1, 5000) if plan.fate(1, source, n).what == fate)


def posted(source: str, number: int) -> dict[str, Any]:
    """Return an order as it is sent to RetailCRM."""
    order = content(source, number)
    items = [
        {"productName": line.name, "quantity": line.quantity, "initialPrice": line.cents / 100} for line in order.lines
    ]
    address = {"text": order.street, "city": order.city, "index": order.postcode}
    return {
        "externalId": f"{source}:{number}",
        "firstName": order.first,
        "lastName": order.last,
        "email": order.email,
        "delivery": {"cost": order.shipping / 100, "address": address},
        "items": items,
    }


def send(systems: Systems, path: str, order: dict[str, Any]) -> int:
    body = urlencode({"order": json.dumps(order)}).encode()
    return systems.answer("POST", f"/crm/api/v5/orders/{path}", body).status


def wait(systems: Systems) -> None:
    """Let all changes become due."""
    now = time.time()
    for later in (now + 60, now + 120):
        with patch("soak.book.time.time", lambda later=later: later):
            systems.book.catch_up()


@pytest.mark.parametrize("account", ["shop1", "crm"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("settings", 200), ("reference/statuses", 404), ("reference/status-groups", 404), ("orders/7", 404)],
)
def test_an_account_of_retailcrm_answers_what_is_read_beside_orders(
    start: Callable[[], Systems], account: str, path: str, status: int
) -> None:
    assert start().answer("GET", f"/{account}/api/v5/{path}", b"").status == status


def test_each_response_takes_its_time(start: Callable[[], Systems]) -> None:
    systems = start()
    delays = [systems.answer("GET", "/shop1/api/v5/settings", b"").delay for _ in range(200)]
    assert 0.02 <= min(delays) < 0.04
    assert 0.13 < max(delays) <= 0.15


def test_an_order_that_the_crm_has_is_recognized_by_its_time_of_creation(start: Callable[[], Systems]) -> None:
    systems = start()
    systems.book.make("shop3", 1)
    made = systems.shops["shop3"].answer("/api/v5/orders/1", {}, systems.rng, 0.0)
    assert send(systems, "create", posted("shop3", 1)) == 201
    found = systems.answer("GET", "/crm/api/v5/orders/shop3%3A1", b"")
    assert json.loads(found.body)["order"]["createdAt"] == json.loads(made.body)["order"]["createdAt"]
    assert systems.answer("GET", "/crm/api/v5/orders/shop3%3A2", b"").status == 404


def test_the_history_shows_an_order_again_when_it_changed(start: Callable[[], Systems]) -> None:
    systems, number = start(), order_with("edited")
    systems.book.make("shop3", number)
    wait(systems)
    page = systems.shops["shop3"].answer(
        "/api/v5/orders/history", {"limit": ["100"], "filter[sinceId]": [str(number)]}, systems.rng, 0.0
    )
    assert number in [row["order"]["id"] for row in json.loads(page.body)["history"]]


@pytest.mark.parametrize("fate", plan.FATES)
def test_a_target_that_follows_its_source_is_clean_and_one_that_does_not_is_named(
    start: Callable[[], Systems], tmp_path: Path, fate: str
) -> None:
    systems, number = start(), order_with(fate)
    systems.book.make("shop3", number)
    (order,) = [n for n in range(1, number + 1) if plan.fate(1, "shop3", n).what == fate]
    reference = f"shop3:{order}"
    if fate not in {"cancelled at birth", "hostile"}:
        assert send(systems, "create", posted("shop3", order)) == 201
    wait(systems)
    others = {f"shop3:{n}" for n in range(1, number)} | ({reference} if fate == "hostile" else set())
    figures, problems = verdict.by_journals(tmp_path, others)
    open_order = ("shop3", order) in systems.book.open
    expected = {"cancelled soon": "uncancelled", "cancelled late": "uncancelled", "edited": "outdated"}
    fault = expected.get(fate, "outdated" if fate.startswith("edited") else "")
    assert [problem.split()[2].rstrip(":") for problem in problems] == ([fault] if fault else [])
    assert open_order is bool(fault)
    if not fault:
        return
    newest = content("shop3", order, systems.sources["shop3"].version[order - 1])
    lines = systems.book.held[reference].body["items"]
    items = [{"id": item["id"], "quantity": line.quantity} for item, line in zip(lines, newest.lines, strict=True)]
    address = {"text": newest.street, "city": newest.city, "index": newest.postcode}
    change: dict[str, Any] = {"items": items, "delivery": {"cost": newest.shipping / 100, "address": address}}
    assert send(systems, f"{reference}/edit", {"status": "cancel-other"} if "cancel" in fate else change) == 200
    figures, problems = verdict.by_journals(tmp_path, others)
    assert problems == []
    assert figures["cancelled"] == ("cancel" in fate)
    assert ("shop3", order) not in systems.book.open


def test_the_systems_are_rebuilt_from_their_journal(start: Callable[[], Systems]) -> None:
    systems = start()
    systems.book.make("shop3", 300)
    systems.book.make("web", 20)
    for number in range(1, 200):
        send(systems, "create", posted("shop3", number))
    wait(systems)
    again = start()
    for name, source in systems.sources.items():
        rebuilt = again.sources[name]
        for field in ("version", "cancelled", "created", "there"):
            assert getattr(rebuilt, field) == getattr(source, field), f"{name}: {field}"
        assert len(rebuilt.made) == len(source.made)
        assert list(rebuilt.changed) == list(source.changed)
    assert again.book.held.keys() == systems.book.held.keys()
    assert again.book.open == systems.book.open


def test_the_same_seed_makes_the_same_plan_and_another_seed_another() -> None:
    events = [plan.events(seed, 50_000, 2.0) for seed in (7, 7, 8)]
    assert events[0] == events[1] != events[2]
    assert {event.what for event in events[0]} == {*(f"kill {role}" for role in plan.KILLS), *plan.EVENTS, "rename"}
    fates = [[plan.fate(seed, "shop1", n) for n in range(2000)] for seed in (7, 7, 8)]
    assert fates[0] == fates[1] != fates[2]
    assert {fate.what for fate in fates[0]} == {*plan.FATES, "plain"}


def test_memory_that_grows_is_named_and_flat_memory_is_not() -> None:
    flat = [(n, {"worker": 80.0 + n % 5, "Redis (data)": float(n)}) for n in range(verdict.ENOUGH)]
    assert verdict.by_memory(flat) == []
    grown = [(n, {"worker": 80.0 + n}) for n in range(verdict.ENOUGH)]
    assert verdict.by_memory(grown)[0].startswith("memory of worker grew from ")
    assert verdict.by_memory(grown[:-1]) == []


def test_only_faults_of_the_console_are_named() -> None:
    assert verdict.by_console({"page 200": 9, "api 503": 2}) == []
    assert verdict.by_console({"page 500": 1}) == ["console: 1 x page 500"]


FOUND = [(20_000, "accepted poll shop3"), (30_000, "claimed d1"), (32_000, "delivered 7 existed")]
EDITED = [*FOUND[:1], (20_500, "changed before delivery"), *FOUND[1:]]


@pytest.mark.parametrize(
    ("created", "history", "changed", "forgotten"),
    [
        (15.0, FOUND, False, True),
        (25.0, FOUND, False, True),  # a backup has the order, and not its creation
        (25.0, EDITED, True, True),
        (25.0, EDITED, False, False),  # the ledger knew of the change
        (31.5, FOUND, False, False),  # it can have created the order itself
        (25.0, [FOUND[0], (24_000, "claimed d1"), (26_000, "retry 1 uncertain cut"), FOUND[2]], False, False),
        (25.0, [*FOUND[:2], (32_000, "delivered 7")], False, False),  # it did
        (25.0, FOUND[1:], False, False),  # its history began earlier
    ],
)
def test_an_order_was_forgotten_if_the_ledger_has_no_claim_during_which_it_was_created(
    created: float, history: list[tuple[int, str]], *, changed: bool, forgotten: bool
) -> None:
    assert was_forgotten(created, history, changed=changed) is forgotten


def test_what_redis_forgot_is_counted_apart_and_everything_else_stays_a_fault(
    start: Callable[[], Systems], tmp_path: Path
) -> None:
    systems, number = start(), order_with("edited")
    systems.book.make("shop3", number)
    assert send(systems, "create", posted("shop3", number)) == 201
    wait(systems)
    others, reference = {f"shop3:{n}" for n in range(1, number)}, f"shop3:{number}"
    figures, problems = verdict.by_journals(tmp_path, others, lambda _, names: {*names})
    assert problems == []
    assert figures["outdated"] == 0
    assert figures["forgotten"]["outdated"] == [reference]
    assert verdict.by_journals(tmp_path, others)[1] == [f"crm/crm: 1 outdated: {reference}"]
