"""Two accounts that are both read and written: orders go over in both directions, once, and never come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tasks.deliver
import tasks.poll
from support.sandbox import Sandbox
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from redis import Redis

CONFIG = """\
[redis]
url = "{redis}"

[providers.shop]
kind = "retailcrm"
url = "{shop}"
api_key = "env:WAY_KEY"
poll_every = "1ms"
overlap = 0
[targets.to-shop]
kind = "retailcrm"
url = "{shop}"
api_key = "env:WAY_KEY"
currency = "EUR"

[providers.cloud]
kind = "ordercloud"
url = "{cloud}"
client_id = "sandbox-account"
client_secret = "env:WAY_KEY"
poll_every = "1ms"
overlap = "1s"
limit = "none"
[targets.to-cloud]
kind = "ordercloud"
url = "{cloud}"
client_id = "sandbox-account"
client_secret = "env:WAY_KEY"
buyer_id = "storefront"
user_id = "importer"
products = "sku"
limit = "none"

[[routes]]
from = "shop"
to = ["to-cloud"]
reference = "{{provider}}:{{external_id}}"
[[routes]]
from = "cloud"
to = ["to-shop"]
reference = "{{provider}}:{{external_id}}"
"""


def test_orders_cross_once_in_both_directions_even_when_redis_is_lost(
    tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAY_KEY", Sandbox.KEY)
    accounts = [
        "retailcrm:main:orders=30:spread=3600:fractions=0",
        "ordercloud:main:orders=30:spread=3600:fractions=0:list_lag=0.1:currency=",
    ]
    with Sandbox(systems="retailcrm,ordercloud", accounts=accounts, limits=["retailcrm=off"]) as box:
        config = tmp_path / "intake.toml"
        shop, cloud = box.url("retailcrm", "main"), box.url("ordercloud", "main")
        config.write_text(CONFIG.format(redis=redis_url, shop=shop, cloud=cloud))
        rt = Runtime(read_settings(config))

        def carry() -> None:
            """Long enough for an echo to come back, if there were one."""
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

        def crossed() -> None:
            in_shop = [order.get("externalId") or "" for order in box.orders("retailcrm")]
            in_cloud = [order["ID"].replace("_3A", ":") for order in box.orders("ordercloud")]
            assert sorted(name for name in in_shop if name.startswith("cloud:")) == sorted(ids["cloud"])
            assert sorted(name for name in in_cloud if name.startswith("shop:")) == sorted(ids["shop"])
            assert (len(in_shop), len(in_cloud)) == (60, 60)

        carry()
        crossed()
        redis.flushall()
        carry()
        crossed()
        for adapter in (*rt.providers.values(), *rt.targets.values()):
            adapter.client.close()
        rt.redis.close()
