"""OrderCloud's JavaScript SDK and middleware guard, unchanged, against the simulated OrderCloud."""

from __future__ import annotations

import json
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from ordercloud.models.line_item import LineItem
from ordercloud.models.webhook import Webhook, WebhookRoute

from support.node import environment, install
from support.ordercloud_client import INCOMING, an_order, by, error
from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ordercloud import OrderCloudClient

HASH_KEY = "a key, schön"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = ["ordercloud:main:orders=45:spread=3600", "ordercloud:short:token_life=31:refresh_life=60:hook_repeat=2"]
    with Sandbox(systems="ordercloud", accounts=accounts) as running:
        yield running


@pytest.fixture(scope="module")
def programs() -> Path:
    return install()


def test_the_javascript_sdk_reads_and_writes_and_understands_every_error(box: Sandbox, programs: Path) -> None:
    command = ["node", "ordercloud_sdk.mjs", box.url("ordercloud", "short"), Sandbox.ACCOUNT_ID, Sandbox.KEY]
    done = subprocess.run(
        command, cwd=programs, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["badSecret"]["status"] == 400
    assert (results["token"], results["me"], results["renewed"]) == (
        {"type": "bearer", "seconds": 31},
        "sandbox-user",
        "sandbox-user",
    )
    assert (results["page"]["Page"], results["page"]["PageSize"]) == (2, 10)
    assert (results["created"]["Status"], results["created"]["xp"]) == ("Unsubmitted", {"shop": "a", "no": 7})
    assert (results["conflict"]["status"], results["noLines"]["code"]) == (409, "Order.CannotSubmitWithNoLineItems")
    assert (results["line"]["LineTotal"], results["city"], results["patched"]) == (0.3, "LA", "patched")
    assert (results["submitted"]["Status"], results["submitted"]["Total"]) == ("Open", 0.5)
    assert (results["again"]["status"], results["again"]["code"]) == (400, "Order.CannotSubmitBadStatus")
    assert results["read"] == results["submitted"]
    assert [line["ShippingAddress"]["Street1"] for line in results["lines"]] == ["Jumpstreet 23"]
    assert results["filtered"] == ["JS-1"]
    assert (results["saved"]["Comments"], results["saved"]["xp"], results["cancelled"]) == (
        None,
        {"only": 1},
        "Canceled",
    )
    assert results["gone"] == {"status": 404, "code": "NotFound", "message": "Order JS-1 not found"}
    assert results["badToken"]["status"] == 401


class Receiver:
    """A webhook handler behind the guard of OrderCloud's catalyst, in its own process."""

    def __init__(self, programs: Path) -> None:
        command = ["node", "ordercloud_hooks.mjs", HASH_KEY]
        self._process = subprocess.Popen(
            command, cwd=programs, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{self.next()['port']}/hook"

    def next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        message: dict[str, Any] = json.loads(self._process.stdout.readline())
        return message

    def close(self) -> None:
        self._process.communicate(timeout=10)


@pytest.fixture
def receiver(programs: Path) -> Iterator[Receiver]:
    running = Receiver(programs)
    yield running
    running.close()


def make_hook(receiver: Receiver, key: str) -> Webhook:
    route = "v1/orders/{direction}/{orderID}"
    routes = [WebhookRoute(route=f"{route}/submit", verb="POST"), WebhookRoute(route=route, verb="PATCH")]
    return Webhook(
        name="tests",
        url=receiver.url,
        hash_key=key,
        config_data={"shop": "a"},
        before_process_request=False,
        api_client_i_ds=[Sandbox.ACCOUNT_ID, "sandbox-storefront"],
        webhook_routes=routes,
    )


def test_a_webhook_passes_the_guard_of_the_catalyst(box: Sandbox, receiver: Receiver) -> None:
    async def work(client: OrderCloudClient) -> None:
        hook = await client.webhooks.create(make_hook(receiver, HASH_KEY))
        assert hook in (await client.webhooks.list()).items
        await client.orders.save(INCOMING, "H-1", an_order("H-1"))
        await client.line_items.save(INCOMING, "H-1", "L1", LineItem(product_id="SKU-1", unit_price=0.1))
        await client.orders.patch(INCOMING, "H-1", {"Comments": "Grüße 🍵"})
        await client.orders.submit(INCOMING, "H-1")
        patched, submitted = receiver.next()["body"], receiver.next()["body"]
        assert patched["Request"]["Body"] == {"Comments": "Grüße 🍵"}
        assert patched["RouteParams"] == {"direction": "Incoming", "orderID": "H-1"}
        assert (submitted["Route"], submitted["Verb"]) == ("v1/orders/{direction}/{orderID}/submit", "POST")
        assert (submitted["Response"]["Body"]["Status"], submitted["ConfigData"]) == ("Open", {"shop": "a"})
        assert submitted["Date"].endswith("+00:00")
        assert uuid.UUID(submitted["LogID"]) != uuid.UUID(patched["LogID"])
        (key,) = box.add_orders(1, "ordercloud")
        assert receiver.next()["body"]["Response"]["Body"]["ID"] == key
        await client.webhooks.delete(str(hook.id))
        assert (await error(client.webhooks.get(str(hook.id))))[0] == 404

    by(box, work)


def test_a_repeated_webhook_keeps_its_log_id(box: Sandbox, receiver: Receiver) -> None:
    async def work(client: OrderCloudClient) -> None:
        await client.webhooks.create(make_hook(receiver, HASH_KEY))
        await client.orders.save(INCOMING, "H-3", an_order("H-3"))
        await client.orders.patch(INCOMING, "H-3", {"Comments": "x"})
        assert receiver.next()["body"]["LogID"] == receiver.next()["body"]["LogID"]

    by(box, work, "short")


def test_the_catalyst_refuses_a_webhook_with_another_key_or_body(box: Sandbox, receiver: Receiver) -> None:
    async def work(client: OrderCloudClient) -> None:
        # Webhooks of other clients, and those called before a request is processed, do not receive the event.
        silent = [make_hook(receiver, HASH_KEY).model_copy(update={"api_client_i_ds": ["another"]})]
        silent.append(make_hook(receiver, HASH_KEY).model_copy(update={"before_process_request": True}))
        hooks = [await client.webhooks.create(hook) for hook in [*silent, make_hook(receiver, "another key")]]
        await client.orders.save(INCOMING, "H-2", an_order("H-2"))
        await client.orders.patch(INCOMING, "H-2", {"Comments": "x"})
        assert receiver.next() == {"refused": 401}
        for hook in hooks:
            await client.webhooks.delete(str(hook.id))
        for wrong, code in (({"Url": "http://example.org"}, "UrlSchemeHttps"), ({"HashKey": None}, "MissingHashKey")):
            body = make_hook(receiver, HASH_KEY).model_dump(by_alias=True) | wrong
            assert (await error(client.webhooks.create(body)))[:2] == (400, f"Webhook.{code}")

    by(box, work)
    assert requests.post(receiver.url, json={"a": 1}, headers={"X-oc-hash": "AAAA"}, timeout=10).status_code == 401
    assert receiver.next() == {"refused": 401}
    assert requests.post(receiver.url, json={"a": 1}, timeout=10).status_code == 401
    assert receiver.next() == {"refused": 401}
