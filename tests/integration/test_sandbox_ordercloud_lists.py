"""Lists of the simulated OrderCloud, over HTTP."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import requests

from support.ordercloud_api import Api, code, ids
from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "ordercloud:main:orders=230:spread=3600",
        "ordercloud:few:orders=5",
        "ordercloud:empty",
        "ordercloud:lag:list_lag=0.6",
        "ordercloud:jumbled:list_lag=0.1-0.8",
        "ordercloud:classic:search=classic:orders=6:carts=3",
        "ordercloud:capped:orders=30:cap=20",
        "ordercloud:paged:orders=30:cap=20:cap_on=page",
        "ordercloud:numeric:ids=numeric",
    ]
    with Sandbox(systems="ordercloud", accounts=accounts) as running:
        yield running


def test_paging_by_number_shows_every_order_once(box: Sandbox) -> None:
    api, seen = Api(box), []
    for number in (1, 2, 3):
        status, page = api("GET", "orders/incoming", page=number, pageSize=100, sortBy="LastUpdated,ID")
        meta = page["Meta"]
        assert (status, meta["Page"], meta["PageSize"], meta["TotalCount"], meta["TotalPages"]) == (
            200, number, 100, 230, 3,
        )  # fmt: skip
        assert meta["ItemRange"] == [number * 100 - 99, min(number * 100, 230)]
        seen += page["Items"]
    assert sorted(ids(seen)) == sorted(ids(box.orders("ordercloud")))
    assert [(row["LastUpdated"], row["ID"]) for row in seen] == sorted((r["LastUpdated"], r["ID"]) for r in seen)
    assert len(api.list()) == 20
    for size in (0, 101, "x"):
        assert code(api("GET", "orders/Incoming", pageSize=size)) == (400, "List.InvalidPageSize")


def test_paging_by_the_last_id_shows_every_order_once(box: Sandbox) -> None:
    api, seen = Api(box), []
    rows = api.list(pageSize=100, sortBy="ID")
    while rows:
        seen += ids(rows)
        rows = api.list(pageSize=100, sortBy="ID", ID=f">{seen[-1]}")
    assert seen == sorted(ids(box.orders("ordercloud")))


def test_filters_select_the_matching_orders(box: Sandbox) -> None:
    api, orders = Api(box, "few"), box.orders("ordercloud", "few")
    moments = sorted(order["LastUpdated"] for order in orders)
    middle, first = moments[2], orders[0]
    for params, matches in (
        ({"LastUpdated": f">{middle}"}, lambda o: o["LastUpdated"] > middle),
        ({"LastUpdated": f"!<{middle}"}, lambda o: o["LastUpdated"] >= middle),
        ({"LastUpdated": f"<{middle}"}, lambda o: o["LastUpdated"] < middle),
        ({"LastUpdated": f"!>{middle}"}, lambda o: o["LastUpdated"] <= middle),
        ({"LastUpdated": [f"!<{moments[1]}", f"<{moments[3]}"]}, lambda o: moments[1] <= o["LastUpdated"] < moments[3]),
        ({"DateCreated": f"!<{middle}"}, lambda o: o["DateCreated"] >= middle),
        ({"from": middle}, lambda o: o["DateCreated"] >= middle),
        ({"to": middle}, lambda o: o["DateCreated"] <= middle),
        ({"ID": first["ID"].lower()}, lambda o: o["ID"] == first["ID"]),
        ({"ID": f"!{first['ID']}"}, lambda o: o["ID"] != first["ID"]),
        ({"ID": f"{first['ID']}|{orders[1]['ID']}"}, lambda o: o["ID"] in {first["ID"], orders[1]["ID"]}),
        ({"ID": f"*{first['ID'][-4:]}"}, lambda o: o["ID"] == first["ID"]),
        ({"Status": "Open|Completed"}, lambda o: o["Status"] in {"Open", "Completed"}),
        ({"Status": "!Open"}, lambda o: o["Status"] != "Open"),
        ({"Total": f"!<{first['Total']}"}, lambda o: Decimal(str(o["Total"])) >= Decimal(str(first["Total"]))),
        ({"xp.Number": first["xp"]["Number"]}, lambda o: o["ID"] == first["ID"]),
        ({"xp.Number": "*"}, lambda o: True),
        ({"xp.nothing": "!*"}, lambda o: True),
        ({"Comments": "!*"}, lambda o: o["Comments"] is None),
        ({"IsSubmitted": "true"}, lambda o: True),
        ({"buyerID": "storefront"}, lambda o: True),
        ({"supplierID": "nobody"}, lambda o: False),
        ({"search": first["ID"][-5:]}, lambda o: first["ID"][-5:] in o["ID"]),
    ):
        listed = sorted(ids(api.list(pageSize=100, **params)))
        assert (params, listed) == (params, sorted(o["ID"] for o in orders if matches(o)))
    rows = ids(api.list(sortBy="!ID"))
    assert rows == sorted(rows, reverse=True)
    assert api.list("Outgoing") == []
    assert len(api.list("All")) == 5


def test_a_list_refuses_unknown_fields_and_invalid_values(box: Sandbox) -> None:
    api = Api(box)
    for params, expected in (
        ({"Nothing": "1"}, "List.InvalidProperty"),
        ({"sortBy": "Nothing"}, "List.InvalidSortProperty"),
        ({"search": "x", "searchOn": "Status"}, "List.InvalidSearchProperty"),
        ({"LastUpdated": ">yesterday"}, "List.InvalidType"),
        ({"Total": ">much"}, "List.InvalidType"),
        ({"page": "0"}, "ValidationFailure"),
    ):
        assert code(api("GET", "orders/Incoming", **params)) == (400, expected)
    # An unescaped plus sign is read as a space.
    response = requests.get(
        f"{api.base}/orders/Incoming?LastUpdated=>2024-01-01T00:00:00+00:00",
        headers={"Authorization": f"Bearer {api.token}"},
        timeout=20,
    )
    assert code((response.status_code, response.json())) == (400, "List.InvalidType")


def test_a_list_over_the_cap_is_refused_by_its_count_or_by_its_page(box: Sandbox) -> None:
    api = Api(box, "capped")
    assert code(api("GET", "orders/Incoming", pageSize=10)) == (400, "Search.ResultSetTooLarge")
    rows = box.orders("ordercloud", "capped")
    last = sorted(ids(rows))[15]
    assert len(api.list(ID=f">{last}")) == 14
    api = Api(box, "paged")
    assert len(api.list(pageSize=10, page=2)) == 10
    assert code(api("GET", "orders/Incoming", pageSize=10, page=3)) == (400, "Search.ResultSetTooLarge")


def test_a_list_lags_and_a_read_by_id_does_not(box: Sandbox) -> None:
    api = Api(box, "lag")
    api.submitted("L-1")
    assert api("GET", "orders/Incoming/L-1")[0] == 200
    assert api.list() == []
    time.sleep(0.7)
    assert ids(api.list()) == ["L-1"]
    assert api("PATCH", "orders/Incoming/L-1", {"Comments": "new"})[1]["Comments"] == "new"
    assert api.list()[0]["Comments"] is None
    assert api("DELETE", "orders/Incoming/L-1")[0] == 204
    assert api("GET", "orders/Incoming/L-1")[0] == 404
    assert ids(api.list()) == ["L-1"]
    time.sleep(0.7)
    assert api.list() == []


def test_an_index_can_show_writes_out_of_order_and_shows_the_newest_in_the_end(box: Sandbox) -> None:
    api, seen = Api(box, "jumbled"), []
    for n in range(12):
        api.submitted(f"J-{n:02}", Comments=str(n))
        api("PATCH", f"orders/incoming/J-{n:02}", {"Comments": "last"})
    over = time.monotonic() + 0.9
    while time.monotonic() < over:
        seen.append(ids(api.list(sortBy="LastUpdated")))
    rows = api.list(sortBy="LastUpdated")
    assert [row["Comments"] for row in rows] == ["last"] * 12
    everything = ids(rows)
    assert any(shown != everything[: len(shown)] for shown in seen)


def test_a_list_shows_submitted_or_unsubmitted_orders_but_never_both(box: Sandbox) -> None:
    api = Api(box, "empty")
    api.put_order("C-1")
    api.submitted("C-2")
    assert ids(api.list()) == ids(api.list(Status="!Unsubmitted")) == ["C-2"]
    assert ids(api.list(IsSubmitted="false")) == ids(api.list(Status="Unsubmitted")) == ["C-1"]
    for params in ({"Status": "Unsubmitted|Open"}, {"IsSubmitted": "false", "Status": "Open"}):
        assert code(api("GET", "orders/Incoming", **params)) == (400, "Order.CannotMixSubmittedAndUnsubmitted")
    classic = Api(box, "classic")
    assert sorted(row["IsSubmitted"] for row in classic.list()) == [False, False, True, True, True, True]


def test_numeric_ids_are_compared_as_numbers_but_sorted_as_text(box: Sandbox) -> None:
    api = Api(box, "numeric")
    for key in ("9", "10"):
        api.put_order(key)
    unsubmitted = {"IsSubmitted": "false", "sortBy": "ID"}
    # 9 is the last id of the sorted list, but the filter finds 10 after it.
    assert ids(api.list(**unsubmitted)) == ["10", "9"]
    assert ids(api.list(**unsubmitted, ID=">9")) == ["10"]
