"""DropStream to Dropday, through poll, ledger and deliver: every order is delivered once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tasks.deliver
import tasks.poll
from support.sandbox import Sandbox
from support.settings_texts import Configured, dropday, route, table

if TYPE_CHECKING:
    from redis import Redis


def test_orders_of_dropstream_are_delivered_once_even_when_redis_is_lost(configured: Configured, redis: Redis) -> None:
    accounts = ["dropstream:main:orders=200:spread=3600:quantity=present", "dropday:main:dedupe=on"]
    with Sandbox(systems="dropstream,dropday", accounts=accounts) as box:
        credentials = {"user": "sandbox-user", "password": "env:TEST_KEY"}
        shop, dropday_url = box.url("dropstream", "main"), box.url("dropday", "main")
        options = {"poll_every": "1ms", "page_size": 50, "limit": "none"}
        rt = configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID).open(
            table("providers.shop", kind="dropstream", url=shop, **credentials, **options)
            + dropday("targets.dropday", dropday_url, limit="none", placeholder="-")
            + route("shop", "dropday")
        )
        for _ in range(2):
            tasks.poll.poll(rt, "shop", lambda *_: None)
            tasks.deliver.deliver(rt, "dropday", lambda *_: None)
            box.add_orders(20, system="dropstream", account="main")
            tasks.poll.poll(rt, "shop", lambda *_: None)
            tasks.deliver.deliver(rt, "dropday", lambda *_: None)
            redis.flushall()
        source = sorted(str(order["id"]) for order in box.orders("dropstream", "main"))
        target = sorted(str(order["external_id"]) for order in box.orders("dropday", "main"))
    assert target == source
    assert len(source) == 240
