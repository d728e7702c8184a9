"""A third-party Python client for OrderCloud, unchanged, against the simulated OrderCloud."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from ordercloud.models.address import Address
from ordercloud.models.line_item import LineItem
from ordercloud.models.misc import OrderStatus
from ordercloud.models.order import Order
from ordercloud.resources.base import paginate

from support.ordercloud_client import INCOMING, an_order, by, error
from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercloud import OrderCloudClient


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = ["ordercloud:main:orders=45:spread=3600", "ordercloud:short:token_life=31:refresh_life=60"]
    with Sandbox(systems="ordercloud", accounts=accounts) as running:
        yield running


def test_the_python_client_reads_every_page_and_every_line(box: Sandbox) -> None:
    async def work(client: OrderCloudClient) -> None:
        expected = {order["ID"]: order for order in box.orders("ordercloud")}
        page = await client.orders.list(INCOMING, page_size=20, page=3, sort_by="ID")
        assert (page.meta.total_count, page.meta.total_pages, page.meta.item_range) == (45, 3, [41, 45])
        seen = [order async for order in paginate(client.orders.list, INCOMING, page_size=20, sort_by="LastUpdated,ID")]
        assert sorted(order.id or "" for order in seen) == sorted(expected)
        for order in seen:
            record = expected[order.id or ""]
            assert (order.status, order.total, order.currency) == (
                record["Status"],
                record["Total"],
                record["Currency"],
            )
            lines = (await client.line_items.list(INCOMING, order.id or "", page_size=100)).items
            assert [line.id for line in lines] == [line["ID"] for line in record["LineItems"]]
            assert order.line_item_count == len(lines)
        last = seen[-1]
        filters = {"LastUpdated": f"!<{last.last_updated}", "Status": str(last.status)}
        assert last in (await client.orders.list(INCOMING, filters=filters)).items
        assert (await client.me.get()).username == "sandbox-user"

    by(box, work)


def test_the_python_client_writes_an_order_through_its_whole_life(box: Sandbox) -> None:
    async def work(client: OrderCloudClient) -> None:
        orders, lines = client.orders, client.line_items
        made = await orders.save(INCOMING, "PY-1", an_order("PY-1"))
        assert (made.status, made.is_submitted, made.xp) == (OrderStatus.Unsubmitted, False, {"shop": "a"})
        assert await error(orders.submit(INCOMING, "PY-1")) == (400, "Order.CannotSubmitWithNoLineItems", None)
        line: LineItem[Any] = LineItem(id="L1", product_id="SKU-1", quantity=3, unit_price=0.1)
        for _ in range(2):
            saved = await lines.save(INCOMING, "PY-1", "L1", line)
            assert (saved.line_total, saved.price_overridden) == (0.3, True)
        home: Address[Any] = Address(street1="Jumpstreet 23", city="LA", state="CA", zip="90001", country="US")
        billed = await orders.set_billing_address(INCOMING, "PY-1", home)
        assert billed.billing_address is not None
        assert billed.billing_address.city == "LA"
        await orders.set_shipping_address(INCOMING, "PY-1", home)
        assert (await orders.patch(INCOMING, "PY-1", {"Comments": "new"})).xp == {"shop": "a"}
        submitted = await orders.submit(INCOMING, "PY-1")
        assert (submitted.status, submitted.total, submitted.line_item_count) == (OrderStatus.Open, 5.25, 1)
        assert (await error(orders.submit(INCOMING, "PY-1")))[:2] == (400, "Order.CannotSubmitBadStatus")
        (read,) = (await lines.list(INCOMING, "PY-1")).items
        assert read.shipping_address is not None
        assert (read.shipping_address.street1, read.product and read.product.id) == ("Jumpstreet 23", "SKU-1")
        assert (await lines.patch(INCOMING, "PY-1", "L1", {"Quantity": 5})).line_total == 0.5
        assert (await orders.save(INCOMING, "PY-1", Order(id="PY-1"))).comments is None
        assert (await orders.cancel(INCOMING, "PY-1")).status is OrderStatus.Canceled
        await lines.delete(INCOMING, "PY-1", "L1")
        await orders.delete(INCOMING, "PY-1")
        assert await error(orders.get(INCOMING, "PY-1")) == (
            404,
            "NotFound",
            {"ObjectType": "Order", "ObjectID": "PY-1"},
        )

    by(box, work)


def test_the_python_client_cannot_create_a_second_order_with_the_same_id(box: Sandbox) -> None:
    async def work(client: OrderCloudClient) -> None:
        assert (await client.orders.create(INCOMING, an_order("PY-2"))).id == "PY-2"
        assert (await error(client.orders.create(INCOMING, an_order("PY-2"))))[0] == 409
        refused = await error(client.orders.create(INCOMING, Order()))
        assert refused[:2] == (400, "Order.CreateIncomingRequiresFromUser")

    by(box, work)


def test_the_python_client_renews_its_token_and_receives_an_error_after_a_revocation(box: Sandbox) -> None:
    async def renewed(client: OrderCloudClient) -> int:
        # The client renews 30 seconds early, so for it a lifetime of 31 seconds is one second.
        for _ in range(2):
            await client.me.get()
            await asyncio.sleep(1.1)
            await client.me.get()
        return len(box.journal(kind="request", account="short", did="token"))

    assert by(box, renewed, "short") == 3

    async def revoked(client: OrderCloudClient) -> tuple[int, str, Any]:
        await client.me.get()
        box.fault("ordercloud:me:401:times=1")
        await error(client.me.get())
        return await error(client.me.get())

    assert by(box, revoked) == (401, "Auth.TokenRevoked", None)
    box.clear_faults()


def test_the_python_client_waits_for_the_time_that_a_429_requests(box: Sandbox) -> None:
    async def work(client: OrderCloudClient) -> float:
        await client.me.get()
        box.fault("ordercloud:me:429:times=1:retry_after=1")
        start = time.monotonic()
        await client.me.get()
        return time.monotonic() - start

    assert 1.0 <= by(box, work, max_retries=1, retry_backoff=30.0) < 5.0
    box.clear_faults()
