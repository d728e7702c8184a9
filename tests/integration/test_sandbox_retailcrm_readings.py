"""What no document of RetailCRM settles: the simulated one answers in either way."""

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
    accounts = [f"retailcrm:{reading}:upload={reading}" for reading in ("lists", "maps", "bare")]
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
    ("reading", "status", "whole", "part"),
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
def test_an_upload_is_answered_in_lists_in_maps_or_with_nothing(
    box: Sandbox, reading: str, status: int, whole: object, part: dict[str, Any]
) -> None:
    def ids_left_out(body: dict[str, Any]) -> dict[str, Any]:
        rows = body.get("uploadedOrders") or []
        for row in rows.values() if isinstance(rows, dict) else rows:
            row["id"] = 0
        return body

    first = post(box, reading, "upload", "orders", [order("A")])
    wanted = {"success": True} | ({} if whole is None else {"uploadedOrders": whole})
    assert (first.status_code, ids_left_out(first.json())) == (status, ids_left_out(wanted))
    second = post(box, reading, "upload", "orders", [order("A"), order("B")])
    assert (second.status_code, ids_left_out(second.json())) == (460, ids_left_out({**PARTLY, **part}))
    assert {o["externalId"] for o in box.orders("retailcrm", reading)} == {"A", "B"}


@pytest.mark.parametrize(("account", "kept"), [("replace", False), ("merge", True)])
def test_an_edit_replaces_the_delivery_or_changes_what_it_names(box: Sandbox, account: str, kept: bool) -> None:  # noqa: FBT001  # a test's datum
    delivery = {"code": "courier", "cost": 5, "address": {"city": "Delft", "index": "2611"}}
    post(box, account, "create", "order", order("D", delivery=delivery))
    edited = post(box, account, "D/edit", "order", {"delivery": {"address": {"city": "Den Haag"}}}).json()["order"]
    assert edited["delivery"]["address"] == {"city": "Den Haag", **({"index": "2611"} if kept else {})}
    assert ("code" in edited["delivery"]) == kept


def test_a_discount_of_the_order_is_reckoned_into_its_sum_when_it_changes(box: Sandbox) -> None:
    post(box, "replace", "create", "order", order("S", discountManualAmount=5))
    edited = post(box, "replace", "S/edit", "order", {"discountManualAmount": 0}).json()["order"]
    assert edited["totalSumm"] == 19.8


@pytest.mark.parametrize("account", ZONES)
def test_reading_since_a_moment_leaves_out_nothing_and_stays_within_the_hour_before_it(
    box: Sandbox, account: str
) -> None:
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
    made = {
        o["id"]: datetime.fromisoformat(o["createdAt"]).replace(tzinfo=zone) for o in box.orders("retailcrm", account)
    }
    assert {number for number, at in made.items() if at >= since} <= read
    assert {number for number, at in made.items() if at < since - timedelta(hours=1, seconds=1)} & read == set()
