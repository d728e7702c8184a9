"""The whole pipeline from a shop's API to a warehouse's API, with faults of both."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.pipeline import log_lines, logged
from worker.operations.document import document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import StringIO

    from support.pipeline import MakePipeline


@pytest.fixture
def lines() -> Iterator[StringIO]:
    with log_lines() as stream:
        yield stream


def test_two_hundred_orders_pass_the_whole_pipeline(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(200).open()
    pipeline.poll()
    pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())
    assert len(pipeline.created()) == 200
    pipeline.poll()
    pipeline.deliver()
    assert len(pipeline.created()) == 200
    assert pipeline.lane()["delivered"] == 200


def test_one_malformed_record_is_a_dead_letter_and_the_rest_of_its_page_is_delivered(
    make_pipeline: MakePipeline,
) -> None:
    pipeline = make_pipeline(100, faults=["retailcrm:list:malformed:record=41:times=1"]).open()
    pipeline.poll()
    pipeline.deliver()
    assert len(pipeline.created()) == 99
    ((external_id, letter),) = pipeline.rt.cursors.letters("shop").items()
    assert letter["field"] == "createdAt"
    assert "createdAt" in letter["reason"]
    raw = json.loads(letter["raw"])
    assert (str(raw["id"]), raw["createdAt"]) == (external_id, "?broken?")
    assert pipeline.compare().lost == (f"shop:{external_id}",)

    pipeline.box.change(external_id, managerComment="fixed")
    pipeline.poll()
    pipeline.deliver()
    assert pipeline.rt.cursors.letters("shop") == {}
    assert pipeline.compare().clean, str(pipeline.compare())
    assert len(pipeline.created()) == 100


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "503_after", "html_after", "truncated"])
def test_a_response_lost_after_the_create_makes_no_second_order(make_pipeline: MakePipeline, fault: str) -> None:
    """The target accepts duplicates (`dedupe=off`): only Intake prevents the second order."""
    faults = [f"dropday:create:{fault}:times=1:skip={skip}" for skip in (0, 6, 7, 20)]
    pipeline = make_pipeline(30, faults=faults).open()
    pipeline.poll()
    pipeline.deliver_all()
    assert len([call for call in pipeline.box.journal(kind="request", system="dropday") if call["fault"]]) == 4
    assert Counter(Counter(pipeline.created()).values()) == {1: 30}
    assert pipeline.compare().clean, str(pipeline.compare())


def test_a_target_in_maintenance_costs_no_try(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(5, faults=["dropday:create:503:times=1:retry_after=1"]).open()
    pipeline.poll()
    pipeline.deliver()
    scope = pipeline.rt.scopes["dropday:dropday"]
    assert 0 < scope.closed_seconds() <= 1
    assert pipeline.created() == []
    assert (pipeline.lane()["queued"], pipeline.lane()["in_flight"]) == (5, 0)
    assert len(pipeline.box.journal(kind="request", system="dropday")) == 1
    records = [pipeline.record(str(order["id"])) for order in pipeline.box.orders("retailcrm")]
    assert [record for record in records if "tries" in record] == []
    time.sleep(scope.closed_seconds())
    pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())


def test_a_rejected_order_is_kept_with_the_invalid_fields(make_pipeline: MakePipeline, lines: StringIO) -> None:
    pipeline = make_pipeline(0, faults=["dropday:create:422:times=1"])
    address = {"index": "1017XY", "city": "Diemen", "street": "Achtergracht", "building": "7", "countryIso": "NL"}
    customer = {"firstName": "Zacharias", "lastName": "Quisthoudt", "email": "zq@example.org", "phone": "+31205550199"}
    item = {"id": 1, "quantity": 1, "initialPrice": 5, "offer": {"name": "Kaasschaaf", "externalId": "KS-1"}}
    refused = pipeline.box.add_order(
        {**customer, "currency": "EUR", "totalSumm": 5, "items": [item], "delivery": {"cost": 0, "address": address}}
    )
    pipeline.open(target="")
    pipeline.poll()
    pipeline.deliver()
    record = pipeline.record(refused)
    assert (record["state"], record["code"]) == ("dead", "rejected")
    fields = json.loads(record["fields"])
    assert list(fields) == ["shipping_address.city"]
    assert "required" in fields["shipping_address.city"][0]
    (line,) = logged(lines, "order.buried")
    assert line["reason"] == "POST /api/v1/orders: status 422: shipping_address.city"
    logged_line = json.dumps(line, ensure_ascii=False)
    # The target's message may repeat data of the order: it stays in the ledger, like the values.
    values = [*customer.values(), *address.values(), "Kaasschaaf", fields["shipping_address.city"][0]]
    assert [value for value in values if len(value) >= 5 and value in logged_line] == []


def test_an_order_that_lacks_what_the_target_requires_is_held_with_all_fields_named(
    make_pipeline: MakePipeline, lines: StringIO
) -> None:
    pipeline = make_pipeline(0)
    item = {"id": 1, "quantity": 1, "initialPrice": 5, "offer": {"name": "Kaasschaaf"}}
    customer = {"firstName": "Zacharias", "lastName": "Quisthoudt"}
    incomplete = pipeline.box.add_order({**customer, "totalSumm": 5, "items": [item]})
    pipeline.open(target="")
    pipeline.poll()
    pipeline.deliver()
    assert (pipeline.record(incomplete)["state"], pipeline.created()) == ("held", [])
    (line,) = logged(lines, "order.held")
    fields = ("address1", "postcode", "city")
    assert ", ".join(f"shipping_address.{field}" for field in fields) in line["reason"]


def test_a_web_page_instead_of_json_moves_no_cursor(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(30).open()
    pipeline.poll()
    before = pipeline.cursor()
    assert before is not None
    pipeline.box.add_orders(20)
    pipeline.box.fault("retailcrm:history:html:times=1")
    pipeline.poll()
    assert pipeline.cursor() == before
    error = pipeline.status()["error"]
    assert "GET /api/v5/orders/history: status 200, text/html" in error
    assert "not JSON" in error
    pipeline.poll()
    assert "error" not in pipeline.status()
    pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())


def test_a_page_that_is_too_large_is_reported_with_its_remedy_or_read_in_smaller_ones(
    make_pipeline: MakePipeline, lines: StringIO
) -> None:
    pipeline = make_pipeline(100).open(provider="max_bytes = 131072")
    pipeline.box.fault("retailcrm:history:oversize:size=200000:times=1")
    pipeline.poll()
    assert pipeline.cursor() is None
    error = pipeline.status()["error"]
    assert "the response is larger than 131072 bytes" in error
    assert "Ask for fewer records per page, or raise the setting max_bytes" in error
    assert logged(lines, "provider.failed")[0]["code"] == "too_large"
    pipeline.poll()
    pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())


def test_a_refused_provider_key_pauses_the_provider_and_loses_nothing(
    make_pipeline: MakePipeline, lines: StringIO
) -> None:
    pipeline = make_pipeline(40).open(shop_key="not-the-key")
    pipeline.poll()
    paused = document(pipeline.rt)["providers"]["shop"]["paused"]
    assert "403" in paused
    assert logged(lines, "provider.paused")[0]["level"] == "error"
    assert "intake resume shop" in logged(lines, "provider.paused")[0]["remedy"]
    calls = len(pipeline.box.journal(kind="request", system="retailcrm"))
    pipeline.poll()
    assert len(pipeline.box.journal(kind="request", system="retailcrm")) == calls
    assert (pipeline.cursor(), pipeline.status()["malformed"]) == (None, "0")
    pipeline.open()
    pipeline.rt.cursors.resume("shop")
    pipeline.poll()
    pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())


def test_a_refused_target_key_pauses_the_lane_and_buries_nothing(make_pipeline: MakePipeline, lines: StringIO) -> None:
    pipeline = make_pipeline(40).open(dropday_key="not-the-key")
    pipeline.poll()
    pipeline.deliver()
    assert "401" in str(document(pipeline.rt)["lanes"]["dropday"]["paused"])
    assert logged(lines, "lane.paused")[0]["level"] == "error"
    assert "intake resume dropday" in logged(lines, "lane.paused")[0]["remedy"]
    pipeline.deliver()
    assert len(pipeline.box.journal(kind="request", system="dropday")) == 1
    assert (pipeline.lane()["queued"], pipeline.lane()["dead_now"], pipeline.lane().get("retried", 0)) == (40, 0, 0)
    pipeline.open()
    pipeline.rt.lanes["dropday"].resume()
    pipeline.deliver_all()
    assert pipeline.compare().clean, str(pipeline.compare())


def test_a_rate_limited_provider_loses_nothing_and_counts_no_failure(
    make_pipeline: MakePipeline, lines: StringIO
) -> None:
    faults = [f"retailcrm:{op}:503:times=1" for op in ("settings", "history", "list")]
    pipeline = make_pipeline(120, faults=faults).open()
    pipeline.poll()
    refused = [entry for entry in pipeline.box.journal(kind="request", system="retailcrm") if entry["status"] == 503]
    assert len(refused) == 3
    assert logged(lines, "provider.failed") == []
    assert "failures" not in pipeline.status()
    pipeline.deliver()
    assert pipeline.compare().clean, str(pipeline.compare())
