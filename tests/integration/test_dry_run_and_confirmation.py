"""Commands that change something have a dry run; commands that delete or send ask for confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from support.command_line import intake
from support.orders import order
from tasks.ingest import ingest
from worker.cli import main
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.registry.registry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result
    from redis import Redis

    from support.settings_texts import Configured
    from worker.runtime import Runtime

#: Commands that ask for confirmation, with their arguments: they change Redis, the settings file or a target.
ASKING = {
    "cursor set": "shop --since 7d",
    "cursor undo": "shop",
    "release": "dropday",
    "dead replay": "--all",
    "dead discard": "--all",
    "doubt ask": "",
    "doubt resolve": "shop:3 --target dropday --delivered",
    "inbox replay": "--all",
    "inbox discard": "--all",
    "erase": "shop:1",
    "correct": "shop:1 --target dropday --set note=ring",
    "reconcile": "shop dropday --since 7d --repair",
    "backfill": "shop --since 7d",
    "forget": "gone",
    "init": "--provider retailcrm --target dropday --force",
}
#: Commands that another command undoes, or that do what Intake does anyway.
NOT_ASKING = {
    "pause": "dropday",
    "resume": "shop",
    "poll": "shop",
    "push": "--provider shop --external-id 1",
    "rename": "shop shop",
    "reload": "",
}
#: Commands that only read; some write to a file that the operator names.
READING = {
    *("check", "status", "health", "metrics", "show", "cursor show", "schema", "inbox list", "inbox show", "report"),
    *("dead list", "dead show", "doubt list", "history", "audit", "docs", "web user list", "web token list"),
    *("web openapi", "alarms digest"),
    "alarms test",  # it sends a message that says that it is a test
}
#: Commands for the users of the console, with which no order changes: they have no dry run.
USERS = {"web user add", "web user password", "web user role", "web user remove", "web token add", "web token remove"}
#: A changing command that leaves no record in the audit log: there is no ledger yet.
UNRECORDED = {"init"}
#: Long-running processes, and simulations that are independent of the settings.
RUNNING = {"up", "run", "listen", "receive", "sandbox", "demo", "drill"}
#: Commands whose dry run calls the accounts or needs a file; other tests cover them.
ELSEWHERE = {"poll", "reconcile", "backfill", "init", "reload"}


def commands(group: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name."""
    if not isinstance(group, click.Group):
        yield " ".join(words), group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        subcommand = group.get_command(context, name)
        assert subcommand is not None
        yield from commands(subcommand, *words, name)


ALL = dict(commands(main))


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    """Return a runtime in which each command has an effect: held, dead, doubtful and malformed orders, a pause."""
    rt = configured.open()
    rt.installation.confirm()
    registry = rt.installation.registry
    registry.write(registry.read(), {("target", "gone"): Entry("dropday", "gone.example", {}, ("gone",))}, {})
    ends = [
        Outcome("hold", "held", "no sku"),
        Outcome("bury", "rejected", "no"),
        Outcome("doubt", "uncertain", "cut"),
    ]
    rt.ledger.accept("dropday", [Delivery(order(str(n)), f"R{n}") for n in (1, 2, 3)], "test")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle(list(zip(drain.claim(3), ends, strict=True)))
    rt.cursors.pause("shop", "stocktaking")
    rt.cursors.place("shop", "", rt.providers["shop"].start(order("1").ordered_at))
    rt.cursors.bury("shop", "7", {"id": 7}, "items[0].quantity", "not a number")
    with rt.inbox.taker() as taker:
        rt.inbox.push(["oops"])
        taken = ingest(rt, taker.take(10).jobs, lambda *_: None)
        taker.finish(taken.counts, taken.letters)
    return rt


def dump(redis: Redis) -> dict[str, bytes | None]:
    """Return the serialized value of every key in Redis."""
    return {name: redis.dump(name) for name in sorted(redis.scan_iter()) if name != "intake:clock"}


