"""`intake dead`: orders that could not be delivered, and records that could not be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console

from tasks.dead_records import NO_ID
from worker.cli.options import confirm_or_abort, json_option, open_runtime
from worker.cli.orders import selection
from worker.cli.orders.history import delivery_as_json, print_orders
from worker.cli.results import print_counts
from worker.operations.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Runtime
    from worker.store.orders.stuck import Filter, Move


#: Dead letters in memory at once.
_AT_ONCE: Final = 100


def _records(rt: Runtime, target: str | None, selected: Filter) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the selected records that could not be read: provider, id, and a row without personal data."""
    first, last = selected.time_range(rt.cursors.now())
    kept = rt.cursors.letter_ids(list(rt.settings.providers)) if target is None else []
    ids = [letter for letter in kept if selected.matches_key(":".join(letter))]
    for at in range(0, len(ids), _AT_ONCE):
        chunk = ids[at : at + _AT_ONCE]
        for (provider, external_id), record in zip(chunk, rt.cursors.letters_of(chunk), strict=True):
            key = f"{provider}:{external_id}"
            if record is None or not first <= int(record["at"]) <= last:
                continue
            reason = ": ".join(filter(None, (record["field"], record["reason"])))
            if selected.matches_reason("malformed", reason):
                row = {"source": "record", "key": key, "target": "", "since": utc_text(int(record["at"]))}
                yield provider, external_id, row | {"code": "malformed", "reason": reason}


def _rows(rt: Runtime, target: str | None, selected: Filter) -> Iterator[dict[str, Any]]:
    for batch in selection.select_orders(rt, "dead", target, selected):
        yield from map(selection.row_of, batch)
    yield from (row for _, _, row in _records(rt, target, selected))


def _selecting(command: Any) -> Any:
    command = selection.action_options(selection.filter_options(command))
    command = click.option("--all", "everything", is_flag=True, help="All of them.")(command)
    return click.argument("keys", nargs=-1, metavar="[KEY]...")(command)


@click.group("dead")
def command() -> None:
    """Look at dead orders and unreadable records; try them again, or discard them."""


@command.command("list")
@selection.list_options
def list_all(**options: Any) -> None:
    """Show what is dead: the reasons with their counts, and the newest."""
    rows = _rows(open_runtime(offline=True), options["target"], selection.filter_from(options))
    next_step = "See one: intake dead show KEY; again: intake dead replay; or: intake dead discard"
    selection.print_list("dead", rows, next_step, **options)


@command.command("show")
@click.argument("key")
@click.option("--target", metavar="NAME", help="Only for this target.")
@click.option("--payload", is_flag=True, help="The order or record itself too: personal data.")
@json_option
def show(key: str, **options: Any) -> None:
    """Show the history of the dead order KEY (`provider:external_id`), or why the record KEY cannot be read."""
    rt = open_runtime(offline=True)
    entries = rt.ledger.entries(selection.targets_of(rt, options["target"]), key)
    dead = [entry for entry in entries if entry.record["state"] == "dead"]
    provider, _, external_id = key.partition(":")
    record = rt.cursors.letter(provider, external_id)
    if not dead and record is None:
        raise click.ClickException(f"{key} is not dead. See: intake show {key}, intake dead list")
    payloads = {entry.target: rt.stuck[entry.target].payload(key) for entry in dead} if options["payload"] else {}
    if record is not None and not options["payload"]:
        del record["raw"]
    if options["as_json"]:
        deliveries = [delivery_as_json(entry) | {"payload": payloads.get(entry.target)} for entry in dead]
        click.echo(json.dumps({"deliveries": deliveries, "letter": record}, indent=2))
        return
    console = Console()
    for entry in dead:
        print_orders(rt, console, key, [entry])
        if payload := payloads.get(entry.target):
            click.echo(json.dumps(json.loads(payload), indent=2, ensure_ascii=False))
    if record is not None:
        click.echo(f"{key} could not be read: {record['field']}: {record['reason']}")
        click.echo(record.get("raw", "Its text: --payload."))


@command.command("replay")
@_selecting
def replay(**options: Any) -> None:
    """Deliver dead orders again under their keys, and read records again, after the cause is fixed."""
    rt, selected = _confirmed("Send or read again", options)
    replayed, without_id = _move(rt, "replay", selected, options), 0
    for provider, external_id, _ in _records(rt, options["target"], selected):
        if external_id.startswith(NO_ID):  # no provider can be asked for it
            without_id += 1
            continue
        replayed += 1
        if not options["dry_run"]:
            rt.fetches.add(provider, [external_id])  # its dead letter goes when the record could be read
    next_step = " They are sent, or read, with the next sweep."
    print_counts({"replayed": replayed, "stay_without_id": without_id}, options, next_step)


@command.command("discard")
@_selecting
def discard(**options: Any) -> None:
    """Discard dead orders until they change at their source, and unreadable records until they are read again."""
    rt, selected = _confirmed("Discard", options)
    discarded = _move(rt, "discard", selected, options)
    for provider, external_id, _ in _records(rt, options["target"], selected):
        discarded += 1
        if not options["dry_run"]:
            rt.cursors.drop_letters(provider, [external_id])
    print_counts({"discarded": discarded}, options)


def _confirmed(verb: str, options: dict[str, Any]) -> tuple[Runtime, Filter]:
    """Return the selection after its number is confirmed; raise ClickException for a key that is not dead."""
    rt, selected = open_runtime(confirmed=True), selection.require_filter(options)
    keys = [row["key"] for row in _rows(rt, options["target"], selected)] if options["keys"] else []
    if unknown := sorted(set(options["keys"]).difference(keys)):
        raise click.ClickException(f"not dead: {', '.join(unknown)}. See: intake dead list")
    if not options["dry_run"] and not options["yes"]:
        count = len(keys) or sum(1 for _ in _rows(rt, options["target"], selected))
        confirm_or_abort(f"{verb} {count} dead orders or records?", yes=False)
    return rt, selected


def _move(rt: Runtime, move: Move, selected: Filter, options: dict[str, Any]) -> int:
    """Move the selected dead orders; return how many were moved, or would be."""
    count = 0
    for batch in selection.select_orders(rt, "dead", options["target"], selected):
        if options["dry_run"]:
            count += len(batch)
        else:
            results = rt.stuck[batch[0].target].move(move, [order.key for order in batch])
            count += list(results.values()).count("moved")
    return count
