"""The simulated RetailCRM, called over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests

from support.sandbox import Sandbox
from worker.lab.sandbox.limits import LeakyBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"X-API-KEY": Sandbox.KEY}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "retailcrm:main:orders=230:spread=3600:timezone=UTC",
        "retailcrm:empty",
        "retailcrm:tokyo:timezone=Asia/Tokyo:currency=JPY",
        "retailcrm:two-shops:sites=a+b:key=K1+K2:duplicate=errors",
        "retailcrm:hidden:timezone=UTC",
        "retailcrm:edits",
        "retailcrm:lists:orders=40:missing_ids=0",
    ]
    with Sandbox(systems="retailcrm", accounts=accounts, limits=["retailcrm=off"]) as running:
        yield running


def get(box: Sandbox, path: str, account: str = "main", key: str = Sandbox.KEY, **params: Any) -> requests.Response:
    return ask(box, path, params, account, key)


def ask(
    box: Sandbox, path: str, params: dict[str, Any], account: str = "main", key: str = Sandbox.KEY
) -> requests.Response:
    """Send parameters whose names are not Python identifiers."""
    return requests.get(
        f"{box.url('retailcrm', account)}/{path}", params=params, headers={"X-API-KEY": key}, timeout=20
    )


def post(box: Sandbox, path: str, account: str = "main", key: str = Sandbox.KEY, **data: Any) -> requests.Response:
    form = {name: json.dumps(value) if isinstance(value, (dict, list)) else value for name, value in data.items()}
    return requests.post(f"{box.url('retailcrm', account)}/{path}", data=form, headers={"X-API-KEY": key}, timeout=20)


def order(external_id: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        **({"externalId": external_id} if external_id else {}),
        "firstName": "Ada",
        "items": [{"productName": "Mug", "quantity": 2, "initialPrice": 9.9}],
        **fields,
    }


def walk(box: Sandbox, account: str, **first: Any) -> list[list[dict[str, Any]]]:
    """Return all pages of the history, read by `sinceId`."""
    pages, params = [], {"limit": 100, **first}
    while True:
        page = get(box, "api/v5/orders/history", account, **params).json()
        pages.append(page["history"])
        if page["pagination"]["currentPage"] >= page["pagination"]["totalPageCount"]:
            return pages
        params = {"limit": 100, "filter[sinceId]": page["history"][-1]["id"]}


# --- the limit ---


def test_a_call_within_the_window_of_an_accepted_one_is_refused_and_costs_nothing() -> None:
    bucket = LeakyBucket(0.1)
    accepted = [bucket.take("a", now) for now in (1.0, 1.05, 1.0999, 1.1001, 1.19, 1.2002)]
    assert accepted == [True, False, False, True, False, True]
    report = bucket.report()
    assert (report["accepted"], report["refused"], report["first"], report["last"]) == (3, 3, 1.0, 1.2002)
    assert report["smallest_gap"] == pytest.approx(0.1001)


def test_a_call_over_the_limit_gets_a_503_web_page_without_retry_after() -> None:
    with Sandbox(systems="retailcrm", limits=["retailcrm=0.5"]) as box, requests.Session() as http:
        url = f"{box.url('retailcrm')}/api/v5/settings"
        first, second = (http.get(url, headers=HEADERS, timeout=5) for _ in range(2))
        time.sleep(0.5)
        third = http.get(url, headers=HEADERS, timeout=5)
        assert [response.status_code for response in (first, second, third)] == [200, 503, 200]
        assert second.reason == "Service Temporarily Unavailable"
        assert second.headers["Content-Type"].startswith("text/html")
        assert "Retry-After" not in second.headers
        assert second.text.startswith("<html>")
        assert [entry["did"] for entry in box.journal()] == ["settings", "refused_503", "settings"]


def test_accounts_share_the_limit_of_an_address_and_addresses_do_not() -> None:
    accounts = ["retailcrm:a", "retailcrm:b"]
    with Sandbox(systems="retailcrm", accounts=accounts, limits=["retailcrm=30"]) as box:
        calls = [("a", "10.0.0.1"), ("b", "10.0.0.1"), ("b", "10.0.0.2")]
        codes = [
            requests.get(
                f"{box.url('retailcrm', account)}/api/v5/settings",
                headers=HEADERS | {"X-Sandbox-Address": address},
                timeout=5,
            ).status_code
            for account, address in calls
        ]
        assert codes == [200, 503, 200]
        stats = box.stats()["retailcrm"]
        assert (stats["accepted"], stats["refused"], stats["addresses"]["10.0.0.1"]["refused"]) == (2, 1, 1)


def test_the_default_limit_is_one_call_per_100_ms() -> None:
    with Sandbox(systems="retailcrm") as box:
        assert box.stats()["retailcrm"]["window"] == 0.1


# --- credentials ---


@pytest.mark.parametrize(
    ("headers", "params", "text"),
    [
        ({}, {}, '"apiKey" is missing.'),
        ({"X-API-KEY": "wrong"}, {}, 'Wrong "apiKey" value.'),
        ({}, {"apiKey": "wrong"}, 'Wrong "apiKey" value.'),
    ],
)
def test_a_call_without_the_right_key_gets_the_documented_403(
    box: Sandbox, headers: dict[str, str], params: dict[str, str], text: str
) -> None:
    response = requests.get(f"{box.url('retailcrm')}/api/credentials", headers=headers, params=params, timeout=5)
    assert (response.status_code, response.json()) == (403, {"success": False, "errorMsg": text})


def test_the_key_is_accepted_as_a_parameter_too(box: Sandbox) -> None:
    base = box.url("retailcrm", "empty")
    assert requests.get(f"{base}/api/credentials", params={"apiKey": Sandbox.KEY}, timeout=5).json()["success"]
    form = {"apiKey": Sandbox.KEY, "order": json.dumps(order())}
    assert requests.post(f"{base}/api/v5/orders/create", data=form, timeout=5).status_code == 201


def test_an_unknown_account_is_a_404_web_page(box: Sandbox) -> None:
    response = get(box, "api/v5/orders", "nobody")
    assert (response.status_code, response.text[:1]) == (404, "<")


def test_the_settings_name_the_time_zone_and_the_currency(box: Sandbox) -> None:
    settings = get(box, "api/v5/settings", "tokyo").json()["settings"]
    assert (settings["timezone"]["value"], settings["default_currency"]["value"]) == ("Asia/Tokyo", "JPY")


# --- the list ---


@pytest.mark.parametrize("limit", ["30", "0", "200", "x"])
@pytest.mark.parametrize("path", ["api/v5/orders", "api/v5/orders/history"])
def test_a_page_size_other_than_20_50_and_100_is_refused(box: Sandbox, path: str, limit: str) -> None:
    response = get(box, path, limit=limit)
    assert response.status_code == 400
    assert "limit" in response.json()["errors"]


def test_the_list_has_pages_with_the_documented_pagination_block(box: Sandbox) -> None:
    pages = [get(box, "api/v5/orders", limit=100, page=page).json() for page in (1, 2, 3)]
    assert pages[2]["pagination"] == {"limit": 100, "totalCount": 230, "currentPage": 3, "totalPageCount": 3}
    assert len({row["id"] for page in pages for row in page["orders"]}) == 230
    assert get(box, "api/v5/orders").json()["pagination"]["limit"] == 20


def test_orders_are_filtered_by_ids_external_ids_and_numbers(box: Sandbox) -> None:
    chosen = box.orders("retailcrm", "lists")[3:6]
    for name, field in (("ids", "id"), ("externalIds", "externalId"), ("numbers", "number")):
        response = ask(box, "api/v5/orders", {f"filter[{name}][]": [row[field] for row in chosen]}, "lists").json()
        assert {row["id"] for row in response["orders"]} == {row["id"] for row in chosen}
    numbered = get(
        box, "api/v5/orders", "lists", **{"filter[ids][0]": chosen[0]["id"], "filter[ids][1]": chosen[1]["id"]}
    )
    assert numbered.json()["pagination"]["totalCount"] == 2


def test_an_unknown_filter_is_refused_but_a_filter_of_none_is_accepted(box: Sandbox) -> None:
    assert get(box, "api/v5/orders", **{"filter[updatedAtFrom]": "2024-01-01 00:00:00"}).status_code == 400
    assert get(box, "api/v5/orders", filter="None").status_code == 200


def test_an_order_is_read_by_its_external_id_or_by_its_id(box: Sandbox) -> None:
    stored = box.orders("retailcrm", "lists")[0]
    by_external = get(box, f"api/v5/orders/{stored['externalId']}", "lists")
    by_id = get(box, f"api/v5/orders/{stored['id']}", "lists", by="id")
    assert by_external.json()["order"] == by_id.json()["order"] == stored
    assert get(box, f"api/v5/orders/{stored['id']}", "lists").status_code == 404
    assert get(box, f"api/v5/orders/{stored['id']}", "lists", by="number").status_code == 400


# --- shapes ---


def test_empty_maps_are_lists_and_payments_are_keyed_by_id(box: Sandbox) -> None:
    orders = box.orders("retailcrm")
    payments = [row["payments"] for row in orders]
    assert [] in payments
    for paid in filter(None, payments):
        assert all(int(key) == payment["id"] for key, payment in paid.items())
    assert any(len(paid) == 2 for paid in payments)
    for values in ([row["customFields"] for row in orders], [i["properties"] for row in orders for i in row["items"]]):
        assert [] in values
        assert any(isinstance(value, dict) and value for value in values)
        assert {} not in values


def test_made_up_orders_add_up_to_the_charged_prices(box: Sandbox) -> None:
    for row in box.orders("retailcrm"):
        charged = sum(
            Decimal(str(price["price"])) * Decimal(str(price["quantity"]))
            for item in row["items"]
            if not item.get("isCanceled")
            for price in item["prices"]
        )
        total = charged + Decimal(str(row["delivery"]["cost"]))
        # Fractional quantities are rounded per line, to whole units in currencies without decimals.
        slack = len(row["items"]) if any(item["quantity"] % 1 for item in row["items"]) else Decimal("0.01")
        assert abs(total - Decimal(str(row["totalSumm"]))) <= slack


def test_made_up_orders_are_as_difficult_as_real_ones(box: Sandbox) -> None:
    orders = box.orders("retailcrm")
    texts = json.dumps(orders, ensure_ascii=False)
    assert all(any(letter in texts for letter in script) for script in ("я", "λ", "ع", "山", "🍵", "\u0301"))
    assert {type(row["totalSumm"]) for row in orders} == {int, float}
    assert any("externalId" not in row for row in orders)
    assert len({row["createdAt"] for row in orders}) < len(orders)
    assert max(len(row["items"]) for row in orders) > 15
    items = [item for row in orders for item in row["items"]]
    assert any(item["initialPrice"] == 0 for item in items)
    assert any(item["quantity"] % 1 for item in items)
    assert len({row["countryIso"] for row in orders}) > 15


def test_times_are_local_to_the_account_and_name_no_zone(box: Sandbox) -> None:
    created = post(box, "api/v5/orders/create", "tokyo", order=order("T-1")).json()["order"]
    generated = get(box, "api/v5/orders/history", "tokyo").json()["generatedAt"]
    local_time = datetime.now(UTC) + timedelta(hours=9)
    for text in (created["createdAt"], generated):
        assert abs(datetime.fromisoformat(text + "+00:00") - local_time) < timedelta(seconds=5)


# --- the history ---


def test_paging_by_the_last_id_reads_every_record_once_and_in_order(box: Sandbox) -> None:
    pages = walk(box, "main")
    records = [record for page in pages for record in page]
    ids = [record["id"] for record in records]
    assert len(pages) == 3
    assert ids == sorted(set(ids))
    assert all(record["created"] is True and record["field"] == "status" for record in records)
    assert {record["order"]["id"] for record in records} == {row["id"] for row in box.orders("retailcrm")}
    assert all(record["order"]["items"] for record in records)


def test_the_total_shrinks_with_a_since_id_and_the_page_stays_one(box: Sandbox) -> None:
    first = get(box, "api/v5/orders/history", limit=100).json()
    assert first["pagination"] == {"limit": 100, "totalCount": 230, "currentPage": 1, "totalPageCount": 3}
    since = first["history"][-1]["id"]
    second = get(box, "api/v5/orders/history", limit=100, **{"filter[sinceId]": since}).json()
    assert second["pagination"] == {"limit": 100, "totalCount": 130, "currentPage": 1, "totalPageCount": 2}
    assert second["history"][0]["id"] > since


def test_a_since_id_together_with_a_page_is_refused(box: Sandbox) -> None:
    assert ask(box, "api/v5/orders/history", {"page": 1, "filter[sinceId]": 1}).status_code == 400


def test_date_filters_include_their_bounds_and_work_with_pages(box: Sandbox) -> None:
    records = [record for page in walk(box, "main") for record in page]
    start, end = records[40]["createdAt"], records[190]["createdAt"]
    within = [record["id"] for record in records if start <= record["createdAt"] <= end]
    window = {"filter[startDate]": start, "filter[endDate]": end, "limit": 100}
    pages = [get(box, "api/v5/orders/history", page=page, **window).json()["history"] for page in (1, 2)]
    assert [record["id"] for page in pages for record in page] == within
    assert get(box, "api/v5/orders/history", **{"filter[startDate]": "yesterday"}).status_code == 400
    assert get(box, "api/v5/orders/history", **{"filter[startDate]": "2024-04-02T11:14:02"}).status_code == 400


def test_a_page_can_be_empty_before_the_last(box: Sandbox) -> None:
    box.add_orders(1, account="hidden")
    since = get(box, "api/v5/orders/history", "hidden").json()["history"][-1]["id"]
    box.add_orders(1, account="hidden", hidden=150)
    page = get(box, "api/v5/orders/history", "hidden", limit=100, **{"filter[sinceId]": since}).json()
    assert page["history"] == []
    assert page["pagination"]["totalPageCount"] == 2
    dated = [
        get(box, "api/v5/orders/history", "hidden", limit=100, page=n, **{"filter[startDate]": "2000-01-01 00:00:00"})
        for n in (1, 2)
    ]
    assert [len(response.json()["history"]) for response in dated] == [1, 1]


def test_an_edit_writes_a_record_per_changed_field_marked_for_its_writer(box: Sandbox) -> None:
    account = "two-shops"
    number = post(box, "api/v5/orders/create", account, "K1", order=order("E-1", status="new"), site="a").json()["id"]
    fields = {"status": "prepayed", "phone": "+1 555", "firstName": "Ada"}
    edited = post(box, "api/v5/orders/E-1/edit", account, "K1", order=fields, site="a")
    assert (edited.status_code, edited.json()["id"], edited.json()["order"]["status"]) == (200, number, "prepayed")
    box.change(number, account=account, managerComment="call")
    of_order = {"filter[orderId]": number}
    by_writer, by_other = (
        get(box, "api/v5/orders/history", account, key, **of_order).json()["history"] for key in ("K1", "K2")
    )
    assert [record["field"] for record in by_writer] == ["status", "status", "phone", "managerComment"]
    assert [record.get("apiKey") for record in by_writer] == [{"current": True}] * 3 + [None]
    assert [record.get("apiKey") for record in by_other] == [{"current": False}] * 3 + [None]
    assert "created" not in by_writer[1]
    assert (by_writer[1]["oldValue"], by_writer[1]["newValue"]) == ({"code": "new"}, {"code": "prepayed"})
    assert set(by_writer[1]["order"]) == {"id", "externalId", "site", "status"}


def test_posted_items_replace_all_items_and_each_change_is_recorded(box: Sandbox) -> None:
    two = [{"productName": name, "quantity": 1, "initialPrice": 5} for name in ("Mug", "Cup")]
    created = post(box, "api/v5/orders/create", "edits", order=order("I-1", items=two)).json()["order"]
    kept = created["items"][0]["id"]
    new = [{"id": kept, "quantity": 3}, {"productName": "Jug", "quantity": 1, "initialPrice": 7}]
    edited = post(box, "api/v5/orders/I-1/edit", "edits", order={"items": new}).json()["order"]
    assert [item["quantity"] for item in edited["items"]] == [3.0, 1.0]
    assert edited["items"][0]["id"] == kept
    assert edited["totalSumm"] == 22
    of_order = {"filter[orderExternalId]": "I-1"}
    fields = [record["field"] for record in get(box, "api/v5/orders/history", "edits", **of_order).json()["history"]]
    assert sorted(fields) == ["order_product", "order_product", "order_product.quantity", "status"]


def test_deleted_and_merged_orders_are_gone_and_recorded_in_the_history(box: Sandbox) -> None:
    first, second, third = box.add_orders(3, account="edits", missing_ids=0)
    box.change(first, account="edits", deleted=True)
    box.change(second, account="edits", combinedTo=int(third))
    assert get(box, f"api/v5/orders/{first}", "edits", by="id").status_code == 404
    history = get(box, "api/v5/orders/history", "edits", limit=100).json()["history"]
    (deleted,) = (record for record in history if record.get("deleted"))
    (combined,) = (record for record in history if record.get("combinedTo"))
    assert str(deleted["order"]["id"]) == first
    assert (combined["source"], combined["combinedTo"]["id"]) == ("combine", int(third))
    grown = [record for record in history if record["id"] > combined["id"]]
    assert ("order_product", third) in {(record["field"], str(record["order"]["id"])) for record in grown}


# --- writing ---


def test_a_created_order_is_answered_with_201_and_can_be_read(box: Sandbox) -> None:
    response = post(
        box, "api/v5/orders/create", "empty", order=order("SO/1 ü", number="SO-1", payments=[{"type": "cash"}])
    )
    created = response.json()
    assert (response.status_code, created["success"], created["order"]["fromApi"]) == (201, True, True)
    assert created["order"]["totalSumm"] == 19.8
    assert isinstance(created["order"]["payments"], list)
    read = get(box, "api/v5/orders/SO%2F1%20%C3%BC", "empty").json()["order"]
    assert (read["id"], read["number"], read["items"][0]["quantity"]) == (created["id"], "SO-1", 2.0)
    assert isinstance(read["payments"], dict)


def test_a_repeated_external_id_is_refused_in_both_forms(box: Sandbox) -> None:
    text = "Order with externalId=D-1 already exists."
    post(box, "api/v5/orders/create", "empty", order=order("D-1"))
    again = post(box, "api/v5/orders/create", "empty", order=order("D-1"))
    assert (again.status_code, again.json()) == (400, {"success": False, "errorMsg": text})
    for _ in range(2):
        listed = post(box, "api/v5/orders/create", "two-shops", "K1", order=order("D-1"), site="a")
    assert listed.json()["errors"] == [text]
    assert post(box, "api/v5/orders/create", "two-shops", "K1", order=order("D-1"), site="b").status_code == 201
    assert post(box, "api/v5/orders/create", "two-shops", "K1", order=order("D-2")).status_code == 400


def test_exactly_one_of_many_concurrent_creates_succeeds(box: Sandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        responses = pool.map(lambda _: post(box, "api/v5/orders/create", "empty", order=order("R-1")), range(32))
        assert sorted(response.status_code for response in responses) == [201] + [400] * 31
    assert sum(row.get("externalId") == "R-1" for row in box.orders("retailcrm", "empty")) == 1


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"items": [{"quantity": 0}]}, "items[0].quantity"),
        ({"items": "none"}, "items"),
        ({"createdAt": "2024-04-02T11:14:02Z"}, "createdAt"),
    ],
)
def test_an_invalid_order_is_refused_by_field(box: Sandbox, fields: dict[str, Any], key: str) -> None:
    response = post(box, "api/v5/orders/create", "empty", order=order("BAD", **fields))
    assert (response.status_code, list(response.json()["errors"])) == (400, [key])


def test_a_create_without_an_order_reports_the_missing_parameter(box: Sandbox) -> None:
    assert post(box, "api/v5/orders/create").json()["errorMsg"] == "Parameter 'order' is missing"
    json_body = requests.post(
        f"{box.url('retailcrm')}/api/v5/orders/create", json={"order": order()}, headers=HEADERS, timeout=5
    )
    assert json_body.status_code == 400


def test_an_upload_that_fails_in_part_is_answered_with_460(box: Sandbox) -> None:
    whole = post(box, "api/v5/orders/upload", "empty", orders=[order("U-1"), order("U-2")])
    assert (whole.status_code, len(whole.json()["uploadedOrders"])) == (201, 2)
    part = post(box, "api/v5/orders/upload", "empty", orders=[order("U-2"), order("U-3")])
    assert part.status_code == 460
    assert [row["externalId"] for row in part.json()["uploadedOrders"]] == ["U-3"]
    assert part.json()["failedOrders"] == [{"externalId": "U-2"}]
    assert part.json()["errors"] == ["Order with externalId=U-2 already exists."]
    assert post(box, "api/v5/orders/upload", "empty", orders=[order()] * 51).status_code == 400


# --- the process ---


def test_the_same_seed_makes_the_same_orders() -> None:
    created = []
    for seed in (7, 7, 8):
        with Sandbox(systems="retailcrm", seed=seed, accounts=["retailcrm:main:orders=30"]) as box:
            created.append([(row["id"], row["firstName"], row["totalSumm"]) for row in box.orders("retailcrm")])
    assert created[0] == created[1] != created[2]


def test_orders_can_be_added_over_time(box: Sandbox) -> None:
    before = box.stats()["retailcrm"]["orders"]["hidden"]
    assert box.add_orders(5, account="hidden", over=0.5) == []
    assert box.stats()["retailcrm"]["orders"]["hidden"] < before + 5
    deadline = time.monotonic() + 5
    while box.stats()["retailcrm"]["orders"]["hidden"] < before + 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_order_that_no_client_can_read_can_be_added(box: Sandbox) -> None:
    number = box.add_order({"items": "none", "createdAt": "soon"}, account="edits")
    assert get(box, f"api/v5/orders/{number}", "edits", by="id").json()["order"]["items"] == "none"


def test_five_thousand_orders_are_made_up_in_under_four_seconds_of_processor_time() -> None:
    with Sandbox(systems="retailcrm") as box:
        assert len(set(box.add_orders(5000))) == 5000
        used = psutil.Process(box.pid).cpu_times()
        assert used.user + used.system < 4


def test_no_call_of_these_tests_crashed(box: Sandbox) -> None:
    assert box.journal(did="crashed") == []


def test_the_simulator_ends_on_a_signal_and_with_its_parent() -> None:
    assert Sandbox().start().stop() == 0
    script = "from support.sandbox import Sandbox; Sandbox().start()"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), str(Path.cwd())])}
    # The pipe of stderr is read to its end here, so this returns only when the simulator has ended too.
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], env=env, capture_output=True, check=True, timeout=10)


def test_a_wrong_option_is_reported_and_nothing_starts() -> None:
    for options in (["--account", "retailcrm:main:colour=red"], ["--fault", "x:y:nonsense"], ["--systems", "shopify"]):
        ended = subprocess.run(
            [sys.executable, "-m", "worker.lab.sandbox", *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert ended.returncode == 1
        assert ended.stderr.startswith("Error: ")
        assert ended.stdout == ""
