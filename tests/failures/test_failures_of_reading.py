"""Failures while orders are read: rows 1 to 7, 18, 20 and 22 of the failure list in the README."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from redis.exceptions import ResponseError

import tasks.deliver
import tasks.listen
import tasks.poll
from support.fake_runtime import FakeRuntime, Shop, Warehouse
from support.sandbox import Sandbox
from worker.http.client import Client
from worker.http.gates import Open
from worker.operations.document import document
from worker.settings.routes import Route
from worker.systems.dropboy.provider import Dropboy, DropboyOptions
from worker.systems.ordercloud.provider import OrderCloud, OrderCloudOptions
from worker.systems.provider import Page, Record
from worker.systems.retailcrm.feed import Place
from worker.systems.retailcrm.provider import RetailCRM, RetailCRMOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from support.pipeline import MakePipeline
    from worker.systems.provider import Provider

pytestmark = pytest.mark.paced

HOUR = timedelta(hours=1)


def poll(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def walk(provider: Provider, cursor: str, between: Callable[[], object] = lambda: None) -> tuple[list[Record], str]:
    """Return the records of one pass and the cursor after it; call `between` after each of the first eight pages."""
    records: list[Record] = []
    for number in range(100):
        page = provider.fetch(cursor)
        records, cursor = [*records, *page.records], page.cursor
        if not page.more:
            return records, cursor
        if number < 8:
            between()
    raise AssertionError("the pass did not end")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_row_01_times_without_a_zone_push_no_recent_order_out_of_the_window(zone: str) -> None:
    with Sandbox(accounts=[f"retailcrm:main:orders=5:spread=600:timezone={zone}"], limits=["retailcrm=off"]) as box:
        client = Client(box.url("retailcrm"), gate=Open(), headers={})
        shop = RetailCRM("crm", RetailCRMOptions.model_validate({"api_key": Sandbox.KEY}), client)
        now = datetime.now(UTC)
        records, _ = walk(shop, shop.start(now - HOUR))
        ordered = [shop.normalize(record).ordered_at for record in records]
        client.close()
    assert len(ordered) == 5
    assert all(at is not None and now - HOUR < at <= datetime.now(UTC) for at in ordered)


def test_row_02_the_repeated_hour_is_neither_refused_nor_skipped() -> None:
    client = Client("http://127.0.0.1:9", gate=Open(), headers={})
    options = {"api_key": "k", "time_zone": "Europe/Amsterdam"}
    shop = RetailCRM("crm", RetailCRMOptions.model_validate(options), client)
    record = Record({"id": 7, "status": "new", "createdAt": "2024-10-27 02:30:00"})
    assert shop.normalize(record).ordered_at == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    # Read up to the first 02:50; an order placed at the second 02:10 is 20 minutes newer.
    read_to = Place.start(datetime(2024, 10, 27, 0, 50, tzinfo=UTC))
    assert dict(read_to.query(ZoneInfo("Europe/Amsterdam")))["filter[startDate]"] <= "2024-10-27 02:10:00"
    client.close()


def test_row_03_orders_of_the_same_second_as_the_cursor_are_read() -> None:
    moment = "2026-01-01T10:00:00+00:00"
    with Sandbox(accounts=["ordercloud:main"], systems="ordercloud") as box:
        client = Client(box.url("ordercloud"), gate=Open(), headers={})
        options = {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY, "page_size": 10}
        shop = OrderCloud("oc", OrderCloudOptions.model_validate(options), client)
        before = {box.add_order({"LastUpdated": moment}, "ordercloud") for _ in range(3)}
        first, cursor = walk(shop, shop.start(datetime(2026, 1, 1, tzinfo=UTC)))
        # More orders of that second than a page holds: a cursor past that second would miss them.
        ties = {box.add_order({"LastUpdated": moment}, "ordercloud") for _ in range(25)}
        second, _ = walk(shop, cursor)
        client.close()
    assert {record.raw["ID"] for record in first} == before
    assert ties <= {record.raw["ID"] for record in second}


def test_row_04_rows_that_move_between_pages_of_an_unsorted_list_are_read() -> None:
    with Sandbox(accounts=["dropboy:main:orders=200:order=shuffled"], systems="dropboy") as box:
        client = Client(box.url("dropboy"), gate=Open(), headers={})
        shop = Dropboy("d", DropboyOptions.model_validate({"api_key": Sandbox.KEY, "take": 20}), client)
        before = {order["id"] for order in box.orders("dropboy")}
        since = shop.start(datetime.now(UTC) - timedelta(days=2))
        seen, cursor = walk(shop, since, lambda: box.add_orders(3, "dropboy"))
        later, _ = walk(shop, cursor)
        after = {order["id"] for order in box.orders("dropboy")}
        client.close()
    assert before <= {record.raw["id"] for record in seen}
    assert {record.raw["id"] for record in later} == after > before


def test_row_05_the_cursor_stays_until_the_page_is_in_the_ledger(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": 1}], [{"id": 2}]]))
    redis.set("intake:lane:t", "not a lane")
    with pytest.raises(ResponseError):
        poll(rt)
    assert rt.cursors.status("shop").get("value") is None
    redis.delete("intake:lane:t")
    poll(rt)
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["1", "2"]


class Restored(Shop):
    """A shop that was restored from a backup: its cursor is older than the previous one."""

    def fetch(self, cursor: str) -> Page:
        page = super().fetch(cursor)
        return replace(page, cursor="0") if cursor == "2" and len(self.pages) == 2 else page


def test_row_06_a_cursor_that_moves_back_stops_nothing(redis: Redis) -> None:
    rt = FakeRuntime(redis, Restored([[{"id": 1}], [{"id": 2}]]))
    poll(rt)
    poll(rt)
    assert rt.cursors.status("shop")["value"] == "0"
    rt.shop.pages.append([{"id": 3}])
    poll(rt)
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["1", "2", "3"]


def test_row_07_a_cursor_that_does_not_move_is_reported_with_its_age_and_reason(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(3).open()
    pipeline.poll()
    pipeline.box.fault("retailcrm:history:html")
    pipeline.poll()
    pipeline.poll()
    shop = document(pipeline.rt)["providers"]["shop"]
    assert "not JSON" in shop["error"]
    assert shop["last_success_s"] >= 0
    pipeline.box.clear_faults()
    pipeline.box.add_orders(2)
    pipeline.poll()
    pipeline.deliver()
    assert document(pipeline.rt)["providers"]["shop"]["error"] is None
    assert pipeline.compare().clean, str(pipeline.compare())


class Referring(Shop):
    """A shop whose orders carry a target's reference in `source_id`."""

    reference_field = "source_id"


