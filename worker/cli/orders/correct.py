"""`intake correct`: fix what a target refused, without touching the source, and send the order again."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from schemas.corrections import fields_of
from worker.cli.options import confirm_or_abort, confirmable, json_option, open_runtime, target_of
from worker.cli.results import print_rows, say
from worker.errors import IntakeError
from worker.operations.acting import acting, current_actor, recorded
from worker.operations.correct import (
    CorrectionRefused,
    carry_out,
    find_correctable,
    plan_correction,
    plan_undo,
    preview,
)
from worker.operations.examples import examples
from worker.operations.times import utc_text
from worker.telemetry.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.operations.correct import Correctable, Planned
    from worker.runtime import Runtime
    from worker.store.orders.corrections import Stored


def _rows(target: str, found: Iterable[tuple[str, Stored]]) -> list[dict[str, str]]:
    """Return the corrections in force, without their values."""
    return [
        {"order": key, "target": target, "field": path, "by": each.by, "at": utc_text(each.at)}
        for key, stored in found
        for path, each in stored.by_field.items()
    ]


def _values(given: tuple[str, ...]) -> dict[str, str]:
    """Return the values by field of `--set`; those of `--set -` are the lines of the standard input."""
    lines = [line.rstrip("\r\n") for each in given for line in (sys.stdin if each == "-" else [each])]
    pairs = [line.partition("=") for line in lines if line]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise click.UsageError(f"write FIELD=VALUE after --set, not {wrong[0]}")
    return {name.strip(): value for name, _, value in pairs}


def _target_of_order(rt: Runtime, key: str, named: str | None) -> str:
    """Return the named target, or the only one that has the order."""
    if named is not None:
        return target_of(rt, named)
    targets = [entry.target for entry in rt.ledger.entries(list(rt.settings.targets), key)]
    if len(targets) == 1:
        return targets[0]
    if not targets:
        raise click.ClickException(f"no target has an order {key}. Next: intake show {key}")
    raise click.UsageError(f"{key} goes to {', '.join(targets)}: name one with --target")


def _list(rt: Runtime, target: str | None, *, as_json: bool) -> None:
    names = [target_of(rt, target)] if target else list(rt.settings.targets)
    rows = [row for name in names for row in _rows(name, rt.ledger.corrections.all(name).items())]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        print_rows("Corrections in force", {name: name for name in rows[0]}, rows)
    else:
        click.echo("No correction is in force.")


def _show(found: Correctable, *, as_json: bool, values: bool) -> None:
    """Print the corrections of one order, and the fields that can be corrected; values only on request."""
    fields = fields_of(found.sent) if found.sent else {}
    rows = _rows(found.target, [(found.key, found.stored)])
    if as_json:
        shown: object = fields if values else list(fields)
        click.echo(json.dumps({"corrections": rows, "fields": shown}, indent=2))
        return
    if rows:
        print_rows("Corrections in force", {name: name for name in rows[0]}, rows)
    else:
        click.echo(f"No correction of {found.key} is in force in {found.target}.")
    if fields:
        click.echo("Fields that can be corrected:")
    for path, text in fields.items():
        click.echo(one_line(f"  {path} = {text}" if values else f"  {path}"))


def _preview(rt: Runtime, planned: Planned) -> None:
    try:
        requests = preview(rt, planned)
    except IntakeError as error:
        raise click.ClickException(f"{planned.found.target} would not be sent this: {error}") from None
    for request in requests:
        click.echo("\n".join(request.lines()))
    if not requests:
        click.echo("Nothing would be sent.")


@click.command(
    "correct",
    epilog=examples(
        "intake correct shop-nl:1001 --set customer.phone=+31201234567 --preview",
        "intake correct shop-nl:1001 --undo customer.phone",
        "intake correct",
    ),
)
@click.argument("key", required=False)
@click.option("--target", metavar="NAME", help="Target of the order. Default: the only one that has it.")
@click.option("--set", "given", multiple=True, metavar="FIELD=VALUE", help="New value of a field; - reads lines.")
@click.option("--undo", "undone", multiple=True, metavar="FIELD", help="Return to the source's value of a field.")
@click.option("--preview", "shows", is_flag=True, help="Print the request, with personal data; change nothing.")
@click.option("--values", is_flag=True, help="Show the values of the fields: personal data.")
@json_option
@confirmable
@acting
def command(key: str | None, target: str | None, given: tuple[str, ...], undone: tuple[str, ...], **flags: Any) -> None:
    """Correct an order, and send it again.

    The new values override the source, including its later versions, until the source changes that field.
    Without --set and --undo, the command lists the fields and the corrections in force: of KEY, or of all orders.
    """
    changes = bool(given or undone)
    if bool(given) and bool(undone):
        raise click.UsageError("use --set or --undo, not both")
    if changes and key is None:
        raise click.UsageError("name the KEY of the order")
    rt = open_runtime(confirmed=changes, offline=not changes)
    if key is None:
        _list(rt, target, as_json=flags["as_json"])
        return
    try:
        found = find_correctable(rt, key, _target_of_order(rt, key, target))
        if not changes:
            _show(found, as_json=flags["as_json"], values=flags["values"])
            return
        by = current_actor().name
        planned = plan_correction(rt, found, _values(given), by) if given else plan_undo(rt, found, undone, by)
        _carry_out(rt, planned, flags)
    except CorrectionRefused as refused:
        raise click.ClickException(str(refused)) from None


def _carry_out(rt: Runtime, planned: Planned, flags: dict[str, Any]) -> None:
    found, fields = planned.found, ", ".join(planned.fields)
    if flags["shows"]:
        _preview(rt, planned)
    if flags["dry_run"] or flags["shows"]:
        if not flags["as_json"]:
            say(f"{fields} of {found.key} would be {_done(planned)} in {found.target}. Nothing was changed.")
        else:
            click.echo(json.dumps({"fields": planned.fields, "dry_run": True}))
        return
    verb = "Correct" if planned.new.resend else "Undo the correction of"
    sends = f", and send it to {found.target}" if planned.new.resend else f" in {found.target}"
    confirm_or_abort(f"{verb} {fields} of {found.key}{sends}?", yes=flags["yes"])
    action = "correct" if planned.new.resend else "correct --undo"
    with recorded(rt, found.target, orders=[found.key], action=action, fields=planned.names):
        result = carry_out(rt, planned)
    if flags["as_json"]:
        click.echo(json.dumps({"fields": planned.fields, "next": result, "dry_run": False}))
    else:
        say(f"{fields} of {found.key}: {_done(planned)}. {result}.")


def _done(planned: Planned) -> str:
    return "corrected" if planned.new.resend else "undone"
