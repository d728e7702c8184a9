"""The options of the simulated RetailCRM for behaviour that its documents leave open."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import requests

from support.sandbox import Sandbox
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.retailcrm.provider import RetailCRM, RetailCRMOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"X-API-KEY": Sandbox.KEY}
ZONES = {"msk": "Europe/Moscow", "ny": "America/New_York"}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [f"retailcrm:{form}:upload={form}" for form in ("lists", "maps", "bare")]
    accounts += [f"retailcrm:{edit}:edit={edit}" for edit in ("replace", "merge")]
    accounts += [f"retailcrm:{name}:orders=330:spread=7200:timezone={zone}" for name, zone in ZONES.items()]
    with Sandbox(systems="retailcrm", accounts=accounts, limits=["retailcrm=off"]) as running:
        yield running


def post(box: Sandbox, account: str, path: str, name: str, value: Any) -> requests.Response:
    url = f"{box.url('retailcrm', account)}/api/v5/orders/{path}"
    return requests.post(url, data={name: json.dumps(value)}, headers=HEADERS, timeout=20)


def order(external_id: str, **fields: Any) -> dict[str, Any]:
    return {"externalId": external_id, "items": [{"productName": "Mug", "quantity": 2, "initialPrice": 9.9}], **fields}


EXISTS = "Order with externalId=A already exists."
PARTLY = {"success": False, "errorMsg": "Orders are loaded with errors"}


@pytest.mark.parametrize(
    ("form", "status", "whole", "part"),
    [
        (
            "lists",
            201,
            [{"id": 1, "externalId": "A"}],
            {
                "uploadedOrders": [{"id": 4, "externalId": "B"}],
                "failedOrders": [{"externalId": "A"}],
                "errors": [EXISTS],
            },
        ),
        (
            "maps",
            201,
            {"0": {"id": 1, "externalId": "A"}},
            {"uploadedOrders": {"0": {"id": 4, "externalId": "B"}}, "errors": {"0": EXISTS}},
        ),
        ("bare", 200, None, {}),
    ],
)
def test_an_upload_is_answered_with_lists_with_maps_or_with_neither(
    box: Sandbox, form: str, status: int, whole: object, part: dict[str, Any]
) -> None:
    def without_ids(body: dict[str, Any]) -> dict[str, Any]:
        rows = body.get("uploadedOrders") or []
        for row in rows.values() if isinstance(rows, dict) else rows:
            row["id"] = 0
        return body

    first = post(box, form, "upload", "orders", [order("A")])
    expected = {"success": True} | ({} if whole is None else {"uploadedOrders": whole})
    assert (first.status_code, without_ids(first.json())) == (status, without_ids(expected))
    second = post(box, form, "upload", "orders", [order("A"), order("B")])
    assert (second.status_code, without_ids(second.json())) == (460, without_ids({**PARTLY, **part}))
    assert {o["externalId"] for o in box.orders("retailcrm", form)} == {"A", "B"}


@pytest.mark.parametrize(("account", "kept"), [("replace", False), ("merge", True)])
def test_an_edit_replaces_the_delivery_or_merges_with_it(box: Sandbox, account: str, kept: bool) -> None:  # noqa: FBT001  # a parameter of the test
    delivery = {"code": "courier", "cost": 5, "address": {"city": "Delft", "index": "2611"}}
    post(box, account, "create", "order", order("D", delivery=delivery))
    edited = post(box, account, "D/edit", "order", {"delivery": {"address": {"city": "Den Haag"}}}).json()["order"]
    assert edited["delivery"]["address"] == {"city": "Den Haag", **({"index": "2611"} if kept else {})}
    assert ("code" in edited["delivery"]) == kept


def test_a_changed_discount_of_the_order_changes_its_total(box: Sandbox) -> None:
    post(box, "replace", "create", "order", order("S", discountManualAmount=5))
    edited = post(box, "replace", "S/edit", "order", {"discountManualAmount": 0}).json()["order"]
    assert edited["totalSumm"] == 19.8


@pytest.mark.parametrize("account", ZONES)
def test_reading_since_a_moment_skips_nothing_and_starts_at_most_an_hour_early(box: Sandbox, account: str) -> None:
    statuses, zone = RetailCRM.throttle_statuses, ZoneInfo(ZONES[account])
    client = Client(box.url("retailcrm", account), gate=Open(), headers={}, throttle_statuses=statuses)
    provider = RetailCRM(account, RetailCRMOptions.model_validate({"api_key": Sandbox.KEY, "page_size": 20}), client)
    since = datetime.now(UTC) - timedelta(minutes=50)
    page = provider.fetch(provider.start(since))
    read = {record.raw["id"] for record in page.records}
    while page.more:
        page = provider.fetch(page.cursor)
        read |= {record.raw["id"] for record in page.records}
    client.close()
    created = {
        o["id"]: datetime.fromisoformat(o["createdAt"]).replace(tzinfo=zone) for o in box.orders("retailcrm", account)
    }
    assert {number for number, at in created.items() if at >= since} <= read
    assert {number for number, at in created.items() if at < since - timedelta(hours=1, seconds=1)} & read == set()
