"""Writes of orders, lines and addresses to the simulated OrderCloud, over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import requests

from support.ordercloud_api import BUYER, HOME, Api, code, ids
from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "ordercloud:main",
        "ordercloud:strict:products=SKU-1+SKU-2:buyers=storefront:put_create=201:shipto=lines:conflict=Other:currency=",
        "ordercloud:seller:products=SKU-1:product=seller:approval=yes:cancel_open=no:digits=3",
    ]
    with Sandbox(systems="ordercloud", accounts=accounts) as running:
        yield running


def test_an_order_is_created_filled_and_submitted_only_once(box: Sandbox) -> None:
    api = Api(box)
    assert api("PUT", "orders/Incoming/P-1", {**BUYER, "ShippingCost": 4.95, "xp": {"a": {"b": 1}}})[0] == 200
    assert code(api("POST", "orders/Incoming/P-1/submit")) == (400, "Order.CannotSubmitWithNoLineItems")
    assert code(api("POST", "orders/Incoming/P-1/validate")) == (400, "Order.CannotSubmitWithNoLineItems")
    for _ in range(2):
        line = {"ProductID": "SKU-1", "Quantity": 3, "UnitPrice": 0.1}
        status, stored = api("PUT", "orders/Incoming/P-1/lineitems/L1", line)
        assert (status, stored["LineTotal"], stored["PriceOverridden"]) == (200, Decimal("0.3"), True)
    assert api("POST", "orders/Incoming/P-1/validate")[0] == 204
    status, order = api("POST", "orders/incoming/P-1/submit")
    assert (status, order["Status"], order["IsSubmitted"]) == (201, "Open", True)
    assert (order["LineItemCount"], order["Subtotal"], order["Total"]) == (1, Decimal("0.3"), Decimal("5.25"))
    assert order["DateSubmitted"].endswith("+00:00")
    assert code(api("POST", "orders/Incoming/P-1/submit")) == (400, "Order.CannotSubmitBadStatus")
    effects = [entry["did"] for entry in box.journal(kind="effect", external_id="P-1")]
    assert effects == ["drafted", "created"]
    requested = [entry["did"] for entry in box.journal(kind="request", external_id="P-1")]
    assert requested[-2:] == ["created", "refused"]


def test_amounts_are_exact_on_the_wire(box: Sandbox) -> None:
    api = Api(box)
    api.put_order("M-1", lines=3, TaxCost=0.1, ShippingCost=0.2)
    response = requests.get(
        f"{api.base}/orders/Incoming/M-1", headers={"Authorization": f"Bearer {api.token}"}, timeout=20
    )
    assert '"Subtotal":6.6,' in response.text
    assert '"Total":6.9,' in response.text


def test_a_repeated_id_is_a_conflict(box: Sandbox) -> None:
    api = Api(box)
    assert api("POST", "orders/Incoming", {**BUYER, "ID": "D-1"})[0] == 201
    assert code(api("POST", "orders/Incoming", {**BUYER, "ID": "D-1"})) == (409, "IdExists")
    status, stored = api("POST", "orders/Incoming", BUYER)
    assert (status, len(stored["ID"]) > 10) == (201, True)
    line = {"ID": "L", "ProductID": "SKU-1"}
    assert api("POST", "orders/Incoming/D-1/lineitems", line)[0] == 201
    assert api("POST", "orders/Incoming/D-1/lineitems", line)[0] == 409
    assert box.journal(kind="request", did="repeated", external_id="D-1")[0]["status"] == 409


def test_an_incoming_order_without_its_buyer_is_refused(box: Sandbox) -> None:
    api = Api(box)
    for body in ({}, {"FromCompanyID": "storefront"}, {"FromUserID": "buyer"}):
        for method, path in (("POST", "orders/Incoming"), ("PUT", "orders/Incoming/N-1")):
            assert code(api(method, path, body)) == (400, "Order.CreateIncomingRequiresFromUser")
    assert code(api("POST", "orders/Incoming", [])) == (400, "Order.CannotCreateInvalid")
    assert code(api("PUT", "orders/Incoming/N-1", {**BUYER, "Comments": 7})) == (400, "Request.InvalidRequestBody")
    assert api("GET", "orders/Incoming/N-1")[0] == 404


def test_put_resets_fields_that_are_not_sent_and_patch_keeps_them(box: Sandbox) -> None:
    api = Api(box)
    api.submitted("R-1", Comments="c", ShippingCost=1, xp={"a": {"b": 1, "c": 2}})
    order = api("PATCH", "orders/Incoming/R-1", {"xp": {"a": {"b": 3}}})[1]
    assert (order["Comments"], order["xp"]) == ("c", {"a": {"b": 3, "c": 2}})
    order = api("PUT", "orders/Incoming/R-1", {"xp": {"z": 1}})[1]
    assert (order["Comments"], order["ShippingCost"], order["xp"]) == (None, None, {"z": 1})
    assert (order["Status"], order["FromUserID"], order["LineItemCount"]) == ("Open", "buyer", 1)
    line = api("PATCH", "orders/Incoming/R-1/lineitems/L0", {"Quantity": 5})[1]
    assert (line["Quantity"], line["UnitPrice"], line["LineTotal"]) == (5, Decimal("1.1"), Decimal("5.5"))
    line = api("PUT", "orders/Incoming/R-1/lineitems/L0", {"ProductID": "SKU-1"})[1]
    assert (line["Quantity"], line["PriceOverridden"]) == (1, False)


def test_every_write_advances_last_updated(box: Sandbox) -> None:
    api = Api(box)
    api.put_order("U-1")
    before = api("GET", "orders/Incoming/U-1")[1]["LastUpdated"]
    for method, path, body in (
        ("PATCH", "", {"Comments": "c"}),
        ("PUT", "/lineitems/L0", {"ProductID": "SKU-1"}),
        ("PATCH", "/lineitems/L0", {"Quantity": 2}),
        ("POST", "/lineitems", {"ID": "L9", "ProductID": "SKU-1"}),
        ("DELETE", "/lineitems/L9", None),
        ("PUT", "/billto", HOME),
        ("PATCH", "/billto", {"City": "Köln"}),
        ("PUT", "/shipto", HOME),
        ("PUT", "/lineitems/L0/shipto", HOME),
        ("POST", "/submit", None),
        ("POST", "/cancel", None),
    ):
        assert api(method, f"orders/Incoming/U-1{path}", body)[0] in {200, 201, 204}
        after = api("GET", "orders/Incoming/U-1")[1]["LastUpdated"]
        assert after > before, path
        before = after


def test_addresses_are_set_on_the_order_and_on_its_lines(box: Sandbox) -> None:
    for account, later in (("main", "LA"), ("strict", None)):
        api = Api(box, account)
        api.put_order("A-1")
        assert code(api("PATCH", "orders/Incoming/A-1/billto", {"City": "x"})) == (
            400,
            "BillingAddress.CannotModifyNotFound",
        )
        assert code(api("PUT", "orders/Incoming/A-1/billto", {"City": "x"})) == (400, "ValidationFailure")
        assert api("PUT", "orders/Incoming/A-1/billto", HOME)[1]["BillingAddress"]["Street1"] == "Jumpstreet 23"
        assert api("PUT", "orders/Incoming/A-1/shipto", HOME)[0] == 200
        line = {"ProductID": "SKU-1"}
        stored = api("PUT", "orders/Incoming/A-1/lineitems/L2", line)[1]["ShippingAddress"]
        assert (stored or {}).get("City") == later
        lines = api("GET", "orders/Incoming/A-1/lineitems", pageSize=100)[1]["Items"]
        assert lines[0]["ShippingAddress"]["City"] == "LA"


def test_an_order_changes_its_status_only_as_allowed(box: Sandbox) -> None:
    api = Api(box)
    assert api.submitted("S-1")["Status"] == "Open"
    assert code(api("POST", "orders/Incoming/S-1/approve")) == (400, "Order.MustBeAwaitingApproval")
    status, order = api("POST", "orders/Incoming/S-1/complete")
    assert (status, order["Status"], order["DateCompleted"] is None) == (201, "Completed", False)
    assert code(api("POST", "orders/Incoming/S-1/complete")) == (400, "Order.CannotCompleteBadStatus")
    assert code(api("POST", "orders/Incoming/S-1/cancel")) == (400, "Order.CannotCancelInCurrentStatus")
    api.submitted("S-2")
    assert api("POST", "orders/Incoming/S-2/cancel")[1]["Status"] == "Canceled"
    assert code(api("POST", "orders/Incoming/S-2/cancel")) == (400, "Order.CannotCancelInCurrentStatus")
    other = Api(box, "seller")
    waiting = other.submitted("S-3")
    assert (waiting["Status"], waiting["IsSubmitted"], waiting["DateSubmitted"]) == ("AwaitingApproval", False, None)
    assert code(other("POST", "orders/Incoming/S-3/submit")) == (400, "Order.CannotSubmitBadStatus")
    assert other("POST", "orders/Incoming/S-3/approve")[1]["IsSubmitted"] is True
    assert code(other("POST", "orders/Incoming/S-3/cancel")) == (400, "Order.CannotCancelInCurrentStatus")
    api.submitted("S-4")
    assert api("POST", "orders/Incoming/S-4/ship")[1]["Status"] == "Completed"


def test_lines_are_read_by_page_or_with_the_worksheet(box: Sandbox) -> None:
    api = Api(box)
    api.put_order("W-1", lines=5)
    status, page = api("GET", "orders/Incoming/W-1/lineitems", page=2, pageSize=2)
    assert (status, ids(page["Items"]), page["Meta"]["TotalPages"]) == (200, ["L2", "L3"], 3)
    sheet = api("GET", "orders/Incoming/W-1/worksheet")[1]
    assert (sheet["Order"]["ID"], ids(sheet["LineItems"])) == ("W-1", ["L0", "L1", "L2", "L3", "L4"])
    assert api("DELETE", "orders/Incoming/W-1/lineitems/L4")[0] == 204
    assert api("GET", "orders/Incoming/W-1")[1]["LineItemCount"] == 4


def test_a_missing_object_is_a_404_that_names_it(box: Sandbox) -> None:
    api, strict, seller = Api(box), Api(box, "strict"), Api(box, "seller")
    api.put_order("X-1")
    for path, data in (
        ("orders/Incoming/none", {"ObjectType": "Order", "ObjectID": "none"}),
        ("orders/Outgoing/X-1", {"ObjectType": "Order", "ObjectID": "X-1"}),
        ("orders/Incoming/X-1/lineitems/none", {"ObjectType": "LineItem", "ObjectID": "none"}),
    ):
        status, body = api("GET", path)
        assert (status, body["Errors"][0]["ErrorCode"], body["Errors"][0]["Data"]) == (404, "NotFound", data)
    assert api("GET", "orders/All/X-1")[0] == 200
    strict.put_order("X-1")
    status, body = strict("PUT", "orders/Incoming/X-1/lineitems/9", {"ProductID": "SKU-9"})
    assert (status, body["Errors"][0]["Data"]) == (404, {"ObjectType": "Product", "ObjectID": "SKU-9"})
    assert strict("POST", "orders/Incoming", {**BUYER, "FromCompanyID": "other"})[0] == 404
    seller.put_order("X-1")
    response = seller("PUT", "orders/Incoming/X-1/lineitems/9", {"ProductID": "SKU-9"})
    assert code(response) == (400, "LineItem.ProductNotAvailableFromSeller")


def test_an_invalid_line_is_refused_with_its_error_code(box: Sandbox) -> None:
    api = Api(box)
    api.put_order("I-1")
    for body, expected in (
        ({}, "ValidationFailure"),
        ({"ProductID": "SKU-2"}, "LineItem.CannotChangeProductID"),
        ({"ProductID": "SKU-1", "Quantity": 0}, "LineItem.QuantityMustBePositive"),
        ({"ProductID": "SKU-1", "Quantity": 1.5}, "Request.InvalidRequestBody"),
        ({"ProductID": "SKU-1", "UnitPrice": "1"}, "Request.InvalidRequestBody"),
    ):
        assert code(api("PUT", "orders/Incoming/I-1/lineitems/L0", body)) == (400, expected)
    assert api("GET", "orders/Incoming/I-1/lineitems/L0")[1]["Quantity"] == 2


def test_the_alternatives_of_an_account_take_effect(box: Sandbox) -> None:
    strict, seller = Api(box, "strict"), Api(box, "seller")
    assert strict("PUT", "orders/Incoming/O-1", BUYER)[0] == 201
    assert strict("PUT", "orders/Incoming/O-1", BUYER)[0] == 200
    assert code(strict("POST", "orders/Incoming", {**BUYER, "ID": "O-1"})) == (409, "Other")
    assert strict("PUT", "orders/Incoming/O-1/lineitems/1", {"ProductID": "SKU-1"})[0] == 201
    assert strict("GET", "orders/Incoming/O-1")[1]["Currency"] is None
    seller.put_order("O-2")
    order = seller("PATCH", "orders/Incoming/O-2", {"Comments": "c"})[1]
    assert len(order["LastUpdated"]) <= len("2021-03-01T22:37:59.267+00:00")


def test_an_order_can_be_renamed_unless_the_id_is_taken(box: Sandbox) -> None:
    api = Api(box)
    api.submitted("T-1", Comments="c")
    api.submitted("T-2")
    assert code(api("PATCH", "orders/Incoming/T-1", {"ID": "T-2", "Comments": "d"})) == (409, "IdExists")
    assert api("GET", "orders/Incoming/T-1")[1]["Comments"] == "c"
    assert api("PATCH", "orders/Incoming/T-1", {"ID": "T/3 ü?"})[1]["ID"] == "T/3 ü?"
    assert api("GET", "orders/Incoming/T-1")[0] == 404
    assert api("GET", "orders/Incoming/T%2F3%20%C3%BC%3F")[1]["LineItemCount"] == 1
    assert ids(api.list(ID="T*", sortBy="ID")) == ["T-2", "T/3 ü?"]


def test_an_order_that_awaits_approval_can_be_declined(box: Sandbox) -> None:
    api = Api(box, "seller")
    api.submitted("Y-1")
    status, order = api("POST", "orders/Incoming/Y-1/decline")
    assert (status, order["Status"], order["IsSubmitted"]) == (201, "Declined", False)
    assert order["DateDeclined"] is not None
    assert ids(api.list(Status="Declined")) == ["Y-1"]


def test_a_part_of_an_address_can_be_patched(box: Sandbox) -> None:
    api = Api(box)
    api.put_order("B-1")
    for path, expected in (("shipto", "Address.CannotUpdateNotFound"), ("lineitems/L0/shipto", "LineItem.")):
        assert code(api("PATCH", f"orders/Incoming/B-1/{path}", {"Zip": "1"}))[1].startswith(expected)
        assert api("PUT", f"orders/Incoming/B-1/{path}", HOME)[0] == 200
        assert api("PATCH", f"orders/Incoming/B-1/{path}", {"Zip": path})[0] == 200
        address = api("GET", "orders/Incoming/B-1/lineitems/L0")[1]["ShippingAddress"]
        assert (address["Zip"], address["City"]) == (path, "LA")
        if path == "shipto":
            api("DELETE", "orders/Incoming/B-1/lineitems/L0")
            api("DELETE", "orders/Incoming/B-1")
            api.put_order("B-1")
