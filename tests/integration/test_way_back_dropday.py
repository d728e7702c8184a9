"""A Dropday account that is read and written: what was created there is known by its id when it is read back."""

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

[providers.depot]
kind = "dropday"
url = "{depot}"
api_key = "env:WAY_KEY"
account_id = "env:WAY_ACCOUNT"
poll_every = "1ms"
limit = "none"
[targets.to-depot]
kind = "dropday"
url = "{depot}"
api_key = "env:WAY_KEY"
account_id = "env:WAY_ACCOUNT"
placeholder = "-"
limit = "none"

[[routes]]
from = "shop"
to = ["to-depot"]
reference = "{{provider}}:{{external_id}}"
[[routes]]
from = "depot"
to = ["to-shop"]
reference = "{{provider}}:{{external_id}}"
"""


def test_orders_cross_once_between_dropday_and_retailcrm_even_when_redis_is_lost(
    tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAY_KEY", Sandbox.KEY)
    monkeypatch.setenv("WAY_ACCOUNT", Sandbox.ACCOUNT_ID)
    accounts = ["retailcrm:main:orders=6:spread=3600:fractions=0", "dropday:main:orders=6:spread=3600"]
    with Sandbox(systems="retailcrm,dropday", accounts=accounts, limits=["retailcrm=off"]) as box:
        config = tmp_path / "intake.toml"
        config.write_text(CONFIG.format(redis=redis_url, shop=box.url("retailcrm"), depot=box.url("dropday")))
        there = {
            "shop": {f"shop:{order['id']}" for order in box.orders("retailcrm")},
            "depot": {f"depot:{order['reference']}" for order in box.orders("dropday")},
        }
        with Runtime(read_settings(config)) as rt:

            def carry() -> None:
                """Twice as long as it takes, so that an echo could come back."""
                for _ in range(8):
                    for provider in ("shop", "depot"):
                        tasks.poll.poll(rt, provider, lambda *_: None)
                    for target in ("to-shop", "to-depot"):
                        tasks.deliver.deliver(rt, target, lambda *_: None)
                    time.sleep(0.3)

            def crossed() -> None:
                in_shop = [order.get("externalId") or "" for order in box.orders("retailcrm")]
                in_depot = [order["external_id"] for order in box.orders("dropday")]
                assert sorted(name for name in in_shop if name.startswith("depot:")) == sorted(there["depot"])
                assert sorted(name for name in in_depot if name.startswith("shop:")) == sorted(there["shop"])
                assert (len(in_shop), len(in_depot)) == (12, 12)

            carry()
            crossed()
            redis.flushall()
            carry()
            crossed()
