"""From Dropboy to Dropboy: every order is delivered once, although Dropboy processes uploads later."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.doubt
import tasks.poll
from support.sandbox import Sandbox
from support.settings_texts import Configured, dropboy, route, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

    from worker.runtime import Runtime

FAULTS = (
    "dropboy:create:500_after:account=to:times=2",
    "dropboy:create:cut_after:account=to:times=2:skip=10",
    "dropboy:status:500:account=to:times=3",
    "dropboy:list:html:account=to:times=1",
    "dropboy:list:500:account=from:times=1:skip=1",
)


def run(rt: Runtime, until: float = 60) -> None:
    """Poll once, then deliver until nothing is left to do."""
    tasks.poll.poll(rt, "from", lambda *_: None)
    end = time.monotonic() + until
    while (status := rt.lanes["to"].status()) and (status["queued"] or status["in_flight"]):
        assert time.monotonic() < end, status
        tasks.deliver.deliver(rt, "to", lambda *_: None)
        time.sleep(0.05)


@pytest.fixture
def make(configured: Configured) -> Iterator[Callable[..., tuple[Sandbox, Runtime]]]:
    """Return a function that starts the two accounts and opens the runtime between them."""
    configured.credentials(Sandbox.KEY)
    with ExitStack() as stack:

        def start(accounts: Sequence[str], faults: Sequence[str], tries: int) -> tuple[Sandbox, Runtime]:
            box = stack.enter_context(Sandbox(systems="dropboy", accounts=accounts, faults=faults))
            source, target = box.url("dropboy", "from"), box.url("dropboy", "to")
            common = {"currency": "EUR", "limit": "none"}
            rt = configured.open(
                table("clocks", lease="3s", heartbeat="1s", request="4s", arrived="1s")
                + dropboy("providers.from", source, poll_every="1ms", **common)
                + dropboy("targets.to", target, price="send", max_tries=tries, **common)
                + route("from", "to")
            )
            rt.ledger.assume_no_predecessor()
            return box, rt

        yield start


def test_orders_of_dropboy_are_delivered_once_despite_lost_responses_and_a_lost_redis(
    make: Callable[..., tuple[Sandbox, Runtime]], redis: Redis
) -> None:
    accounts = [
        "dropboy:from:orders=30:spread=3600:max_take=8:order=shuffled",
        "dropboy:to:processing=0.2:list_lag=0.5:max_take=8",
    ]
    box, rt = make(accounts, FAULTS, 12)
    run(rt)
    run(rt)
    redis.flushall()
    box.add_orders(5, system="dropboy", account="from")
    run(rt)
    sent = sorted(order["id"] for order in box.orders("dropboy", "from"))
    delivered = sorted(order["orderNumber"] for order in box.orders("dropboy", "to"))
    status = rt.lanes["to"].status()
    assert delivered == sent
    assert len(sent) == 35
    assert (status["dead_now"], status["in_doubt_now"]) == (0, 0)


def test_an_upload_that_shows_later_on_a_page_that_was_read_before_is_found(
    make: Callable[..., tuple[Sandbox, Runtime]],
) -> None:
    accounts = ["dropboy:from:orders=6:spread=60", "dropboy:to:processing=0:list_lag=1:max_take=4"]
    box, rt = make(accounts, ["dropboy:create:cut_after:account=to:times=1:skip=6"], 6)
    run(rt)
    box.add_orders(1, system="dropboy", account="from")
    run(rt)
    status = rt.lanes["to"].status()
    assert (status["delivered"], status["existed"], status["in_doubt_now"]) == (6, 1, 0)
    assert len(box.journal(kind="request", account="to", method="POST")) == 7


@pytest.mark.parametrize(("rows", "created"), [("uploaded", 0), ("bare", 1)])
def test_an_uncertain_upload_that_is_never_listed_ends_in_doubt_and_is_not_resent(
    make: Callable[..., tuple[Sandbox, Runtime]], rows: str, created: int
) -> None:
    fault = "500_after" if created else "500_before"
    accounts = ["dropboy:from:orders=1:spread=60", f"dropboy:to:processing=0:rows={rows}"]
    box, rt = make(accounts, [f"dropboy:create:{fault}:account=to:times=1"], 3)
    run(rt)
    status = rt.lanes["to"].status()
    assert (status["dead_now"], status["in_doubt_now"]) == (0, 1)
    assert len(box.orders("dropboy", "to")) == created
    assert len(box.journal(kind="request", account="to", method="POST")) == 1


def test_an_upload_that_is_listed_late_is_found_by_a_later_doubt_check(
    make: Callable[..., tuple[Sandbox, Runtime]], redis: Redis
) -> None:
    accounts = ["dropboy:from:orders=1:spread=60", "dropboy:to:processing=0:list_lag=4"]
    box, rt = make(accounts, ["dropboy:create:500_after:account=to:times=1"], 2)
    run(rt)
    key = f"from:{box.orders('dropboy', 'from')[0]['id']}"
    assert rt.lanes["to"].status()["in_doubt_now"] == 1
    end = time.monotonic() + 30
    while rt.lanes["to"].status()["in_doubt_now"]:
        assert time.monotonic() < end
        redis.zadd("intake:lane:to:doubt", {key: 1})  # as if in doubt for a long time
        tasks.doubt.settle_doubts(rt, "to")
        time.sleep(0.5)
    (entry,) = rt.ledger.entries(["to"], key)
    assert entry.record["state"] == "delivered"
    assert entry.record["target_id"] == box.orders("dropboy", "to")[0]["id"]
    assert len(box.journal(kind="request", account="to", method="POST")) == 1


@pytest.mark.parametrize("rows", ["uploaded", pytest.param("bare", marks=pytest.mark.repeat)])
def test_an_upload_resolved_as_missing_is_resent_once(make: Callable[..., tuple[Sandbox, Runtime]], rows: str) -> None:
    accounts = ["dropboy:from:orders=1:spread=60", f"dropboy:to:processing=0:rows={rows}"]
    box, rt = make(accounts, ["dropboy:create:500_before:account=to:times=1"], 3)
    run(rt)
    assert rt.lanes["to"].status()["in_doubt_now"] == 1
    rt.stuck["to"].move("send", [f"from:{box.orders('dropboy', 'from')[0]['id']}"])
    run(rt)
    assert len(box.orders("dropboy", "to")) == 1
    status = rt.lanes["to"].status()
    assert (status["dead_now"], status["in_doubt_now"]) == (0, 0)
