"""RetailCRM to RetailCRM through poll, ledger and deliver: orders are created in batches, and their changes follow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.poll
from support.sandbox import Sandbox
from support.settings_texts import BY_PROVIDER, Configured, retailcrm, route

if TYPE_CHECKING:
    from redis import Redis


@pytest.mark.parametrize("upload", ["lists", "bare"])
def test_orders_are_created_once_in_batches_and_updated_even_after_a_loss_of_redis(
    configured: Configured, redis: Redis, upload: str
) -> None:
    accounts = ["retailcrm:main:orders=170:spread=3600", f"retailcrm:copy:upload={upload}:timezone=America/New_York"]
    with Sandbox(systems="retailcrm", accounts=accounts, limits=["retailcrm=off"]) as box:
        shop, crm = box.url("retailcrm", "main"), box.url("retailcrm", "copy")
        rt = configured.credentials(Sandbox.KEY).open(
            retailcrm("providers.shop", shop, poll_every="1ms", overlap=0)
            + retailcrm("targets.crm", crm, status_map={"new": "new", "cancelled": "cancel-other"})
            + route("shop", "crm", reference=BY_PROVIDER)
        )

        def deliver_all() -> None:
            """Poll and deliver, within RetailCRM's limit, until no order is new and none waits."""
            until, waiting = time.monotonic() + 30, True
            while waiting:
                assert time.monotonic() < until
                redis.hdel("intake:cursor:shop", "retry_at")
                tasks.poll.poll(rt, "shop", lambda *_: None)
                tasks.deliver.deliver(rt, "crm", lambda *_: None)
                lane = rt.lanes["crm"].status()
                waiting = bool(lane["queued"] or rt.cursors.status("shop").get("retry_at"))
                time.sleep(0.1)

        def copied_orders() -> dict[str, dict[str, Any]]:
            orders = box.orders("retailcrm", "copy")
            by_reference = {order["externalId"]: order for order in orders}
            assert len(by_reference) == len(orders)
            return by_reference

        deliver_all()
        ids = [str(order["id"]) for order in box.orders("retailcrm")]
        assert copied_orders().keys() == {f"shop:{number}" for number in ids}
        assert box.stats()["retailcrm"]["did"]["request"].get("created", 0) == 0
        box.change(ids[0], status="cancel-other")
        box.change(ids[1], customerComment="Ring twice")
        deliver_all()
        assert copied_orders()[f"shop:{ids[0]}"]["status"] == "cancel-other"
        assert copied_orders()[f"shop:{ids[1]}"]["customerComment"] == "Ring twice"
        before = copied_orders()
        redis.flushall()
        deliver_all()
        assert copied_orders() == before
    assert len(ids) == 170
