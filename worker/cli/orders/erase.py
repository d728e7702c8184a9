"""`intake erase`: erase one customer's data from Redis."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from worker.cli.options import confirm_or_abort, confirmable, json_option, open_runtime
from worker.store.orders.erasure import Eraser, Match, PersonalData
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.orders.erasure import Erased

#: What became of an order, in words.
_OUTCOMES: dict[Erased, str] = {
    "erased": "erased here; it was never sent, and never is",
    "maybe": "erased here, and not sent again; it MAY be in the target: look there",
    "delivered": "nothing personal is kept here; the target has it",
    "claimed": "NOT erased: it is being sent at this moment; do this again in a minute",
}
_ELSEWHERE = """\
Where data of this customer still is, and Intake cannot erase it:
- the targets: erase there what is named above as delivered, or as possibly there;
- the provider, or the producer: what it sends again is read again (an erased order is not sent, whatever changes);
- Redis' append-only file, until it is rewritten (`intake erase --rewrite`, or BGREWRITEAOF); replicas, backups;
- Celery messages of producers that call tasks.ingest. Intake's own log has no such data."""


@click.command("erase")
@click.argument("order_keys", metavar="KEY...", nargs=-1)
@click.option("--match", metavar="TEXT", help="What holds this e-mail, phone number or name; - reads it from stdin.")
@click.option("--rewrite", is_flag=True, help="Let Redis write its append-only file anew, without what was erased.")
@json_option
@confirmable
def command(order_keys: tuple[str, ...], match: str | None, **flags: Any) -> None:
    """Erase one customer's data: the orders KEY (`provider:external_id`), and everything that contains a text.

    An order that is not delivered yet is never sent. Of a delivered order no personal data is left here.
    """
    if match == "-":
        match = sys.stdin.readline().strip()
    if match is not None and len(match) < 3:  # noqa: PLR2004  # it would mean everybody
        raise click.UsageError("--match needs a text of three letters or more")
    rt = open_runtime()
    if not order_keys and match is None:
        if flags["rewrite"]:
            click.echo("Redis would write its file anew. Nothing was touched." if flags["dry_run"] else _rewrite(rt))
            return
        raise click.UsageError("name orders by their keys, or a text by --match")
    eraser = Eraser(rt.redis, list(rt.settings.targets), rt.cursors, rt.inbox)
    providers = [*rt.settings.providers, *rt.settings.producers]
    found = eraser.find(providers, order_keys, Match(match) if match else None)
    if not flags["dry_run"] and not flags["yes"]:
        confirm_or_abort(f"Erase {_summary(rt, found)}?", yes=False)
    if flags["dry_run"]:
        _print_result(found, _states(rt, found), flags, "would be erased")
        return
    outcomes = eraser.erase(found)
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
        f"{orders} orders, {records} records that could not be read, "
        f"{len(found.jobs)} jobs that wait and {len(found.inbox_letters)} that could not be taken in"
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
            click.echo(f"{key} → {target}: {outcome}")
    for provider, external_ids in found.letters.items():
        for external_id in external_ids:
            click.echo(f"{provider}:{external_id}: the record that could not be read: {verb}")
    click.echo(f"{len(found.jobs)} jobs that waited, {len(found.inbox_letters)} that could not be taken in: {verb}")
    if found.taken:
        click.echo(f"{found.taken} jobs are being taken in at this moment: NOT erased; do this again in a minute")
    if not any(orders.values()):
        click.echo("No order is found. One that is delivered has no content here: name it by its key.")


def _rewrite(rt: Runtime) -> str:
    """Let Redis rewrite its append-only file; return a sentence about the result."""
    try:
        if not rt.redis.info("persistence").get("aof_enabled"):
            return "Redis keeps no append-only file."
        rt.redis.bgrewriteaof()
    except ERRORS as error:
        return f"Redis does not rewrite its append-only file: {error}. Ask whoever runs it."
    return "Redis writes its append-only file anew: what was erased is gone from it when it has done so."
