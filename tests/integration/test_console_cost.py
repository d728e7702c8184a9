"""What a page of the console asks Redis for does not grow with the orders in the ledger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.console import running_console
from support.console_world import DELIVERED, REFUSED, SETTINGS, an_order, fill
from worker.store.orders.delivery import Delivery
from worker.web.app import PAGES
from worker.web.page import EVERYBODY

if TYPE_CHECKING:
    from redis import Redis

    from support.console import Browser
    from support.settings_texts import Configured
    from worker.runtime import Runtime
    from worker.store.orders.drains import Outcome

#: Values for the parts of paths.
VALUES: Final = {
    "{key:path}": "shop-nl%3A02", "{target}": "warehouse", "{action}": "resend", "{side}": "targets",
    "{name}": "warehouse", "{list}": "dead",
}  # fmt: skip
#: What people type into the search: a number, an id, a reference, the beginning of a number, and nothing that exists.
SEARCHES: Final = ("NL-1002", "02", "NL-02", "NL-10", "nowhere")


def path_of(path: str) -> str:
    for name, value in VALUES.items():
        path = path.replace(name, value)
    return re.sub(r"\{[^}]*\}", "x", path)


PATHS: Final = [path_of(page.path) for page in PAGES if page.method == "GET" and page.role != EVERYBODY]


def count_commands(redis: Redis) -> int:
    """Return how many commands the server has executed, those within scripts included."""
    stats: Any = redis.info("commandstats")
    return sum(entry["calls"] for name, entry in stats.items() if name != "cmdstat_info")


def costs(redis: Redis, browser: Browser) -> dict[str, int]:
    """Return the commands of each page, and of each search."""
    found = {}
    for path in PATHS:
        browser.get(path)
        before = count_commands(redis)
        assert browser.get(path).status_code < 500, path
        found[path] = count_commands(redis) - before
    csrf = browser.token("/find")
    for text in SEARCHES:
        before = count_commands(redis)
        browser.post("/find", {"csrf": csrf, "q": text})
        found[f"search {text}"] = count_commands(redis) - before
    return found


def add(rt: Runtime, numbers: range, outcome: Outcome) -> None:
    orders = [an_order(f"x{number}") for number in numbers]
    rt.ledger.accept("warehouse", [Delivery(order, f"NL-{order.external_id}") for order in orders], "poll shop-nl")
    rt.numbers.note("shop-nl", orders)
    with rt.lanes["warehouse"].drain() as drain:
        while claims := drain.claim(500):
            drain.settle([(claim, outcome) for claim in claims])
        drain.leave()


@pytest.mark.timeout(120)
def test_no_page_asks_more_of_redis_the_more_orders_there_are(
    configured: Configured, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt = configured.open(SETTINGS)
    fill(rt)
    # As many as a search by the beginning of a number lists.
    add(rt, range(25), DELIVERED)
    with running_console(monkeypatch) as consoles:
        browser = consoles.as_role("operator")
        few = costs(redis, browser)
        add(rt, range(100, 600), DELIVERED)
        many = costs(redis, browser)
        # A connection is checked now and then.
        assert all(many[path] <= few[path] + 5 for path in few), (few, many)
        add(rt, range(600, 700), REFUSED)
        many = costs(redis, browser)
        # What lists orders that wait reads them: these are 100 more, at most a few commands each.
        grown = {path for path, count in many.items() if count > few[path] + 5}
        assert grown <= {path for path in PATHS if path.startswith(("/lists", "/report"))}, many
        assert all(many[path] <= few[path] + 500 for path in grown)
