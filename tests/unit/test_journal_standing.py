"""The journal states whether an order is live, withheld or cancelled, in every simulated system."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from worker.lab.sandbox.journal import Journal
from worker.lab.sandbox.world import SYSTEMS, World

if TYPE_CHECKING:
    from pathlib import Path

#: By system: what a person sets, and the standing of the order from then on.
CHANGES: dict[str, list[tuple[dict[str, Any], str]]] = {
    "retailcrm": [
        *(({"status": code}, "cancelled") for code in ("cancel-other", "no-call", "abandoned-cart")),
        *(({"status": code}, "live") for code in ("assembling", "delivering", "complete")),
        ({"status": "return"}, "withheld"),
    ],
    "dropday": [({"current_status": "declined"}, "cancelled"), ({"current_status": "completed"}, "live")],
    "dropstream": [
        ({"fulfillment_state": "canceled"}, "withheld"),
        ({"fulfillment_state": "skipped"}, "cancelled"),
        ({"fulfillment_state": "shipped"}, "live"),
        ({"order_items": [{"name": "Mug", "quantity": 1, "canceled": True}]}, "cancelled"),
    ],
    "dropboy": [({"status": "cancelled"}, "cancelled"), ({"status": "onHold"}, "withheld")],
    "ordercloud": [({"Status": "Canceled"}, "cancelled"), ({"Status": "AwaitingApproval"}, "withheld")],
}


def test_every_system_is_covered() -> None:
    assert CHANGES.keys() == SYSTEMS.keys()


@pytest.mark.parametrize("system", CHANGES)
def test_a_person_changes_the_standing_of_an_order(system: str, tmp_path: Path) -> None:
    world = World([system], 1, Journal(tmp_path / "journal.jsonl"))

    async def change() -> None:
        await world.open_account(f"{system}:main")
        account = world.systems[system].accounts["main"]
        for fields, _ in CHANGES[system]:
            (order_id,) = await world.add_orders(system, "main", {"count": 1})
            assert account.change(order_id, dict(fields))

    asyncio.run(change())
    lines = map(json.loads, (tmp_path / "journal.jsonl").read_text().splitlines())
    changed = [line for line in lines if line.get("did") == "changed"]
    standings = [line.get("standing", "live") for line in changed]
    assert standings == [standing for _, standing in CHANGES[system]]
    assert {line["by"] for line in changed} == {"person"}
