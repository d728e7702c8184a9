"""The simulated DropStream, called over HTTP with the curl commands of its documents."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "sandbox-user"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "dropstream:main:orders=230:spread=3600:stores=12+13",
        "dropstream:capped:orders=230:cap=200",
        "dropstream:short:orders=5:session_life=0.2:token_life=0.5:expired=410",
        "dropstream:other:orders=5:money=numbers:bounds=inclusive:quantity=absent:over_limit=refuse",
    ]
    with Sandbox(systems="dropstream", accounts=accounts) as running:
        yield running


def curl(box: Sandbox, path: str, *lines: str, account: str = "main") -> tuple[int, Any]:
    url = f"{box.url('dropstream', account)}/{path}"
    command = ["curl", "--silent", "--noproxy", "*", "--max-time", "20", "--write-out", "\n%{http_code}", *lines, url]
    body, _, status = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rpartition("\n")
    return int(status), json.loads(body)


def token(box: Sandbox, account: str = "main") -> str:
    lines = ("-u", f"{USER}:{Sandbox.KEY}", "-H", "Content-Type: application/json")
    body = '{"grant_type":"client_credentials"}'
    status, reply = curl(box, "auth/token", *lines, "-d", body, account=account)
    assert (status, reply.keys()) == (200, {"access_token", "token_type"})
    return str(reply["access_token"])


def get(box: Sandbox, jwt: str, *data: str, path: str = "orders", account: str = "main") -> tuple[int, Any]:
    params = [part for line in data for part in ("--data-urlencode", line)]
    return curl(box, path, "-G", "-H", f"Authorization: Bearer {jwt}", *params, account=account)


def ids(reply: dict[str, Any]) -> list[int]:
    return [order["id"] for order in reply["orders"]]


def everything(box: Sandbox, account: str = "main") -> list[int]:
    return sorted(order["id"] for order in box.orders("dropstream", account))


LONG_AGO = "ordered_at_min=2022-10-01T05:00:00Z"


def test_the_documented_paging_by_number_shows_every_order_once(box: Sandbox) -> None:
    jwt, seen, pages = token(box), [], 1
    page = 0
    while page < pages:
        page += 1
        status, reply = get(box, jwt, "limit=100", f"page={page}", LONG_AGO, "sort=store_id")
        assert (status, reply["page"], reply["limit"], reply["total_count"]) == (200, page, 100, 230)
        assert "max_total_reached" not in reply
        seen += [(order["store_id"], order["id"]) for order in reply["orders"]]
        pages = reply["total_pages"]
    assert [store for store, _ in seen] == sorted(store for store, _ in seen)
    assert sorted(order_id for _, order_id in seen) == everything(box)


def test_the_documented_paging_by_session_shows_every_order_once(box: Sandbox) -> None:
    jwt = token(box)
    status, reply = get(box, jwt, "limit=100", LONG_AGO, "sort=store_id")
    assert (status, reply["page"], reply["limit"], len(reply["orders"])) == (200, 1, 100, 100)
    assert reply.keys() == {"orders", "session_id", "page", "limit"}
    seen = ids(reply)
    while len(reply["orders"]) == 100:
        page = reply["page"]
        status, reply = get(box, jwt, f"session_id={reply['session_id']}")
        assert (status, reply["page"], reply["limit"]) == (200, page + 1, 100)
        seen += ids(reply)
    assert len(seen) == len(set(seen))
    assert sorted(seen) == everything(box)


def test_pages_by_number_end_at_the_cap_but_a_session_does_not(box: Sandbox) -> None:
    jwt = token(box, "capped")
    _, last = get(box, jwt, "page=2", account="capped")
    assert (len(last["orders"]), last["total_count"], last["max_total_reached"]) == (100, 200, True)
    assert ids(get(box, jwt, "page=3", account="capped")[1]) == []
    assert ids(get(box, jwt, "limit=1000", account="capped")[1]) == everything(box, "capped")


def test_filters_select_the_matching_orders(box: Sandbox) -> None:
    jwt, orders = token(box), box.orders("dropstream")
    order_100 = orders[100]
    at = order_100["created_at"]
    for line, expected in (
        ("store_id=12", [order["id"] for order in orders if order["store_id"] == 12]),
        ("store_id=Store 12", [order["id"] for order in orders if order["store_id"] == 12]),
        ("state=shipped", [order["id"] for order in orders if order["fulfillment_state"] == "shipped"]),
        (f"external_id={order_100['external_id']}", [order_100["id"]]),
        (f"external_display_id={order_100['external_display_id']}", [order_100["id"]]),
        (f"created_at_min={at}", [order["id"] for order in orders if order["created_at"] > at]),
        (f"created_at_max={at}", [order["id"] for order in orders if order["created_at"] < at]),
        (f"ordered_at_max={at}", [order["id"] for order in orders if order["ordered_at"] < at]),
        ("created_at_min=2O22-10-O1", []),  # read as natural language, not refused
    ):
        assert (line, ids(get(box, jwt, "limit=1000", line)[1])) == (line, expected)
    status, reply = get(box, jwt, path=f"orders/{order_100['id']}")
    assert (status, reply) == (200, {"order": order_100})
    assert get(box, jwt, path="orders/7")[0] == 404


def test_a_session_and_a_token_expire(box: Sandbox) -> None:
    jwt = token(box, "short")
    _, reply = get(box, jwt, "limit=2", account="short")
    claims = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] in {0, 1}
    time.sleep(0.3)
    assert get(box, jwt, f"session_id={reply['session_id']}", account="short")[0] == 410
    time.sleep(0.3)
    assert get(box, jwt, account="short")[0] == 401
    assert get(box, token(box, "short"), account="short")[0] == 200


def test_the_alternatives_of_an_account_take_effect(box: Sandbox) -> None:
    jwt = token(box, "other")
    _, reply = get(box, jwt, account="other")
    first = reply["orders"][0]
    assert isinstance(first["shipping_amount"], float)
    assert "quantity" not in first["order_items"][0]
    assert first["id"] in ids(get(box, jwt, f"created_at_min={first['created_at']}", account="other")[1])
    assert get(box, jwt, "limit=1001", account="other")[0] == 400
    assert get(box, token(box), "limit=1001")[1]["limit"] == 1000


def test_wrong_credentials_are_refused(box: Sandbox) -> None:
    assert get(box, "none")[0] == 401
    body = ("-H", "Content-Type: application/json", "-d", '{"grant_type":"client_credentials"}')
    assert curl(box, "auth/token", "-u", f"{USER}:wrong", *body)[0] == 401
    assert curl(box, "auth/token", "-u", f"{USER}:{Sandbox.KEY}", "-d", "{}")[0] == 400


def test_a_session_shows_orders_that_arrive_meanwhile(box: Sandbox) -> None:
    jwt = token(box)
    _, reply = get(box, jwt, "limit=200")
    new = box.add_orders(1, "dropstream")
    _, rest = get(box, jwt, f"session_id={reply['session_id']}")
    assert ids(rest)[-1] == int(new[0])
