"""Accounts keep their identity: a renamed or replaced account is noticed before anything is read or sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.orders import order
from support.settings_texts import BY_PROVIDER, dropboy, dropday, ordercloud, retailcrm, route
from worker.errors import ConfigError
from worker.runtime import Runtime, read_settings
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.watch.judgements import judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from redis import Redis

    from support.settings_texts import Configured

A, B = "http://127.0.0.1:9/a", "http://127.0.0.1:9/b"
SHOP = retailcrm("providers.shop", A)
TARGET = dropday("targets.t", A)
FIRST = SHOP + TARGET + route("shop", "t", reference=BY_PROVIDER)


def start(configured: Configured, settings: str = FIRST) -> Runtime:
    """Return a runtime that passed the check of every process at its start."""
    rt = configured.open(settings)
    rt.installation.confirm()
    return rt


def test_a_start_with_the_same_accounts_writes_nothing(configured: Configured) -> None:
    version = start(configured).installation.registry.version()
    assert version
    assert start(configured).installation.registry.version() == version


RENAMED = {
    "provider": (
        retailcrm("providers.winkel", A) + TARGET + route("winkel", "t", reference=BY_PROVIDER),
        "shop",
        "winkel",
    ),
    "target": (SHOP + dropday("targets.depot", A) + route("shop", "depot", reference=BY_PROVIDER), "t", "depot"),
}


@pytest.mark.parametrize("role", RENAMED)
def test_a_renamed_account_is_refused_until_it_is_renamed_in_the_ledger(configured: Configured, role: str) -> None:
    settings, old, new = RENAMED[role]
    start(configured)
    with pytest.raises(ConfigError, match=f"intake rename {old} {new}"):
        start(configured, settings)
    done = intake("rename", old, new)
    assert done.exit_code == 0, done.output
    assert f'formerly = ["{old}"]' in done.output
    rt = start(configured, settings)
    assert set(rt.settings.providers) == {"shop"}
    assert set(rt.settings.targets) == set(rt.lanes) == {"t"}
    [the_route] = rt.settings.routes
    assert (the_route.source, the_route.targets) == ("shop", ("t",))
    assert the_route.reference_of(order("7", provider="shop")) == "shop:7"
    assert rt.providers["shop"].name == "shop"


def test_commands_take_both_names_of_a_renamed_account(configured: Configured, redis: Redis) -> None:
    settings, old, new = RENAMED["target"]
    start(configured)
    configured.write(settings)
    intake("rename", old, new)
    for name in (old, new):
        assert intake("pause", name).exit_code == 0
        assert "paused" in redis.hgetall("intake:lane:t")
        assert intake("resume", name).exit_code == 0
        assert "paused" not in redis.hgetall("intake:lane:t")
    assert redis.keys(f"intake:lane:{new}*") == []


REPLACED = {
    "its url": retailcrm("providers.shop", B) + TARGET,
    "the url of the target": SHOP + dropday("targets.t", B),
    "its kind": ordercloud("providers.shop", A) + TARGET,
}


@pytest.mark.parametrize("what", REPLACED)
def test_another_account_under_a_known_name_is_refused(configured: Configured, what: str) -> None:
    start(configured)
    with pytest.raises(ConfigError, match="the ledger has the orders of a different account under this name"):
        start(configured, REPLACED[what] + route("shop", "t", reference=BY_PROVIDER))


def test_another_secret_account_id_is_another_account_and_a_new_key_is_not(configured: Configured) -> None:
    start(configured)
    configured.credentials(key="rotated")
    with pytest.raises(ConfigError, match="account_id was another one") as refused:
        configured.credentials(key="rotated", account="someone-else") and start(configured)
    assert "someone-else" not in str(refused.value)
    configured.credentials(key="rotated")
    start(configured)


def test_a_new_key_of_an_account_that_only_its_key_tells_apart_is_confirmed_by_hand(configured: Configured) -> None:
    settings = SHOP + dropboy("targets.t", A) + route("shop", "t", reference=BY_PROVIDER)
    start(configured, settings)
    configured.credentials(key="rotated")
    with pytest.raises(ConfigError, match="intake rename t t"):
        start(configured, settings)
    assert intake("rename", "t", "t", stdin="n\n").exit_code == 1
    assert intake("rename", "t", "t", "--yes").exit_code == 0
    start(configured, settings)


def test_nothing_of_a_secret_stands_in_the_registry_but_four_digits(configured: Configured, redis: Redis) -> None:
    start(configured.credentials(key="the-api-key", account="4711"))
    text = json.dumps(redis.hgetall("intake:registry"))
    assert "the-api-key" not in text
    assert "4711" not in text
    parts = json.loads(redis.hget("intake:registry", "target t") or "")["parts"]
    assert list(parts) == ["account_id"]
    assert len(parts["account_id"]) == len("#") + 4


def test_the_settings_of_another_installation_are_refused(configured: Configured) -> None:
    start(configured)
    others = retailcrm("providers.store", B) + dropday("targets.u", B) + route("store", "u")
    with pytest.raises(ConfigError, match=r"the orders of other accounts \(shop, t\)"):
        start(configured, others)


def test_the_refusal_names_a_database_per_installation_and_with_it_two_do_not_meet(
    configured: Configured, redis_url: str
) -> None:
    others = retailcrm("providers.store", B) + dropday("targets.u", B) + route("store", "u")
    first = start(configured)
    with pytest.raises(ConfigError, match=r"redis://host:6379/1"):
        start(configured, others)
    delivery = Delivery(order("1", provider="shop"), "shop:1")
    first.ledger.accept("t", [delivery], "poll shop")
    keys = set(first.redis.keys("*"))
    settings = read_settings(configured.write(others, redis_url=redis_url.removesuffix("/0") + "/5"))
    with Runtime(settings) as second:
        second.installation.confirm()
        second.ledger.accept("u", [Delivery(order("1", provider="store"), "1")], "poll store")
        assert [name for name in second.redis.keys("*") if ":t" in str(name)] == []
    assert set(first.redis.keys("*")) == keys
    assert [entry.target for entry in first.ledger.entries(["t", "u"], "shop:1")] == ["t"]


def test_a_second_account_beside_the_first_is_no_rename(configured: Configured) -> None:
    start(configured)
    second = retailcrm("providers.shop-b", A) + route("shop-b", "t", reference=BY_PROVIDER)
    assert set(start(configured, FIRST + second).settings.providers) == {"shop", "shop-b"}


def test_the_settings_name_what_an_account_was_called_after_a_loss_of_redis(
    configured: Configured, redis: Redis
) -> None:
    settings, old, new = RENAMED["provider"]
    named = settings.replace(f"[providers.{new}]", f'[providers.{new}]\nformerly = ["{old}"]')
    start(configured)
    redis.flushall()
    assert set(start(configured, named).settings.providers) == {"shop"}
    assert set(start(configured, settings).settings.providers) == {"shop"}


def test_a_renamed_account_cannot_take_the_place_of_one_with_orders_of_its_own(configured: Configured) -> None:
    second = retailcrm("providers.winkel", B) + route("winkel", "t", reference=BY_PROVIDER)
    start(configured, FIRST + second)
    refused = intake("rename", "shop", "winkel")
    assert refused.exit_code == 1
    configured.write(TARGET + second)
    refused = intake("rename", "shop", "winkel")
    assert "orders of its own" in refused.output
    assert intake("rename", "nobody", "winkel").exit_code == 1


def test_a_name_that_an_account_had_before_is_not_free(configured: Configured) -> None:
    settings, old, new = RENAMED["provider"]
    start(configured)
    configured.write(settings)
    intake("rename", old, new)
    with pytest.raises(ConfigError, match=r"Give .* a name that no other provider had before"):
        start(configured, settings + retailcrm("providers.shop", B) + route("shop", "t", reference=BY_PROVIDER))


def test_a_process_that_runs_notices_that_another_installation_took_its_ledger(
    configured: Configured, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.settings.installation._EVERY", 0.0)
    rt = start(configured)
    redis.flushall()
    rt.installation.confirm()
    assert redis.hexists("intake:registry", "target t"), "a lost registry is written again"
    redis.flushall()
    with Runtime(read_settings(configured.write(SHOP + dropday("targets.t", B) + route("shop", "t")))) as other:
        other.installation.confirm()
    with pytest.raises(ConfigError, match="a different account"):
        rt.installation.confirm()


@pytest.mark.parametrize(
    "words", [("poll", "winkel"), ("reconcile", "winkel", "t", "--since", "1d", "--repair", "--yes")]
)
def test_a_command_that_sends_orders_is_refused_and_check_and_status_say_why(
    configured: Configured, words: tuple[str, ...]
) -> None:
    start(configured)
    configured.write(RENAMED["provider"][0])
    refused = intake(*words)
    assert refused.exit_code == 2
    assert "intake rename shop winkel" in refused.stderr
    assert "intake rename shop winkel" in intake("status").output.replace("\n", " ")


def leave_waiting(rt: Runtime) -> None:
    """Accept orders for the target `t`, which are delivered, waiting, dead, held and in doubt afterwards."""
    rt.ledger.accept("t", [Delivery(order(str(n)), f"shop:{n}") for n in range(1, 7)], "poll shop")
    kinds: list[Outcome] = [
        Outcome("delivered", extra="T1"),
        Outcome("bury", "rejected", "no"),
        Outcome("hold", "held", "why"),
        Outcome("doubt", "uncertain", "lost"),
    ]
    with rt.lanes["t"].drain() as drain:
        for kind in kinds:
            [claim] = drain.claim(1)
            drain.settle([(claim, kind)])


def states(rt: Runtime) -> dict[str, str]:
    entries = {f"shop:{n}": rt.ledger.entries(["t"], f"shop:{n}") for n in range(1, 7)}
    return {key: entry.record["state"] for key, [entry] in entries.items()}


#: The settings without the target `t`.
WITHOUT = SHOP + dropday("targets.other", B) + route("shop", "other", reference=BY_PROVIDER)


def test_a_target_that_is_gone_is_reported_with_what_waits_for_it(configured: Configured) -> None:
    leave_waiting(start(configured))
    start(configured, WITHOUT)
    [alarm] = [each for each in judge(take_snapshot(configured.open(WITHOUT)), read_settings()) if each.subject == "t"]
    assert (alarm.kind, alarm.severity) == ("account_gone", "alarm")
    assert "2 to be sent, 1 dead, 1 in doubt, 1 held" in alarm.facts
    for words in (("status",), ("show", "shop:6"), ("show", "shop:2"), ("check",)):
        assert "intake forget t" in " ".join(intake(*words).output.split()), words


def test_a_target_that_is_put_back_goes_on_where_it_was(configured: Configured) -> None:
    rt = start(configured)
    leave_waiting(rt)
    before = states(rt)
    start(configured, WITHOUT)
    assert states(start(configured)) == before
    assert not take_snapshot(rt).absent


def test_an_account_is_given_up_on_confirmation_and_its_orders_stay_known(configured: Configured) -> None:
    rt = start(configured)
    leave_waiting(rt)
    assert intake("forget", "t", "--yes").exit_code == 1, "it is in the settings"
    start(configured, WITHOUT)
    assert "1 in doubt" in intake("forget", "t", "--dry-run").output
    assert intake("forget", "t", stdin="n\n").exit_code == 1
    assert sorted(states(rt).values()) == ["dead", "delivered", "held", "in_doubt", "queued", "queued"]
    assert "5 orders discarded" in intake("forget", "t", "--yes").output
    assert sorted(states(rt).values()) == ["delivered", *["discarded"] * 5]
    assert rt.redis.keys("intake:payload:t:*") == []
    assert not take_snapshot(configured.open(WITHOUT)).absent
    back = start(configured)
    again = [Delivery(order(str(n)), f"shop:{n}") for n in range(1, 7)]
    assert set(back.ledger.accept("t", again, "poll shop").results) == {"same"}
    start(configured, WITHOUT)
    intake("forget", "t", "--yes")
    with pytest.raises(ConfigError, match="a different account"):
        start(configured, WITHOUT + dropday("targets.t", B + "/2") + route("shop", "t", reference=BY_PROVIDER))


def test_a_provider_that_is_gone_is_reported_until_it_is_given_up(configured: Configured, redis: Redis) -> None:
    second = retailcrm("providers.shop-b", B) + route("shop-b", "t", reference=BY_PROVIDER)
    rt = start(configured, FIRST + second)
    rt.fetches.add("shop-b", ["1", "2"])
    redis.hset("intake:cursor:shop-b", "value", "7")
    start(configured)
    assert "2 to be fetched" in " ".join(intake("status").output.split())
    assert intake("forget", "shop-b", "--yes").exit_code == 0
    assert "shop-b" not in intake("status").output
    assert redis.hget("intake:cursor:shop-b", "value") == "7"


def test_orders_of_before_are_known_after_a_rename(configured: Configured) -> None:
    settings, old, new = RENAMED["provider"]
    start(configured).ledger.accept("t", [Delivery(order("7", provider="shop"), "shop:7")], "poll shop")
    configured.write(settings)
    intake("rename", old, new)
    rt = start(configured, settings)
    again = Delivery(order("7", provider=rt.providers["shop"].name), "shop:7")
    assert rt.ledger.accept("t", [again], "poll shop").results == ("same",)
