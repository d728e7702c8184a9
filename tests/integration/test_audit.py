"""The audit log: each command that changes something on purpose leaves one record, without personal data."""

from __future__ import annotations

import csv
import getpass
import io
import json
import re
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import pytest
from redis.exceptions import ResponseError

import worker.cli
from support.command_line import intake
from support.orders import order
from support.settings_texts import dropday, retailcrm, route
from worker.cli.feeds import backfill, reconcile
from worker.cli.run import reload
from worker.reconcile.report import Report
from worker.store import audit
from worker.store.audit import Act, Actor, read_audit, record
from worker.store.console.tokens import Tokens
from worker.store.console.users import Users
from worker.store.letters import Letter
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from support.settings_texts import Configured
    from worker.runtime import Runtime

SETTINGS = retailcrm("providers.shop") + dropday("targets.t") + route("shop", "t")
WITHOUT_TARGET = retailcrm("providers.shop") + dropday("targets.other") + route("shop", "other")
ADA = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.org"}
BY = Actor("anna", "cli", "anna@desk")
KEY = "shop:1"


def leaves(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that is no group, with the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from leaves(below, f"{path} {name}".strip())


COMMANDS = dict(leaves(worker.cli.main))
ACTING = {path for path, command in COMMANDS.items() if any("--as" in option.opts for option in command.params)}


def settled(outcome: Outcome) -> Callable[[Runtime], object]:
    def settle(rt: Runtime) -> None:
        rt.ledger.accept("t", [Delivery(order("1", customer=ADA), "R1")], "poll shop")
        with rt.lanes["t"].drain() as drain:
            drain.settle([(claim, outcome) for claim in drain.claim(1)])

    return settle


dead = settled(Outcome("bury", "rejected", "422: postal_code"))
held = settled(Outcome("hold", "held", "no product"))
in_doubt = settled(Outcome("doubt", "uncertain", "cut", uncertain=True))


def dead_job(rt: Runtime) -> None:
    rt.inbox.add_letters([Letter("malformed", "no lines", b"{}", 2, "shop")])


def paused(rt: Runtime) -> None:
    rt.lanes["t"].pause("stocktaking")


def moved_cursor(rt: Runtime) -> None:
    rt.cursors.place("shop", "", "a")


def running_backfill(rt: Runtime) -> None:
    rt.backfills.begin("shop", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


def console_user(rt: Runtime) -> None:
    Users(rt.redis).add("ada", "viewer", "")


def token(rt: Runtime) -> None:
    Tokens(rt.redis).add("helpdesk", "viewer")


def nothing(rt: Runtime) -> None:
    rt.installation.confirm()


#: For each acting command: what it needs, how it is called, and the orders that its record names.
ACTS: dict[str, tuple[Callable[[Runtime], object], str, list[str]]] = {
    "dead replay": (dead, "dead replay --all --yes", [KEY]),
    "dead discard": (dead, f"dead discard {KEY} --yes", [KEY]),
    "doubt ask": (in_doubt, "doubt ask --yes", [KEY]),
    "doubt resolve": (in_doubt, f"doubt resolve {KEY} --target t --delivered --yes", [KEY]),
    "release": (held, "release t --yes", [KEY]),
    "correct": (dead, f"correct {KEY} --set note=ring --yes", [KEY]),
    "erase": (dead, f"erase {KEY} --yes", [KEY]),
    "pause": (nothing, "pause t --reason stocktaking", []),
    "resume": (paused, "resume t", []),
    "poll": (nothing, "poll shop", []),
    "cursor set": (nothing, "cursor set shop --since 2026-01-01 --yes", []),
    "cursor undo": (moved_cursor, "cursor undo shop --yes", []),
    "backfill": (nothing, "backfill shop --since 2026-01-01 --yes", []),
    "reconcile": (nothing, "reconcile shop t --since 1d --repair --yes", [KEY]),
    "push": (nothing, "push --provider shop --external-id 1", [KEY]),
    "reload": (nothing, "reload", []),
    "inbox replay": (dead_job, "inbox replay --all --yes", []),
    "inbox discard": (dead_job, "inbox discard --all --yes", []),
    "rename": (nothing, "rename t t --yes", []),
    "web user add": (nothing, "web user add ada --role viewer --no-password", []),
    "web user password": (console_user, "web user password ada --stdin", []),
    "web user role": (console_user, "web user role ada --role operator", []),
    "web user remove": (console_user, "web user remove ada --yes", []),
    "web token add": (nothing, "web token add helpdesk --role viewer", []),
    "web token remove": (token, "web token remove helpdesk --yes", []),
    "forget": (dead, "forget t --yes", []),
}


@pytest.fixture
def rt(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    def compared(rt: object, wish: object, console: object, repair: Act | None) -> Report:
        if repair is not None:
            repair.concerns([KEY])
        now = datetime.now(UTC)
        return Report("shop", "t", now, now, "listed", most=1)

    class Process:
        role, pid = "worker", 1

        def ask(self) -> None:
            pass

        def reply(self) -> tuple[str, str]:
            return "done", ""

    monkeypatch.setattr(reload, "read_running", lambda _: [Process()])
    monkeypatch.setattr(backfill, "nudge", lambda *_: None)
    monkeypatch.setattr(reconcile, "_compare", compared)
    monkeypatch.delenv("SUDO_USER", raising=False)
    return configured.open(SETTINGS)


def records(rt: Runtime, **chosen: Any) -> list[audit.AuditRecord]:
    return list(read_audit(rt.redis, **chosen))


def test_every_acting_command_is_run_below() -> None:
    """Expect a new command with `--as` here; one without it is listed in test_dry_run_and_confirmation.py."""
    assert set(ACTS) == ACTING


@pytest.mark.parametrize("name", sorted(ACTS))
def test_an_acting_command_leaves_one_record_and_its_dry_run_none(
    configured: Configured, rt: Runtime, name: str
) -> None:
    prepare, words, orders = ACTS[name]
    prepare(rt)
    if name == "forget":
        rt.installation.confirm()
        configured.write(WITHOUT_TARGET)
    if any(option.name == "dry_run" for option in COMMANDS[name].params) and name not in {"poll", "backfill"}:
        assert intake(*words.split(), "--dry-run").exit_code == 0
        assert records(rt) == []
    result = intake(*words.split(), "--as", "anna", stdin="a long sentence as password\n")
    [found] = records(rt)
    assert (found.action.removesuffix(" --repair"), found.actor.name, found.outcome) == (name, "anna", "done"), (
        result.output
    )
    assert list(found.orders) == orders
    assert found.actor.origin == f"{getpass.getuser()}@{socket.gethostname()}"


def test_the_actor_is_the_user_of_the_host_unless_a_name_is_given(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    intake("pause", "t")
    monkeypatch.setenv("SUDO_USER", "ben")
    intake("pause", "t")
    monkeypatch.setenv("INTAKE_ACTOR", "night shift")
    intake("pause", "t")
    intake("pause", "t", "--as", "anna")
    assert [found.actor.name for found in records(rt)] == ["anna", "night shift", "ben", getpass.getuser()]
    assert intake("pause", "t", "--as", "an\nna").exit_code == 2
    assert len(records(rt)) == 4


def test_a_record_has_the_reason_the_options_and_the_counts(rt: Runtime) -> None:
    dead(rt)
    intake("pause", "t", "--reason", "stocktaking", "--for", "2h")
    intake("dead", "replay", "--reason", "postal", "--target", "t", "--newer", "2h", "--yes")
    replayed, pause = records(rt)
    assert (pause.reason, pause.accounts) == ("stocktaking", ("t",))
    assert pause.given["until"].endswith(" UTC")
    assert (replayed.accounts, replayed.given["matching_reason"]) == (("t",), "postal")
    assert (replayed.given["newer"], replayed.counts) == ("2h", {"replayed": 1})


def test_no_record_has_personal_data(rt: Runtime, redis: Redis) -> None:
    dead(rt)
    intake("erase", "--match", "ada@example.org", "--yes")
    [found] = records(rt)
    assert (found.orders, found.given, found.counts["erased"]) == ((KEY,), {"by_match": "True"}, 1)
    written = re.sub(r'"id":"[0-9a-f]+"', "", str(redis.lrange(keys.AUDIT, 0, -1)))  # random, and may be "5ada85709f45"
    assert "ada" not in written
    assert found.id not in written


def test_an_act_whose_record_cannot_be_written_is_not_carried_out(rt: Runtime, redis: Redis) -> None:
    redis.set(keys.AUDIT, "no list")
    assert intake("pause", "t").exit_code != 0
    assert "paused" not in rt.lanes["t"].status()


def test_an_act_that_fails_says_so_and_one_that_never_ended_has_no_outcome(redis: Redis) -> None:
    with pytest.raises(ValueError, match="personal"), record(redis, BY, "release"):
        raise ValueError("personal")
    abandoned = record(redis, BY, "dead replay", orders=[KEY])
    abandoned.__enter__()
    assert [(found.action, found.outcome, found.orders) for found in read_audit(redis)] == [
        ("dead replay", "", (KEY,)),
        ("release", "failed: ValueError", ()),
    ]


def test_a_script_that_is_repeated_adds_no_record(redis: Redis) -> None:
    with record(redis, BY, "release", orders=[KEY]) as act:
        act.count(released=1)
    for line in redis.lrange(keys.AUDIT, 0, -1):
        redis.rpush(keys.AUDIT, line)
    [found] = read_audit(redis)
    assert (found.orders, found.counts, found.outcome) == ((KEY,), {"released": 1}, "done")


def test_a_full_redis_takes_a_record(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        with record(redis, BY, "release"):
            pass
    finally:
        redis.config_set("maxmemory", 0)
    assert [found.outcome for found in read_audit(redis)] == ["done"]


def test_the_log_is_bounded_in_number_bytes_and_age(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(reason: str = "") -> None:
        with record(redis, BY, "release", reason=reason):
            pass

    monkeypatch.setattr(audit, "MOST_PARTS", 10)
    for _ in range(20):
        act()
    assert redis.llen(keys.AUDIT) == 10
    monkeypatch.setattr(audit, "MOST_PARTS", 1000)
    monkeypatch.setattr(audit, "MOST_BYTES", 2000)
    for _ in range(20):
        act("x" * 100)
    lines = redis.lrange(keys.AUDIT, 0, -1)
    assert sum(map(len, lines)) == int(str(redis.get(keys.AUDIT_BYTES))) <= 2000
    oldest = redis.lindex(keys.AUDIT, 0)
    redis.lset(keys.AUDIT, 0, f"1 {str(oldest).partition(' ')[2]}")
    act()
    assert not str(redis.lindex(keys.AUDIT, 0)).startswith("1 ")
    assert 365 * 86_400 < redis.ttl(keys.AUDIT) <= 366 * 86_400


def test_the_orders_of_a_large_act_are_kept_up_to_a_bound(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_ORDERS", 700)
    with record(redis, BY, "dead replay") as act:
        act.concerns(f"shop:{n}" for n in range(600))
        act.concerns(f"shop:{n}" for n in range(600, 1000))
    [found] = read_audit(redis)
    assert found.orders == tuple(f"shop:{n}" for n in range(700))
    assert found.more_orders == 300
    assert list(read_audit(redis, matches=lambda each: "shop:699" in each.orders)) == [found]


def test_audit_selects_by_order_actor_and_time_and_exports(rt: Runtime, redis: Redis) -> None:
    with record(redis, BY, "dead replay", accounts=["t"], orders=[KEY]) as act:
        act.count(replayed=1)
    with record(redis, Actor("=ben", "console"), "pause", accounts=["t"], reason="@stock"):
        pass

    def listed(*words: str) -> list[str]:
        return [found["action"] for found in json.loads(intake("audit", "--json", *words).output)]

    assert listed() == ["pause", "dead replay"]
    assert listed("--order", KEY) == listed("--actor", "ANNA") == listed("--actor", "an*") == ["dead replay"]
    assert listed("--what", "REPLAY") == listed("--what", "dead") == ["dead replay"]
    assert listed("--what", "t") == ["pause", "dead replay"]
    assert listed("--what", "shop") == []
    assert listed("--since", "1h") == ["pause", "dead replay"]
    assert listed("--limit", "1") == ["pause"]
    assert listed("--order", "shop:2") == []
    assert intake("audit", "--since", "2100-01-01").exit_code == 2
    pause, replayed = csv.DictReader(io.StringIO(intake("audit", "--csv").output))
    assert (pause["actor"], pause["reason"]) == ("'=ben", "'@stock")  # no spreadsheet calculates it
    assert (replayed["orders"], replayed["counts"], replayed["outcome"]) == (KEY, "replayed=1", "done")
    text = intake("audit").output
    assert [
        part for part in ("anna@desk", "dead replay t", KEY, "1 replayed", "=ben (console)") if part not in text
    ] == []


def test_the_log_is_read_in_chunks(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_CHUNK", 3)
    for n in range(8):
        with record(redis, BY, "release", orders=[f"shop:{n}"]):
            pass
    assert [found.orders for found in read_audit(redis)] == [(f"shop:{n}",) for n in reversed(range(8))]


def test_an_unreachable_or_wrong_list_is_reported_by_redis(redis: Redis) -> None:
    redis.set(keys.AUDIT, "no list")
    with pytest.raises(ResponseError):
        list(read_audit(redis))
