"""Producers in every language: what each pushes arrives in the target, through a real listener and worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.producer_examples import CELERY, EXAMPLES, SIGNING, run
from support.stack import Stack
from worker.runtime import redis_url

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = """
[producers.web]
secret = "env:STACK_KEY"

[inbox]
unsigned = "accept"

[[routes]]
from = "web"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "web-{external_id}"
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(
        tmp_path_factory.mktemp("producers"), 1, limit="none", extra=WEB, reference="shop-{external_id}"
    ) as stack:
        stack.start()
        stack.wait(lambda: stack.created() == 1, 60, "the start")
        yield stack
        assert stack.stop() == []


def job(external_id: str) -> str:
    ada = {"first_name": "Zoë", "last_name": "L'Été", "street1": "Delft 1", "city": "Delft", "postal_code": "2611"}
    order = {
        "external_id": external_id,
        "status": "new",
        "ordered_at": "2026-01-01T10:00:00Z",
        "lines": [{"product_id": "7", "name": "Mug 50%", "quantity": 1, "unit_price": "9.90"}],
        "totals": {"shipping": "0", "grand": "9.90"},
        "customer": {"email": "zoe@example.org"},
        "shipping_address": {**ada, "country": "NL", "email": "zoe@example.org"},
    }
    return json.dumps({"v": 1, "provider": "web", "order": order}, ensure_ascii=False)


def find_orders(stack: Stack, references: set[str]) -> list[dict[str, Any]]:
    orders = stack.admin.read("/_sandbox/dropday/main/orders").json()["orders"]
    return [order for order in orders if references & set(map(str, order.values()))]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [*EXAMPLES, *CELERY])
def test_the_orders_of_every_producer_example_arrive_once_and_complete(stack: Stack, name: str) -> None:
    url = redis_url(stack.runtime.settings)
    ids = [f"{name}-{number}" for number in range(4)]
    signing = {"INTAKE_PRODUCER": "web", "INTAKE_SECRET": "stack-key-0123456789abc"} if name in SIGNING else {}
    for done in (
        run(name, url, job(ids[0])),
        run(name, url, stdin=f"{job(ids[1])}\n{job(ids[2])}\n"),
        run(name, url, job(ids[3]), job(ids[0]), **signing),
    ):
        assert (done.returncode, done.stderr) == (0, "")
    references = {f"web-{external_id}" for external_id in ids}
    stack.wait(lambda: len(find_orders(stack, references)) >= len(ids), 30, f"the orders of {name}")
    stack.wait(lambda: stack.settled() and stack.runtime.inbox.status()["waiting"] == 0, 30, "settled")
    orders = find_orders(stack, references)
    assert len(orders) == len(ids)
    assert all("Zoë" in json.dumps(order, ensure_ascii=False, default=str) for order in orders)
    assert stack.runtime.inbox.letters() == {}