def test_row_18_an_echo_is_not_delivered(redis: Redis) -> None:
    routes = (
        Route(source="shop", targets=("t",), reference="shop:{external_id}"),
        Route(source="web", targets=("crm",), reference="web:{external_id}"),
    )
    shop = Referring([[{"id": 1, "source_id": "web:7"}, {"id": 2}]])
    rt = FakeRuntime(redis, shop, routes=routes, mirrored={"crm": Warehouse()})
    poll(rt)
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["shop:2"]


def test_row_20_an_older_version_that_arrives_later_does_not_overwrite_a_paid_order(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    paid, created = ({"id": 7, "status": status, "version": n} for n, status in ((2, "paid"), (1, "new")))
    for record in (paid, created):
        rt.inbox.push([json.dumps({"v": 1, "provider": "shop", "record": record})])
        with rt.inbox.taker() as taker:
            tasks.listen.take(rt, taker, rt.nudge)
    deliver(rt)
    assert [(reference, order.status) for reference, order in rt.warehouse.created] == [("7", "paid")]


def test_row_22_a_malformed_record_stops_nothing_and_becomes_a_dead_letter(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(30, faults=["retailcrm:list:malformed:record=7:times=1"]).open()
    pipeline.poll()
    pipeline.deliver()
    assert len(pipeline.created()) == 29
    ((external_id, letter),) = pipeline.rt.cursors.letters("shop").items()
    assert pipeline.compare().lost == (f"shop:{external_id}",)
    assert letter["field"] == "createdAt"
    assert letter["raw"]
