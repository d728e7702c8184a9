"""The whole way of an order, from a shop's API to a warehouse's, with everything that goes wrong on it."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.pipeline import log_lines, logged, ways
from worker.cli.status.status import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import StringIO
    from pathlib import Path

    from redis import Redis

    from support.pipeline import Make


@pytest.fixture
def make(tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with ways(tmp_path, redis_url, monkeypatch) as start:
        yield start


@pytest.fixture
def lines() -> Iterator[StringIO]:
    with log_lines() as stream:
        yield stream


def test_two_hundred_orders_go_the_whole_way(make: Make) -> None:
    way = make(200).open()
    way.poll()
    way.deliver()
    assert way.compare().clean, str(way.compare())
    assert len(way.created()) == 200
    way.poll()
    way.deliver()
    assert len(way.created()) == 200
    assert way.lane()["delivered"] == 200


def test_one_malformed_record_is_kept_and_the_rest_of_its_page_delivered(make: Make) -> None:
    way = make(100, faults=["retailcrm:list:malformed:record=41:times=1"]).open()
    way.poll()
    way.deliver()
    assert len(way.created()) == 99
    ((external_id, letter),) = way.rt.cursors.letters("shop").items()
    assert letter["field"] == "createdAt"
    assert "createdAt" in letter["reason"]
    raw = json.loads(letter["raw"])
    assert (str(raw["id"]), raw["createdAt"]) == (external_id, "?broken?")
    assert way.compare().lost == (f"shop:{external_id}",)

    way.box.change(external_id, managerComment="mended")
    way.poll()
    way.deliver()
    assert way.rt.cursors.letters("shop") == {}
    assert way.compare().clean, str(way.compare())
    assert len(way.created()) == 100


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "503_after", "html_after", "truncated"])
def test_an_answer_lost_after_the_create_makes_no_second_order(make: Make, fault: str) -> None:
    """The target of this test takes an order twice (`dedupe=off`): that it does not is our doing."""
    faults = [f"dropday:create:{fault}:times=1:skip={skip}" for skip in (0, 6, 7, 20)]
    way = make(30, faults=faults).open()
    way.poll()
    way.deliver_all()
    assert len([e for e in way.box.journal(kind="request", system="dropday") if e["fault"]]) == 4
    assert Counter(Counter(way.created()).values()) == {1: 30}
    assert way.compare().clean, str(way.compare())


def test_a_target_in_maintenance_costs_no_try(make: Make) -> None:
    way = make(5, faults=["dropday:create:503:times=1:retry_after=1"]).open()
    way.poll()
    way.deliver()
    scope = way.rt.scopes["dropday:dropday"]
    assert 0 < scope.closed() <= 1
    assert way.created() == []
    assert (way.lane()["queued"], way.lane()["in_flight"]) == (5, 0)
    assert len(way.box.journal(kind="request", system="dropday")) == 1
    records = [way.record(str(order["id"])) for order in way.box.orders("retailcrm")]
    assert [record for record in records if "tries" in record] == []
    time.sleep(scope.closed())
    way.deliver()
    assert way.compare().clean, str(way.compare())


def test_a_refused_order_is_kept_with_the_fields_that_were_wrong(make: Make, lines: StringIO) -> None:
    way = make(10)
    address = {"index": "1017XY", "street": "Achtergracht", "building": "7", "countryIso": "NL"}
    customer = {"firstName": "Zacharias", "lastName": "Quisthoudt", "email": "zq@example.org", "phone": "+31205550199"}
    item = {"id": 1, "quantity": 1, "initialPrice": 5, "offer": {"name": "Kaasschaaf", "externalId": "KS-1"}}
    refused = way.box.add_order(
        {**customer, "currency": "EUR", "totalSumm": 5, "items": [item], "delivery": {"cost": 0, "address": address}}
    )
    way.open(target="")
    way.poll()
    way.deliver()
    record = way.record(refused)
    assert (record["state"], record["code"]) == ("dead", "rejected")
    fields = json.loads(record["fields"])
    assert list(fields) == ["shipping_address.city"]
    assert "required" in fields["shipping_address.city"][0]
    (line,) = [line for line in logged(lines, "order.buried") if line["order"] == f"shop:{refused}"]
    assert line["reason"] == "POST /api/v1/orders: status 422: shipping_address.city"
    told = json.dumps(line, ensure_ascii=False)
    # The target's own words may repeat what was sent: they stay in the ledger, like the values.
    values = [*customer.values(), *address.values(), "Kaasschaaf", fields["shipping_address.city"][0]]
    assert [value for value in values if len(value) >= 5 and value in told] == []


def test_a_web_page_instead_of_json_moves_no_cursor(make: Make) -> None:
    way = make(30).open()
    way.poll()
    before = way.cursor()
    assert before is not None
    way.box.add_orders(20)
    way.box.fault("retailcrm:history:html:times=1")
    way.poll()
    assert way.cursor() == before
    error = way.status()["error"]
    assert "GET /api/v5/orders/history: status 200, text/html" in error
    assert "not JSON" in error
    way.poll()
    assert "error" not in way.status()
    way.deliver()
    assert way.compare().clean, str(way.compare())


def test_a_page_that_is_too_large_is_told_with_its_remedy(make: Make, lines: StringIO) -> None:
    way = make(100).open(provider="max_bytes = 65536")
    way.poll()
    assert way.cursor() is None
    told = way.status()["error"]
    assert "the answer is larger than 65536 bytes" in told
    assert "Ask for fewer records per page, or raise the setting max_bytes" in told
    assert logged(lines, "provider.failed")[0]["code"] == "too_large"
    way.open(provider="max_bytes = 1000000")
    way.poll()
    way.deliver()
    assert way.compare().clean, str(way.compare())


def test_a_wrong_key_of_a_provider_pauses_it_and_loses_nothing(make: Make, lines: StringIO) -> None:
    way = make(40).open(shop_key="not-the-key")
    way.poll()
    paused = snapshot(way.rt)["providers"]["shop"]["paused"]
    assert "403" in paused
    assert logged(lines, "provider.paused")[0]["level"] == "error"
    assert "intake resume shop" in logged(lines, "provider.paused")[0]["remedy"]
    asked = len(way.box.journal(kind="request", system="retailcrm"))
    way.poll()
    assert len(way.box.journal(kind="request", system="retailcrm")) == asked
    assert (way.cursor(), way.status()["malformed"]) == (None, "0")
    way.open()
    way.rt.cursors.resume("shop")
    way.poll()
    way.deliver()
    assert way.compare().clean, str(way.compare())


def test_a_wrong_key_of_a_target_pauses_its_lane_and_buries_nothing(make: Make, lines: StringIO) -> None:
    way = make(40).open(dropday_key="not-the-key")
    way.poll()
    way.deliver()
    assert "401" in str(snapshot(way.rt)["lanes"]["dropday"]["paused"])
    assert logged(lines, "lane.paused")[0]["level"] == "error"
    assert "intake resume dropday" in logged(lines, "lane.paused")[0]["remedy"]
    way.deliver()
    assert len(way.box.journal(kind="request", system="dropday")) == 1
    assert (way.lane()["queued"], way.lane()["dead_now"], way.lane().get("retried", 0)) == (40, 0, 0)
    way.open()
    way.rt.lanes["dropday"].resume()
    way.deliver_all()
    assert way.compare().clean, str(way.compare())


def test_a_provider_that_says_too_fast_loses_nothing_and_is_no_failure(make: Make, lines: StringIO) -> None:
    faults = [f"retailcrm:{op}:503:times=1" for op in ("settings", "history", "list")]
    way = make(120, faults=faults).open()
    way.poll()
    refused = [entry for entry in way.box.journal(kind="request", system="retailcrm") if entry["status"] == 503]
    assert len(refused) == 3
    assert logged(lines, "provider.failed") == []
    assert "failures" not in way.status()
    way.deliver()
    assert way.compare().clean, str(way.compare())
