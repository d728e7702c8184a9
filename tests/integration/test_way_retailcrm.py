"""RetailCRM to RetailCRM, through poll, ledger and deliver: many orders in one call, then what changed of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.poll
from support.sandbox import Sandbox
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from pathlib import Path

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

[targets.crm]
kind = "retailcrm"
url = "{crm}"
api_key = "env:WAY_KEY"

[targets.crm.status_map]
new = "new"
cancelled = "cancel-other"

[[routes]]
from = "shop"
to = ["crm"]
reference = "{{provider}}:{{external_id}}"
"""


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("upload", ["lists", "bare"])
def test_orders_go_in_batches_once_and_their_changes_follow_even_when_redis_is_lost(
    tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch, upload: str
) -> None:
    monkeypatch.setenv("WAY_KEY", Sandbox.KEY)
    accounts = ["retailcrm:main:orders=170:spread=3600", f"retailcrm:copy:upload={upload}:timezone=America/New_York"]
    with Sandbox(systems="retailcrm", accounts=accounts, limits=["retailcrm=off"]) as box:
        config = tmp_path / "intake.toml"
        shop, crm = box.url("retailcrm", "main"), box.url("retailcrm", "copy")
        config.write_text(CONFIG.format(redis=redis_url, shop=shop, crm=crm))
        rt = Runtime(read_settings(config))

        def carry() -> None:
            """Until nothing is new and nothing waits; the limit is RetailCRM's own."""
            until, waiting = time.monotonic() + 30, True
            while waiting:
                assert time.monotonic() < until
                redis.hdel("intake:cursor:shop", "retry_at")
                tasks.poll.poll(rt, "shop", lambda *_: None)
                tasks.deliver.deliver(rt, "crm", lambda *_: None)
                lane = rt.lanes["crm"].status()
                waiting = bool(lane["queued"] or rt.cursors.status("shop").get("retry_at"))
                time.sleep(0.1)

        def there() -> dict[str, dict[str, Any]]:
            orders = box.orders("retailcrm", "copy")
            found = {order["externalId"]: order for order in orders}
            assert len(found) == len(orders)
            return found

        carry()
        ids = [str(order["id"]) for order in box.orders("retailcrm")]
        assert there().keys() == {f"shop:{number}" for number in ids}
        assert box.stats()["retailcrm"]["did"]["request"].get("created", 0) == 0
        box.change(ids[0], status="cancel-other")
        box.change(ids[1], customerComment="Ring twice")
        carry()
        assert there()[f"shop:{ids[0]}"]["status"] == "cancel-other"
        assert there()[f"shop:{ids[1]}"]["customerComment"] == "Ring twice"
        before = there()
        redis.flushall()
        carry()
        assert there() == before
        for adapter in (*rt.providers.values(), *rt.targets.values()):
            adapter.client.close()
        rt.redis.close()
    assert len(ids) == 170
