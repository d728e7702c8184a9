"""An order dated in the far future is read, and does not hide later orders."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.http_server import Request, reply
from support.sandbox import Sandbox
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.dropday.provider import Dropday, DropdayOptions
from worker.systems.dropstream.provider import DropStream, DropStreamOptions
from worker.systems.ordercloud.provider import OrderCloud, OrderCloudOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.http_calls import Make, Serve
    from worker.systems.provider import Provider

LONG_AGO = datetime.now(UTC) - timedelta(days=2)
FAR = "2099-01-02T03:04:05.000Z"


def walk(provider: Provider, cursor: str) -> tuple[list[str], str]:
    """Return the ids read in one pass, and the cursor after it."""
    ids: list[str] = []
    for _ in range(50):
        page = provider.fetch(cursor)
        ids += [str(record.raw.get("ID") or record.raw.get("id")) for record in page.records]
        cursor = page.cursor
        if not page.more:
            return ids, cursor
    raise AssertionError("the pass did not end")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = ["dropstream:main:orders=3", *(f"ordercloud:size{size}:orders=3:spread=60" for size in (1, 20))]
    with Sandbox(systems="dropstream,ordercloud", accounts=accounts) as running:
        yield running


def test_dropstream_is_read_from_the_present_after_an_order_dated_in_the_future(box: Sandbox) -> None:
    client = Client(box.url("dropstream"), gate=Open(), headers={})
    shop = DropStream(
        "shop", DropStreamOptions.model_validate({"user": "sandbox-user", "password": Sandbox.KEY}), client
    )
    far = box.add_order({"created_at": FAR}, "dropstream")
    ids, cursor = walk(shop, shop.start(LONG_AGO))
    assert far in ids
    (later,) = box.add_orders(1, "dropstream")
    assert later in walk(shop, cursor)[0]
    client.close()


@pytest.mark.parametrize("size", [1, 20])
def test_ordercloud_is_read_from_the_present_after_an_order_dated_in_the_future(box: Sandbox, size: int) -> None:
    account = f"size{size}"
    client = Client(box.url("ordercloud", account), gate=Open(), headers={})
    options = {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY, "page_size": size}
    cloud = OrderCloud("cloud", OrderCloudOptions.model_validate(options), client)
    ids, cursor = walk(cloud, cloud.start(LONG_AGO))
    far = box.add_order({"LastUpdated": FAR, "DateSubmitted": FAR}, "ordercloud", account)
    ids, cursor = walk(cloud, cursor)
    assert far in ids
    (later,) = box.add_orders(1, "ordercloud", account)
    ids, cursor = walk(cloud, cursor)
    assert ids == [later]
    assert walk(cloud, cursor)[0] == []
    client.close()


@pytest.mark.parametrize(("date", "since"), [("Fri, 02 Jan 2026 12:00:00 GMT", "2026-01-01T11:00:00Z"), (None, FAR)])
def test_dropday_is_read_from_the_present_after_an_order_dated_in_the_future(
    serve: Serve, make: Make, date: str | None, since: str
) -> None:
    """The next pass starts one window before the newest past order; without a Date header, before the newest order."""

    def orders(_: Request) -> bytes:
        rows = [{"id": 2, "created_at": FAR}, {"id": 1, "created_at": "2026-01-02T11:00:00.000000Z"}]
        body = json.dumps({"data": rows, "meta": {"last_page": 1}}).encode()
        return reply(200, body, **({"date": date} if date else {}))

    options = {"api_key": "k", "account_id": "a", "window": "1d"}
    shop = Dropday("shop", DropdayOptions.model_validate(options), make(serve(orders).url))
    ids, cursor = walk(shop, shop.start(LONG_AGO - timedelta(days=9999)))
    assert ids == ["2", "1"]
    moved = datetime.fromisoformat(json.loads(cursor)["since"])
    assert moved == datetime.fromisoformat(since) - (timedelta(0) if date else timedelta(days=1))
