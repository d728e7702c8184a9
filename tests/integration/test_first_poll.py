"""Going live with shops that have a history: what the first polls would send is shown, and nothing else is created."""

from __future__ import annotations

import os
import re
import signal
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import click
import pytest

import tasks.deliver
import tasks.poll
from support.command_line import intake
from support.orders import order
from support.redis_text import key_names
from support.sandbox import Sandbox
from support.settings_texts import BY_PROVIDER, NO_REDIS, Configured, dropday, retailcrm, route, table
from worker.cli.run.first_start import confirm_first_polls
from worker.cli.setup.account_checks import Finding
from worker.cli.setup.first_poll import FirstPoll, describe, look
from worker.errors import Rejected
from worker.runtime import read_settings
from worker.store.orders.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from worker.runtime import Runtime
    from worker.settings.load import Settings

DAY = 86_400
#: The start lies between the orders of 30 days.
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=10)
SHOPS = {"shop": "retailcrm", "stream": "dropstream"}
NOT_CREATED = re.compile(r"cancel|return|refund", re.IGNORECASE)


@contextmanager
def _shops(configured: Configured) -> Iterator[tuple[Sandbox, Runtime]]:
    """Two shops with 30 days of history, of which a part of the old orders has changed since the start."""
    accounts = [f"retailcrm:main:orders=40:spread={30 * DAY}", f"dropstream:main:orders=40:spread={30 * DAY}"]
    with Sandbox(systems="retailcrm,dropstream,dropday", accounts=[*accounts, "dropday:main"]) as box:
        start = START.isoformat()
        stream: dict[str, Any] = {"user": "sandbox-user", "password": "env:TEST_KEY", "limit": "none", "start": start}
        every = {"reference": BY_PROVIDER}
        rt = configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID).open(
            retailcrm("providers.shop", box.url("retailcrm"), poll_every="1ms", start=start)
            + table("providers.stream", kind="dropstream", url=box.url("dropstream"), poll_every="1ms", **stream)
            + dropday("targets.dropday", box.url("dropday"), limit="none", placeholder="-")
            + "".join(table("[routes]", **{"from": name, "to": ["dropday"]}, **every) for name in SHOPS)
        )
        for old in [each for each in box.orders("retailcrm") if _placed(each) < START][:10]:
            box.change(str(old["id"]), "retailcrm", managerComment="looked at again")
        yield box, rt


def _placed(raw: dict[str, Any]) -> datetime:
    """Return when an order of a simulated system was placed; the zone of the accounts is UTC or in the text."""
    placed = datetime.fromisoformat(raw.get("createdAt") or raw["ordered_at"])
    return placed if placed.tzinfo else placed.replace(tzinfo=UTC)


def _wanted(box: Sandbox) -> set[str]:
    return {
        f"{name}:{raw['id']}"
        for name, kind in SHOPS.items()
        for raw in box.orders(kind)
        if _placed(raw) >= START and not NOT_CREATED.search(str(raw.get("status") or raw.get("fulfillment_state")))
    }


def test_two_shops_with_a_history_send_what_check_shows_and_nothing_older_and_nothing_cancelled(
    configured: Configured,
) -> None:
    with _shops(configured) as (box, rt):
        found = {name: look(rt, name, rt.now()) for name in SHOPS}
        assert key_names(rt.redis, "intake:order:*") == []
        lines = intake("check").output.splitlines()
        for name in SHOPS:
            [line] = [line for line in lines if f"first poll of {name}: would send" in line]
            assert re.search(r"send \d+ orders placed from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d \(\w+ \d+", line)
        for name in SHOPS:
            tasks.poll.poll(rt, name, lambda *_: None)
        # A cancelled order is searched while the ledger is new: it has a record, and is never created.
        records = [name for name in key_names(rt.redis, "intake:order:*") if not rt.redis.hexists(name, "left_out")]
        accepted = {name.removeprefix("intake:order:dropday:") for name in records}
        assert accepted == _wanted(box)
        for name, first in found.items():
            count = sum(key.startswith(f"{name}:") for key in accepted)
            assert count > 0
            assert sum(first.sent.values()) + first.held == count, name
            assert not first.more
        assert found["shop"].left_out["placed before start " + START.isoformat().replace("+00:00", "Z")] == 10
        tasks.deliver.deliver(rt, "dropday", lambda *_: None)
        created = {raw["external_id"] for raw in box.orders("dropday")}
        assert created
        assert created <= _wanted(box)
        shown = rt.left_outs.find("shop", str(next(r["id"] for r in box.orders("retailcrm") if _placed(r) < START)))
        assert [each.rule.startswith("placed before start") for each in shown] == [True]
        # All of it is known now: check does not show a first poll any more.
        assert "first poll of" not in intake("check").output


