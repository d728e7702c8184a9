"""The systems of the soak answer every request of an adapter, after the configured latency."""

from __future__ import annotations

import json
from typing import Any

import pytest

from soak.bodies import content
from soak.systems import Systems

PLAN: dict[str, Any] = {
    "sources": {"shop1": "depot", "shop3": "crm"},
    "seed": 1,
    "weather": dict.fromkeys(("shop read", "depot read", "crm read", "malformed"), 0.0),
    "latency": [0.02, 0.15],
}


@pytest.mark.parametrize("account", ["shop1", "crm"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("settings", 200), ("reference/statuses", 404), ("reference/status-groups", 404), ("orders/7", 404)],
)
def test_an_account_of_retailcrm_answers_what_is_read_beside_orders(account: str, path: str, status: int) -> None:
    assert Systems(PLAN).answer("GET", f"/{account}/api/v5/{path}", b"").status == status


def test_each_response_takes_its_time() -> None:
    systems = Systems(PLAN)
    delays = [systems.answer("GET", "/shop1/api/v5/settings", b"").delay for _ in range(200)]
    assert 0.02 <= min(delays) < 0.04
    assert 0.13 < max(delays) <= 0.15


def test_an_order_that_the_crm_has_is_recognized_by_its_time_of_creation() -> None:
    systems = Systems(PLAN)
    systems.sources["shop3"].make(1)
    made = systems.shops["shop3"].answer("/api/v5/orders/1", {}, systems.rng, 0.0)
    systems.book.create("crm", "shop3:1", content("shop3", 1))
    found = systems.answer("GET", "/crm/api/v5/orders/shop3%3A1", b"")
    assert json.loads(found.body)["order"]["createdAt"] == json.loads(made.body)["order"]["createdAt"]
    assert systems.answer("GET", "/crm/api/v5/orders/shop3%3A2", b"").status == 404
