"""From a webhook to the lane: the simulated systems report an order, which is read without a poll."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests

import tasks.fetch
import tasks.listen
from support.receiver import SECRETS, running_receiver
from support.sandbox import Sandbox
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

CONFIG = """\
[redis]
url = "{redis}"
[providers.cloud]
start = "2020-01-01"
kind = "ordercloud"
url = "{cloud}"
client_id = "env:WAY_ID"
client_secret = "env:WAY_KEY"
limit = "none"
[providers.boy]
start = "2020-01-01"
kind = "dropboy"
url = "{boy}"
api_key = "env:WAY_KEY"
currency = "EUR"
limit = "none"
[producers.cloud-hook]
kind = "ordercloud"
secret = "env:HOOK_OC"
for = "cloud"
[producers.boy-hook]
kind = "dropboy"
secret = "env:HOOK_BOY"
for = "boy"
[targets.dropday]
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:WAY_KEY"
account_id = "env:WAY_KEY"
[[routes]]
from = "cloud"
to = ["dropday"]
reference = "{{provider}}:{{external_id}}"
[[routes]]
from = "boy"
to = ["dropday"]
reference = "{{provider}}:{{external_id}}"
"""


@pytest.fixture
def systems(
    tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Sandbox, Runtime, str]]:
    """Yield the simulated systems, the runtime that reads them, and the URL of the receiver."""
    for name, value in {**SECRETS, "WAY_KEY": Sandbox.KEY, "WAY_ID": Sandbox.ACCOUNT_ID}.items():
        monkeypatch.setenv(name, value)
    file, nowhere = tmp_path / "intake.toml", "http://127.0.0.1:9"
    with ExitStack() as stack:
        # The receiver never calls a provider, so it needs no address of one.
        file.write_text(CONFIG.format(redis=redis_url, cloud=nowhere, boy=nowhere))
        url = stack.enter_context(running_receiver(file)).url
        hook = quote(f"{url}/hooks/boy-hook/{SECRETS['HOOK_BOY']}", safe="")
        accounts = ["ordercloud:main", f"dropboy:main:webhook={hook}:webhook_copies=2"]
        box = stack.enter_context(Sandbox(systems="ordercloud,dropboy", accounts=accounts))
        cloud, boy = box.url("ordercloud"), box.url("dropboy")
        file.write_text(CONFIG.format(redis=redis_url, cloud=cloud, boy=boy))
        rt = stack.enter_context(Runtime(read_settings(file)))
        yield box, rt, url


def queue_orders(rt: Runtime, provider: str, count: int) -> int:
    """Process the inbox until `count` orders of the provider are queued; return how many are."""
    until = time.monotonic() + 20
    with rt.inbox.taker() as taker:
        while (queued := int(rt.lanes["dropday"].status()["queued"])) < count and time.monotonic() < until:
            tasks.listen.take(rt, taker, lambda *_: None)
            tasks.fetch.fetch(rt, provider, lambda *_: None)
            time.sleep(0.05)
    assert rt.inbox.letters() == {}
    return queued


def test_orders_of_ordercloud_webhooks_are_read_and_queued(systems: tuple[Sandbox, Runtime, str]) -> None:
    box, rt, url = systems
    cloud, form = box.url("ordercloud"), {"grant_type": "client_credentials", "scope": "FullAccess"}
    form |= {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY}
    token = requests.post(f"{cloud}/oauth/token", data=form, timeout=5).json()["access_token"]
    hook = {
        "ID": "intake",
        "Name": "intake",
        "Url": f"{url}/hooks/cloud-hook",
        "HashKey": SECRETS["HOOK_OC"],
        "ApiClientIDs": ["sandbox-storefront"],
        "WebhookRoutes": [{"Route": "v1/orders/{direction}/{orderID}/submit", "Verb": "POST"}],
    }
    headers = {"Authorization": f"Bearer {token}"}
    requests.put(f"{cloud}/v1/webhooks/intake", json=hook, headers=headers, timeout=5).raise_for_status()
    box.add_orders(3, system="ordercloud")
    assert queue_orders(rt, "cloud", 3) == 3


def test_orders_of_duplicated_dropboy_webhooks_are_queued_once(systems: tuple[Sandbox, Runtime, str]) -> None:
    box, rt, _ = systems
    box.add_orders(3, system="dropboy")
    assert queue_orders(rt, "boy", 3) == 3