def run(words: str) -> Result:
    return intake(*words.split())


def test_every_command_is_listed_as_changing_or_read_only() -> None:
    listed = [*ASKING, *NOT_ASKING, *READING, *RUNNING, *USERS]
    assert sorted(listed) == sorted(ALL), "a new command belongs in one of the lists above"


@pytest.mark.parametrize("name", [*ASKING, *NOT_ASKING])
def test_changing_commands_have_a_dry_run_and_destructive_ones_a_yes_option(name: str) -> None:
    required = {"--dry-run", "--yes"} if name in ASKING else {"--dry-run"}
    assert required <= options(ALL[name])


@pytest.mark.parametrize("name", sorted({*ASKING, *NOT_ASKING, *USERS}))
def test_changing_commands_leave_a_record(name: str) -> None:
    assert ("--as" in options(ALL[name])) == (name not in UNRECORDED)  # tests/integration/test_audit.py runs it


@pytest.mark.parametrize("name", sorted(READING | RUNNING))
def test_read_only_commands_have_no_dry_run_and_no_confirmation(name: str) -> None:
    asks = (
        {"--yes"} if name == "up" else set()
    )  # it asks before the first poll of all: tests/integration/test_first_poll.py
    assert {"--dry-run", "--yes"} & options(ALL[name]) == asks


@pytest.mark.parametrize("name", sorted(({*ASKING, *NOT_ASKING}) - ELSEWHERE))
def test_a_dry_run_reports_its_effect_and_changes_nothing_in_redis(rt: Runtime, name: str) -> None:
    before = dump(rt.redis)
    result = run(f"{name} {(ASKING | NOT_ASKING)[name]} --dry-run")
    assert (result.exit_code, result.exception) == (0, None), result.output
    assert result.output.strip()
    assert dump(rt.redis) == before


@pytest.mark.parametrize("name", sorted(set(ASKING) - {"init"}))
def test_nothing_is_deleted_or_sent_without_confirmation(rt: Runtime, name: str) -> None:
    before = dump(rt.redis)
    result = run(f"{name} {ASKING[name]}")
    assert (result.exit_code, "[y/N]" in result.output) == (1, True), result.output
    assert dump(rt.redis) == before


def test_a_dry_run_of_pause_shows_the_end_and_of_resume_the_reason(rt: Runtime) -> None:
    output = run("pause dropday --dry-run").output
    assert output == "dropday would be paused until it is resumed. Nothing was changed.\n"
    assert "dropday would be paused until 20" in run("pause dropday --for 2h --dry-run").output
    output = run("resume shop --dry-run").output
    assert output == "shop is paused (stocktaking) and would be resumed. Nothing was changed.\n"
    assert run("resume dropday").output == "dropday is not paused: there is nothing to do.\n"
    assert run("resume shop").output == "shop is resumed.\n"


def test_a_dry_run_of_a_rewrite_does_not_start_it(rt: Runtime) -> None:
    assert run("erase --rewrite --dry-run").output == "Redis would rewrite its append-only file. Nothing was changed.\n"


def test_no_target_is_called_without_an_order_in_doubt(rt: Runtime) -> None:
    rt.stuck["dropday"].move("bury", ["shop:3"])
    for words in ("doubt ask", "doubt ask --dry-run"):
        assert run(words).output == "Nothing is in doubt.\n"


def test_a_dry_run_of_erase_lists_the_data_and_its_fate(rt: Runtime) -> None:
    output = run("erase shop:1 --dry-run").output
    assert output.startswith("shop:1 → dropday: held now; would be erased\n")


def test_a_dry_run_of_cursor_set_names_the_command_that_shows_its_requests(rt: Runtime) -> None:
    output = run("cursor set shop --since 2026-01-01 --dry-run").output
    assert "intake poll shop --dry-run --since 2026-01-01T00:00\n" in output
