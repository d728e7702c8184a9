"""`intake erase`: erase one customer's data from Redis."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from worker.cli.options import confirm_or_abort, confirmable, json_option, open_runtime
from worker.cli.results import say
from worker.durations import count_of
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.store.orders.erasure import Eraser, Match, PersonalData
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.orders.erasure import Erased

#: What became of an order, in words.
_OUTCOMES: dict[Erased, str] = {
    "erased": "erased; it was never sent and never will be",
    "maybe": "erased and not sent again; it MAY be in the target: search there",
    "delivered": "Intake keeps no personal data of it; the target has the order",
    "claimed": "NOT erased: it is being sent at this moment. Run the command again in a minute",
}
_ELSEWHERE = """\
Data of this customer remains in these places, where Intake cannot erase it:
- targets: erase the orders that are delivered or possibly there;
- the provider or producer: Intake reads its orders again, but never sends
  an erased order;
- the append-only file of Redis, until it is rewritten (intake erase --rewrite),
  and its replicas and backups;
- Celery messages of producers that call tasks.ingest.
The log of Intake has no such data."""


@click.command("erase", epilog=examples("intake erase shop-nl:1001 --dry-run", "intake erase --match ada@example.org"))
@click.argument("order_keys", metavar="KEY...", nargs=-1)
@click.option(
    "--match", metavar="TEXT", help="E-mail address, phone number or name to search for; - reads it from stdin."
)
@click.option("--rewrite", is_flag=True, help="Let Redis rewrite its append-only file without the erased data.")
@json_option
@confirmable
@acting
def command(order_keys: tuple[str, ...], match: str | None, **flags: Any) -> None:
    """Erase the data of one customer.

    Name orders by their keys (provider:external_id), or a text that they contain. An order that is not delivered yet
    is then never sent. Intake keeps no personal data of delivered orders.
    """
    if match == "-":
        match = sys.stdin.readline().strip()
    if match is not None and len(match) < 3:  # noqa: PLR2004  # it would mean everybody
        raise click.UsageError("--match needs at least three characters")
    rt = open_runtime()
    if not order_keys and match is None:
        if flags["rewrite"]:
            with recorded(rt, dry_run=flags["dry_run"], rewrite=True):
                would = "Redis would rewrite its append-only file. Nothing was changed."
                text = would if flags["dry_run"] else _rewrite(rt)
            click.echo(text)
            return
        raise click.UsageError("name order keys, or a text with --match")
    eraser = Eraser(rt.redis, list(rt.settings.targets), rt.cursors, rt.inbox)
    providers = [*rt.settings.providers, *rt.settings.producers]
    found = eraser.find(providers, order_keys, Match(match) if match else None)
    if not flags["dry_run"] and not flags["yes"]:
        confirm_or_abort(f"Erase {_summary(rt, found)}?", yes=False)
    if flags["dry_run"]:
        _print_result(found, _states(rt, found), flags, "would be erased")
        return
    # What was looked for is personal; the keys of the orders are not.
    orders = dict.fromkeys(key for order_keys in found.orders.values() for key in order_keys)
    with recorded(rt, orders=orders, by_match=bool(match), rewrite=flags["rewrite"]) as act:
        outcomes = eraser.erase(found)
        act.count(**Counter[str](state for states in outcomes.values() for state in states.values()))
        act.count(records=sum(map(len, found.letters.values())), jobs=len(found.jobs) + len(found.inbox_letters))
    _print_result(found, outcomes, flags, "erased")
    if not flags["as_json"]:
        click.echo(_ELSEWHERE)
    if flags["rewrite"]:
        click.echo(_rewrite(rt), err=flags["as_json"])
    if found.taken or any("claimed" in states.values() for states in outcomes.values()):
        raise SystemExit(1)


def _states(rt: Runtime, found: PersonalData) -> dict[str, dict[str, str]]:
    """Return the state of each known order, by target."""
    return {
        target: {key: state for key in order_keys if (state := rt.ledger.standing(target, key).state)}
        for target, order_keys in found.orders.items()
    }


def _summary(rt: Runtime, found: PersonalData) -> str:
    orders = sum(map(len, _states(rt, found).values()))
    records = sum(map(len, found.letters.values()))
    return (
        f"{count_of(orders, 'order')}, {count_of(records, 'unreadable record')}, "
        f"{count_of(len(found.jobs), 'waiting job')} and {count_of(len(found.inbox_letters), 'failed job')}"
    )


def _print_result(found: PersonalData, orders: dict[str, Any], flags: dict[str, Any], verb: str) -> None:
    if flags["as_json"]:
        result = {
            "orders": orders,
            "records": found.letters,
            "jobs": len(found.jobs),
            "dead_jobs": len(found.inbox_letters),
        }
        click.echo(json.dumps(result | {"jobs_in_hand": found.taken, "dry_run": flags["dry_run"]}, indent=2))
        return
    for target, states in orders.items():
        for key, state in states.items():
            outcome = _OUTCOMES.get(state) or f"{state.replace('_', ' ')} now; {verb}"
            say(f"{key} → {target}: {outcome}", "  ")
    for provider, external_ids in found.letters.items():
        for external_id in external_ids:
            say(f"{provider}:{external_id}: unreadable record {verb}", "  ")
    jobs = f"{count_of(len(found.jobs), 'waiting job')}, {count_of(len(found.inbox_letters), 'failed job')}"
    say(f"{jobs}: {verb}")
    if found.taken:
        taken = count_of(found.taken, "job")
        say(f"{taken} NOT erased: being accepted at this moment. Run the command again in a minute")
    if not any(orders.values()):
        say("No order was found. Intake keeps no content of delivered orders: name them by their keys.")


def _rewrite(rt: Runtime) -> str:
    """Let Redis rewrite its append-only file; return a sentence about the result."""
    try:
        if not rt.redis.info("persistence").get("aof_enabled"):
            return "Redis has no append-only file."
        rt.redis.bgrewriteaof()
    except ERRORS as error:
        return f"Redis refused to rewrite its append-only file: {error}. Ask its operator."
    return "Redis is rewriting its append-only file; afterwards the file has no erased data."
