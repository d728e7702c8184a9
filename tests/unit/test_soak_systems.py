"""The systems of the soak answer whatever an adapter asks them, after the latency that is wanted."""

from __future__ import annotations

from typing import Any

import pytest

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
