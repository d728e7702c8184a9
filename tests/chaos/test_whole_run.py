"""One run of the whole stack, whose provider is down at the start and whose systems answer with faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.stack import KEY, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = 100
FAULTS = [
    "retailcrm:history:500:times=3",
    "retailcrm:list:malformed:times=1",
    "dropday:create:500_after:times=3",
    "dropday:create:422:times=2:skip=10",
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a stack that has delivered what can be delivered."""
    with Stack(tmp_path_factory.mktemp("run"), ORDERS, limit="none", faults=FAULTS) as stack:
        stack.start()
        stack.wait(lambda: stack.created() >= ORDERS - 3, 90, "the orders")
        stack.wait(stack.settled, 60, "settled")
        yield stack


@pytest.mark.timeout(180)
def test_a_provider_that_is_down_at_the_start_is_reported_and_polled_again(stack: Stack) -> None:
    assert "GET /api/v5/orders/history: status 500" in stack.log()
    assert stack.runtime.cursors.status("shop").get("error") is None


def test_a_second_intake_up_in_the_same_folder_is_refused_with_the_reason(stack: Stack) -> None:
    first = stack.up
    assert stack.start().wait(timeout=60) == 2
    stack.up = first
    assert "is in use by another `intake up`" in stack.log()


def test_the_log_of_a_whole_run_contains_no_key_and_no_personal_data(stack: Stack) -> None:
    source = stack.admin.read("/_sandbox/retailcrm/shop/orders").json()["orders"]
    assert stack.stop() == []
    log = stack.log()
    assert "order.delivered" in log
    assert "order.buried" in log
    assert "record.malformed" in log
    secrets = {KEY}
    for order in source:
        address = order.get("delivery", {}).get("address", {})
        secrets |= {order.get(name, "") for name in ("email", "phone", "lastName", "firstName", "customerComment")}
        secrets |= {address.get(name, "") for name in ("street", "text")}
    assert sorted(secret for secret in secrets if len(secret) > 4 and secret in log) == []
