"""RetailCRM's own Python client (`retailcrm` on PyPI), unchanged, against the simulated RetailCRM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
import retailcrm

from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = ["retailcrm:main:timezone=UTC", "retailcrm:full:orders=45:missing_ids=0", "retailcrm:shops:sites=a+b"]
    accounts += [f"retailcrm:{reading}:upload={reading}" for reading in ("maps", "bare")]
    with Sandbox(accounts=accounts, limits=["retailcrm=off"], systems="retailcrm") as running:
        yield running


def client(box: Sandbox, account: str = "main", key: str = Sandbox.KEY) -> Any:
    return retailcrm.v5(box.url("retailcrm", account), key)


def order(external_id: str, **fields: Any) -> dict[str, Any]:
    items = [{"productName": "Mug", "quantity": 2, "initialPrice": 9.9}]
    return {"externalId": external_id, "firstName": "Ada", "phone": "+15550001", "items": items, **fields}


def test_the_client_reads_the_permissions_of_its_key(box: Sandbox) -> None:
    assert client(box).api_versions().get_response()["versions"] == ["3.0", "4.0", "5.0"]
    credentials = client(box).api_credentials()
    assert credentials.is_successful()
    assert "order_write" in credentials.get_response()["scopes"]


def test_the_client_creates_an_order_and_reads_it_by_either_id(box: Sandbox) -> None:
    crm = client(box)
    created = crm.order_create(order("C-1", createdAt="2024-04-02 11:14:02"))
    assert (created.get_status_code(), created.is_successful()) == (201, True)
    number = created.get_response()["id"]
    by_external = crm.order("C-1").get_response()["order"]
    by_id = crm.order(number, "id").get_response()["order"]
    assert by_external == by_id
    assert (by_id["id"], by_id["externalId"], by_id["createdAt"]) == (number, "C-1", "2024-04-02 11:14:02")
    assert by_id["totalSumm"] == 19.8


def test_the_client_lists_all_orders_page_by_page(box: Sandbox) -> None:
    crm, seen, page = client(box, "full"), [], 1
    while True:
        answer = crm.orders(None, 20, page).get_response()  # the client sends the literal `filter=None`
        seen += [row["id"] for row in answer["orders"]]
        block = answer["pagination"]
        if page >= block["totalPageCount"]:
            break
        page += 1
    assert (len(seen), len(set(seen)), page, block["totalCount"]) == (45, 45, 3, 45)


def test_the_client_finds_orders_by_lists_of_ids(box: Sandbox) -> None:
    crm = client(box, "full")
    first_orders = crm.orders(None, 20, 1).get_response()["orders"][:3]
    expected = {row["externalId"] for row in first_orders}
    orders = crm.orders({"externalIds": list(expected)}, 50).get_response()["orders"]
    assert {row["externalId"] for row in orders} == expected
    statuses = crm.orders_statuses([first_orders[0]["id"]], [first_orders[1]["externalId"]]).get_response()["orders"]
    assert {row["id"] for row in statuses} == {first_orders[0]["id"], first_orders[1]["id"]}


def test_the_client_edits_an_order_by_either_id(box: Sandbox) -> None:
    crm = client(box)
    number = crm.order_create(order("E-1")).get_response()["id"]
    edited = crm.order_edit({"externalId": "E-1", "status": "prepayed"})
    assert (edited.get_status_code(), edited.get_response()["id"]) == (200, number)
    assert crm.order_edit({"id": number, "customerComment": "Ring twice"}, "id").is_successful()
    order_read = crm.order("E-1").get_response()["order"]
    assert (order_read["status"], order_read["customerComment"], order_read["phone"]) == (
        "prepayed",
        "Ring twice",
        "+15550001",
    )
    missing = crm.order_edit({"externalId": "E-0", "status": "prepayed"})
    assert (missing.get_status_code(), missing.get_error_msg()) == (404, "Not found")


def test_the_client_uploads_orders_and_receives_the_ids_of_the_accepted_ones(box: Sandbox) -> None:
    crm = client(box)
    whole = crm.orders_upload([order("U-1"), order("U-2")])
    assert [row["externalId"] for row in whole.get_response()["uploadedOrders"]] == ["U-1", "U-2"]
    part = crm.orders_upload([order("U-2"), order("U-3")])
    assert (part.get_status_code(), part.is_successful()) == (460, False)
    assert part.get_error_msg() == "Orders are loaded with errors"
    assert part.get_errors() == ["Order with externalId=U-2 already exists."]
    assert crm.order("U-3").is_successful()
    assert crm.orders_upload([order(f"V-{n}") for n in range(51)]).get_status_code() == 400


@pytest.mark.parametrize(
    ("account", "errors"), [("maps", {"0": "Order with externalId=M already exists."}), ("bare", {})]
)
def test_the_client_reads_the_errors_of_a_partly_accepted_upload_in_each_form(
    box: Sandbox, account: str, errors: object
) -> None:
    crm = client(box, account)
    assert crm.orders_upload([order("M")]).is_successful()
    part = crm.orders_upload([order("M"), order("N")])
    assert (part.get_status_code(), part.get_errors()) == (460, errors)
    assert crm.order("N").is_successful()


def test_the_client_reads_the_history_by_date_but_not_by_id_and_page(box: Sandbox) -> None:
    """Show the limit of the client: it always sends `page`, which is refused with `sinceId` since 15 May 2023."""
    crm = client(box)
    number = crm.order_create(order("H-1")).get_response()["id"]
    crm.order_edit({"externalId": "H-1", "status": "prepayed"})
    history = crm.orders_history({"startDate": "2024-01-01 00:00:00"}, 100).get_response()
    own = [record for record in history["history"] if record["order"]["id"] == number]
    assert [(r["field"], r.get("created"), r["source"], r["apiKey"]["current"]) for r in own] == [
        ("status", True, "api", True),
        ("status", None, "api", True),
    ]
    refused = crm.orders_history({"sinceId": own[0]["id"]})
    assert refused.get_status_code() == 400
    assert "page" in refused.get_errors()


def test_the_client_reads_a_long_history_page_by_page(box: Sandbox) -> None:
    crm, seen, page = client(box, "full"), [], 1
    while True:
        answer = crm.orders_history({"startDate": "2024-01-01 00:00:00"}, 20, page).get_response()
        seen += [record["id"] for record in answer["history"]]
        if page >= answer["pagination"]["totalPageCount"]:
            break
        page += 1
    assert (len(seen), seen) == (45, sorted(set(seen)))


def test_the_client_receives_errors_in_the_documented_form(box: Sandbox) -> None:
    crm = client(box)
    assert crm.order_create(order("X-1")).is_successful()
    duplicate = crm.order_create(order("X-1"))
    assert (duplicate.get_status_code(), duplicate.get_error_msg()) == (
        400,
        "Order with externalId=X-1 already exists.",
    )
    invalid = crm.order_create(order("X-2", items=[{"productName": "Mug", "quantity": 0}]))
    assert invalid.get_errors() == {"items[0].quantity": "This value is not valid."}
    assert crm.order("X-2").get_status_code() == 404
    stranger = client(box, key="wrong").orders()
    assert (stranger.get_status_code(), stranger.get_error_msg()) == (403, 'Wrong "apiKey" value.')
    assert client(box, "shops").order_create(order("X-3")).get_error_msg() == "Parameter 'site' is missing"


def test_the_client_works_within_one_site(box: Sandbox) -> None:
    crm = client(box, "shops")
    a, b = (crm.order_create(order("S-1"), site).get_response()["id"] for site in "ab")
    assert a != b
    assert crm.order("S-1", site="b").get_response()["order"]["id"] == b
    assert crm.order_edit({"externalId": "S-1", "status": "prepayed"}, site="b").get_response()["id"] == b


def test_the_client_cannot_read_the_html_page_of_an_overload(box: Sandbox) -> None:
    box.fault("retailcrm:list:503:times=1")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        client(box).orders()
    assert client(box).orders().is_successful()