def test_a_first_poll_that_is_longer_than_what_is_read_is_called_a_part() -> None:
    found = FirstPoll(records=1000, more=True)
    for day in (1, 3):
        found.add(order(str(day), ordered_at=f"2026-01-0{day}T00:00:00Z"), [Delivery(order(), "1")])
    found.add(order(), [Delivery(order(), "1", "its status is cancelled", "status=cancelled")])
    found.add(order(), [Delivery(order(), "1", before_start="placed before start 2026-01-01")])
    found.add(order(), [Delivery(order(), "1", hold="review large")])
    found.add(order(), [Rejected("no reference")])
    assert describe(found, "2026-01-01") == (
        "would send 2 orders placed from 2026-01-01 to 2026-01-03 (new 2); start is 2026-01-01; "
        "left out: status=cancelled 1, placed before start 2026-01-01 1; 1 would be held; 1 cannot be read; "
        "this is only a part: 1000 records were read, and more follow"
    )


class Terminal(StringIO):
    """A terminal at which a person has typed an answer already."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def three_orders() -> Iterator[Sandbox]:
    with Sandbox(accounts=["retailcrm:main:orders=3:spread=60:fractions=0", "dropday:main"]) as box:
        yield box


@pytest.mark.parametrize(
    ("stdin", "yes", "begins"),
    [
        (Terminal("n\n"), False, False),
        (Terminal("y\n"), False, True),
        (Terminal(""), False, False),
        (Terminal(""), True, True),
        (StringIO(""), False, True),
    ],
    ids=["no", "yes", "closed", "--yes", "no terminal"],
)
def test_the_first_start_shows_what_it_would_send_and_asks_at_a_terminal(  # noqa: PLR0913, PLR0917  # fixtures
    configured: Configured,
    three_orders: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stdin: StringIO,
    yes: bool,  # noqa: FBT001  # a parameter of the test
    begins: bool,  # noqa: FBT001  # as above
) -> None:
    settings = _three_orders_settings(configured, three_orders)
    monkeypatch.setattr("sys.stdin", stdin)
    if begins:
        confirm_first_polls(settings, yes=yes)
    else:
        with pytest.raises(click.Abort):
            confirm_first_polls(settings, yes=yes)
    shown = capsys.readouterr().err
    assert re.search(r"first poll of shop: would send [123] orders?", shown)
    assert ("continues without asking" in shown) is (yes or not stdin.isatty())


def test_a_signal_ends_the_first_start_before_anything_begins(
    configured: Configured, three_orders: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[Finding]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield Finding("provider shop", "ok", "")

    monkeypatch.setattr("worker.cli.setup.first_poll.examine_first_polls", interrupted)
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(click.Abort):
        confirm_first_polls(_three_orders_settings(configured, three_orders), yes=False)
    assert signal.getsignal(signal.SIGTERM) == former


def test_a_start_that_is_not_the_first_shows_nothing(
    configured: Configured, three_orders: Sandbox, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    redis.hset("intake:cursor:shop", "value", "1")
    confirm_first_polls(_three_orders_settings(configured, three_orders), yes=False)
    assert capsys.readouterr().err == ""


def test_a_redis_that_does_not_respond_does_not_stop_the_first_start(
    configured: Configured, three_orders: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = _three_orders_settings(configured, three_orders)
    confirm_first_polls(settings.model_copy(update={"redis_url": NO_REDIS}), yes=False)
    assert "the first polls could not be previewed: ConnectionError" in capsys.readouterr().err


def _three_orders_settings(configured: Configured, box: Sandbox) -> Settings:
    shop, target = retailcrm("providers.shop", box.url("retailcrm")), dropday("targets.dropday", box.url("dropday"))
    configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID)
    return read_settings(configured.write(shop + target + route("shop", "dropday")))
