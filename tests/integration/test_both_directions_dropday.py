"""A Dropday account that is read and written: orders created there are recognised by their ids when read back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tasks.deliver
import tasks.poll
from support.sandbox import Sandbox
from support.settings_texts import BY_PROVIDER, Configured, dropday, retailcrm, route

if TYPE_CHECKING:
    from redis import Redis


def test_orders_cross_once_between_dropday_and_retailcrm_even_when_redis_is_lost(
    configured: Configured, redis: Redis
) -> None:
    accounts = ["retailcrm:main:orders=6:spread=3600:fractions=0", "dropday:main:orders=6:spread=3600"]
    with Sandbox(systems="retailcrm,dropday", accounts=accounts, limits=["retailcrm=off"]) as box:
        shop, depot = box.url("retailcrm"), box.url("dropday")
        rt = configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID).open(
            retailcrm("providers.shop", shop, poll_every="1ms", overlap=0)
            + retailcrm("targets.to-shop", shop, currency="EUR")
            + dropday("providers.depot", depot, poll_every="1ms", limit="none")
            + dropday("targets.to-depot", depot, placeholder="-", limit="none")
            + route("shop", "to-depot", reference=BY_PROVIDER)
            + route("depot", "to-shop", reference=BY_PROVIDER)
        )
        ids = {
            "shop": {f"shop:{order['id']}" for order in box.orders("retailcrm")},
            "depot": {f"depot:{order['reference']}" for order in box.orders("dropday")},
        }

        def carry() -> None:
            """Poll and deliver twice as often as needed, so that an echo would be read back."""
            for _ in range(8):
                for provider in ("shop", "depot"):
                    tasks.poll.poll(rt, provider, lambda *_: None)
                for target in ("to-shop", "to-depot"):
                    tasks.deliver.deliver(rt, target, lambda *_: None)
                time.sleep(0.3)

        def assert_crossed_once() -> None:
            in_shop = [order.get("externalId") or "" for order in box.orders("retailcrm")]
            in_depot = [order["external_id"] for order in box.orders("dropday")]
            assert sorted(name for name in in_shop if name.startswith("depot:")) == sorted(ids["depot"])
            assert sorted(name for name in in_depot if name.startswith("shop:")) == sorted(ids["shop"])
            assert (len(in_shop), len(in_depot)) == (12, 12)

        carry()
        assert_crossed_once()
        redis.flushall()
        carry()
        assert_crossed_once()
