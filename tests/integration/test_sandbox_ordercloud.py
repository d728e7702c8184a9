"""Tokens, roles, faults and new orders of the simulated OrderCloud, over HTTP."""

from __future__ import annotations

import base64
import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import requests

from support.ordercloud_api import BUYER, Api, code, grant
from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "ordercloud:main",
        "ordercloud:classic:search=classic:orders=6:carts=3",
        "ordercloud:short:token_life=1:refresh_life=60:oauth_refusal=401",
        "ordercloud:few:token_uses=2",
        "ordercloud:reader:roles=OrderReader",
        "ordercloud:writer:roles=OrderAdmin",
        "ordercloud:faults:orders=5:retry_after=2",
    ]
    with Sandbox(systems="ordercloud", accounts=accounts) as running:
        yield running


@pytest.fixture
def faulty(box: Sandbox) -> Iterator[Sandbox]:
    yield box
    box.clear_faults()
    box.limit(ordercloud=0)


def test_a_token_is_a_jwt_with_its_owner_and_its_end(box: Sandbox) -> None:
    reply = grant(box, scope="OrderAdmin").json()
    assert (reply["token_type"], reply["expires_in"]) == ("bearer", 36000)
    assert "refresh_token" not in reply
    claims = json.loads(base64.urlsafe_b64decode(reply["access_token"].split(".")[1] + "=="))
    assert (claims["cid"], claims["usr"]) == (Sandbox.ACCOUNT_ID, "sandbox-user")
    assert abs(claims["exp"] - time.time() - 36000) < 5


def test_the_token_endpoint_accepts_forms_only_and_reports_errors_in_both_forms(box: Sandbox) -> None:
    url = f"{box.url('ordercloud')}/oauth/token"
    form = {"grant_type": "client_credentials", "client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY}
    response = requests.post(url, json=form, timeout=20)
    assert code((response.status_code, response.json())) == (400, "Request.InvalidContentType")
    for form, error, expected_code in (
        ({"client_id": "x"}, "invalid_client", "ApiClient.InvalidClientID"),
        ({"client_secret": "x"}, "invalid_client", "Auth.OauthError"),
        ({"grant_type": "password", "username": "x"}, "invalid_grant", "Auth.InvalidUsernameOrPassword"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant", "Auth.OauthError"),
        ({"grant_type": "x"}, "unsupported_grant_type", "Auth.OauthError"),
    ):
        response = grant(box, **form)
        body = response.json()
        assert (response.status_code, body["error"], code((0, body))[1]) == (400, error, expected_code)
        assert body["error_description"]
    assert grant(box, "short", client_secret="x").status_code == 401
    assert grant(box, grant_type="password", username="sandbox-user", password="sandbox-password").ok


def test_a_token_expires_and_a_refresh_token_gets_another(box: Sandbox) -> None:
    first = grant(box, "short").json()
    api = Api(box, "short", first["access_token"])
    assert api("GET", "me")[0] == 200
    time.sleep(1.1)
    assert code(api("GET", "me")) == (401, "InvalidToken")
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = grant(box, "short", **again).json()
    assert Api(box, "short", second["access_token"])("GET", "me")[0] == 200
    assert grant(box, "short", **again).status_code == 401
    assert code(Api(box, "short", "none")("GET", "me")) == (401, "InvalidToken")


def test_a_token_is_revoked_after_its_number_of_calls_or_by_a_fault(faulty: Sandbox) -> None:
    api = Api(faulty, "few")
    assert [api("GET", "me")[0] for _ in range(3)] == [200, 200, 401]
    assert code(api("GET", "me")) == (401, "Auth.TokenRevoked")
    api = Api(faulty, "faults")
    faulty.fault("ordercloud:list:401:account=faults:times=1")
    assert api("GET", "orders/Incoming")[0] == 401
    assert code(api("GET", "orders/Incoming")) == (401, "Auth.TokenRevoked")
    assert Api(faulty, "faults")("GET", "orders/Incoming")[0] == 200


def test_a_call_without_its_role_is_refused(box: Sandbox) -> None:
    reader, writer = Api(box, "reader"), Api(box, "writer")
    status, body = reader("POST", "orders/Incoming", BUYER)
    assert (status, body["Errors"][0]["Data"]["AssignedRoles"]) == (403, ["OrderReader"])
    assert reader("GET", "orders/Incoming")[0] == 200
    assert code(writer("POST", "orders/Incoming", {**BUYER, "ShippingCost": 1})) == (
        403,
        "Order.OverrideShippingPermission",
    )
    assert writer("PUT", "orders/Incoming/R-1", BUYER)[0] == 200
    line = {"ProductID": "SKU-1", "UnitPrice": 1}
    assert writer("PUT", "orders/Incoming/R-1/lineitems/1", line)[0] == 403
    del line["UnitPrice"]
    status, stored = writer("PUT", "orders/Incoming/R-1/lineitems/1", line)
    assert (status, stored["PriceOverridden"], stored["UnitPrice"] > 0) == (200, False, True)


def test_a_fault_can_send_an_error_by_its_code(faulty: Sandbox) -> None:
    api = Api(faulty, "faults")
    faulty.fault("ordercloud:list:400:code=Order.CacheBuilding:times=1")
    assert code(api("GET", "orders/Incoming")) == (400, "Order.CacheBuilding")
    faulty.fault("ordercloud:*:503:code=Api.Offline:times=1")
    assert code(api("GET", "orders/Incoming")) == (503, "Api.Offline")
    assert api("GET", "orders/Incoming")[0] == 200


def test_a_call_over_the_limit_gets_a_429_with_a_retry_after(faulty: Sandbox) -> None:
    api = Api(faulty, "faults")
    faulty.limit(ordercloud=0.5)
    time.sleep(0.6)
    headers = {"Authorization": f"Bearer {api.token}"}
    responses = [requests.get(f"{api.base}/me", headers=headers, timeout=20) for _ in range(2)]
    assert [(response.status_code, response.headers.get("Retry-After")) for response in responses] == [
        (200, None),
        (429, "2"),
    ]


def test_orders_can_be_added_changed_and_deleted(box: Sandbox) -> None:
    api = Api(box, "classic")
    (key,) = box.add_orders(1, "ordercloud", "classic")
    before = api("GET", f"orders/Incoming/{key}")[1]
    box.change(key, "ordercloud", "classic", Status="Canceled", Comments="too late")
    after = api("GET", f"orders/Incoming/{key}")[1]
    assert (after["Status"], after["Comments"], after["DateCanceled"] is None) == ("Canceled", "too late", False)
    assert after["LastUpdated"] > before["LastUpdated"]
    lines = api("GET", f"orders/Incoming/{key}/lineitems", pageSize=100)[1]["Items"]
    assert sum(line["LineSubtotal"] for line in lines) == after["Subtotal"]
    box.change(key, "ordercloud", "classic", deleted=True)
    assert api("GET", f"orders/Incoming/{key}")[0] == 404
    raw = box.add_order({"ID": "raw", "LineItems": [{"ProductID": "P", "UnitPrice": 1.5}]}, "ordercloud", "classic")
    assert api("GET", f"orders/Incoming/{raw}")[1]["Total"] == Decimal("1.5")
