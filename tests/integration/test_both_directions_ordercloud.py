"""Two accounts that are both read and written: orders cross once in each direction, without echoes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tasks.deliver
import tasks.poll
from support.sandbox import Sandbox
from support.settings_texts import BY_PROVIDER, Configured, ordercloud, retailcrm, route

if TYPE_CHECKING:
    from redis import Redis


def test_orders_cross_once_in_both_directions_even_when_redis_is_lost(configured: Configured, redis: Redis) -> None:
    accounts = [
        "retailcrm:main:orders=30:spread=3600:fractions=0",
        "ordercloud:main:orders=30:spread=3600:fractions=0:list_lag=0.1:currency=",
    ]
    with Sandbox(systems="retailcrm,ordercloud", accounts=accounts, limits=["retailcrm=off"]) as box:
        shop, cloud = box.url("retailcrm", "main"), box.url("ordercloud", "main")
        rt = configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID).open(
            retailcrm("providers.shop", shop, poll_every="1ms", overlap=0)
            + retailcrm("targets.to-shop", shop, currency="EUR")
            + ordercloud("providers.cloud", cloud, poll_every="1ms", overlap="1s", limit="none")
            + ordercloud("targets.to-cloud", cloud, limit="none")
            + route("shop", "to-cloud", reference=BY_PROVIDER)
            + route("cloud", "to-shop", reference=BY_PROVIDER)
        )

        def carry() -> None:
            """Poll and deliver for 6 s, so that an echo would be read back."""
            until = time.monotonic() + 6
            while time.monotonic() < until:
                for provider in ("shop", "cloud"):
                    tasks.poll.poll(rt, provider, lambda *_: None)
                for target in ("to-shop", "to-cloud"):
                    tasks.deliver.deliver(rt, target, lambda *_: None)
                time.sleep(0.2)

        ids = {
            "shop": {f"shop:{order['id']}" for order in box.orders("retailcrm")},
            "cloud": {f"cloud:{order['ID']}" for order in box.orders("ordercloud")},
        }

        def assert_crossed_once() -> None:
            in_shop = [order.get("externalId") or "" for order in box.orders("retailcrm")]
            in_cloud = [order["ID"].replace("_3A", ":") for order in box.orders("ordercloud")]
            assert sorted(name for name in in_shop if name.startswith("cloud:")) == sorted(ids["cloud"])
            assert sorted(name for name in in_cloud if name.startswith("shop:")) == sorted(ids["shop"])
            assert (len(in_shop), len(in_cloud)) == (60, 60)

        carry()
        assert_crossed_once()
        redis.flushall()
        carry()
        assert_crossed_once()
