"""DropStream to Dropday, through poll, ledger and deliver: every order once."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
kind = "dropstream"
url = "{shop}"
user = "sandbox-user"
password = "env:WAY_KEY"
poll_every = "1ms"
page_size = 50
limit = "none"

[targets.dropday]
kind = "dropday"
url = "{dropday}"
api_key = "env:WAY_KEY"
account_id = "env:WAY_ACCOUNT"
limit = "none"
placeholder = "-"

[[routes]]
from = "shop"
to = ["dropday"]
"""


@pytest.mark.usefixtures("redis")
def test_orders_of_dropstream_go_the_whole_way_once_even_when_redis_is_lost(
    tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = ["dropstream:main:orders=200:spread=3600:quantity=present", "dropday:main:dedupe=on"]
    monkeypatch.setenv("WAY_KEY", Sandbox.KEY)
    monkeypatch.setenv("WAY_ACCOUNT", Sandbox.ACCOUNT_ID)
    with Sandbox(systems="dropstream,dropday", accounts=accounts) as box:
        config = tmp_path / "intake.toml"
        config.write_text(
            CONFIG.format(redis=redis_url, shop=box.url("dropstream", "main"), dropday=box.url("dropday", "main"))
        )
        rt = Runtime(read_settings(config))
        for _ in range(2):
            tasks.poll.poll(rt, "shop", lambda *_: None)
            tasks.deliver.deliver(rt, "dropday", lambda *_: None)
            box.add_orders(20, system="dropstream", account="main")
            tasks.poll.poll(rt, "shop", lambda *_: None)
            tasks.deliver.deliver(rt, "dropday", lambda *_: None)
            redis.flushall()
        source = sorted(str(order["id"]) for order in box.orders("dropstream", "main"))
        target = sorted(str(order["external_id"]) for order in box.orders("dropday", "main"))
        for adapter in (*rt.providers.values(), *rt.targets.values()):
            adapter.client.close()
        rt.redis.close()
    assert target == source
    assert len(source) == 240
