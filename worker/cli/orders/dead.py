"""`intake dead`: orders that could not be delivered, and records that could not be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import confirm_or_abort, json_option, open_runtime
from worker.cli.orders import selection
from worker.cli.orders.history import delivery_as_json, print_orders
from worker.cli.results import console, print_counts, say
from worker.durations import count_of
from worker.operations.acting import recorded
from worker.operations.bulk import count_records, discard_records, move_orders, replay_records
from worker.operations.examples import examples
from worker.operations.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from worker.runtime import Runtime
    from worker.store.audit import Act
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
                row = {"source": "record", "key": key, "number": "", "said": "", "target": ""}
                row["since"] = utc_text(int(record["at"]))
                yield provider, external_id, row | {"code": "malformed", "reason": reason}


def _rows(rt: Runtime, target: str | None, selected: Filter) -> Iterator[dict[str, Any]]:
    for batch in selection.select_orders(rt, "dead", target, selected):
        yield from map(selection.row_of, batch)
    yield from (row for _, _, row in _records(rt, target, selected))


def _selecting(command: Any) -> Any:
    command = selection.action_options(selection.filter_options(command))
    command = click.option("--all", "everything", is_flag=True, help="Select all of them.")(command)
    return click.argument("keys", nargs=-1, metavar="[KEY]...")(command)


@click.group("dead", epilog=examples("intake dead list"))
def command() -> None:
    """List, replay or discard dead letters.

    A dead letter is an order that could not be delivered, or a record that could not be read.
    """


@command.command("list", epilog=examples("intake dead list --target warehouse --newer 2h"))
@selection.list_options
def list_all(**options: Any) -> None:
    """List dead letters.

    Show the reasons with their counts, and the newest dead letters.
    """
    rt = open_runtime(offline=True)
    rows = _rows(rt, options["target"], selection.filter_from(options))
    next_step = "Next: intake dead show KEY, then intake dead replay KEY or intake dead discard KEY"
    selection.print_list(rt, "dead", rows, next_step, **options)


@command.command("show", epilog=examples("intake dead show shop-nl:1001"))
@click.argument("key")
@click.option("--target", metavar="NAME", help="Limit to this target.")
@click.option("--payload", is_flag=True, help="Also print the order or record: personal data.")
@json_option
def show(key: str, **options: Any) -> None:
    """Show one dead letter.

    KEY is the order key (provider:external_id) of a dead order or of an unreadable record.
    """
    rt = open_runtime(offline=True)
    entries = rt.ledger.entries(selection.targets_of(rt, options["target"]), key)
    dead = [entry for entry in entries if entry.record["state"] == "dead"]
    provider, _, external_id = key.partition(":")
    record = rt.cursors.letter(provider, external_id)
    if not dead and record is None:
        raise click.ClickException(f"{key} is not dead. Next: intake show {key}")
    payloads = {entry.target: rt.stuck[entry.target].sent_payload(key) for entry in dead} if options["payload"] else {}
    if record is not None and not options["payload"]:
        del record["raw"]
    if options["as_json"]:
        deliveries = [delivery_as_json(entry) | {"payload": payloads.get(entry.target)} for entry in dead]
        click.echo(json.dumps({"deliveries": deliveries, "letter": record}, indent=2))
        return
    for entry in dead:
        print_orders(rt, console(), key, [entry])
        if payload := payloads.get(entry.target):
            click.echo(json.dumps(json.loads(payload), indent=2, ensure_ascii=False))
    if record is not None:
        say(f"{key} could not be read: {record['field']}: {record['reason']}")
        click.echo(record.get("raw", "Print the record: --payload"))


@command.command("replay", epilog=examples("intake dead replay --target warehouse --reason postcode --dry-run"))
@_selecting
def replay(**options: Any) -> None:
    """Send dead orders and read records again.

    Use it after the cause is fixed. Orders keep their keys and references.
    """
    rt, selected = _confirmed("Replay", options)
    with _recorded(rt, options) as act:
        replayed = _move(rt, act, "replay", selected, options)
        letters = [letter[:2] for letter in _records(rt, options["target"], selected)]
        count = count_records if options["dry_run"] else replay_records
        read_again, without_id = count(rt, act, letters)
        replayed += read_again
        act.count(replayed=replayed)
    next_step = " The next sweep sends or reads them."
    words = {"without_id": "cannot be replayed: the record has no id"}
    print_counts({"replayed": replayed, "without_id": without_id}, options, next_step, words)


@command.command("discard", epilog=examples("intake dead discard shop-nl:1001"))
@_selecting
def discard(**options: Any) -> None:
    """Discard dead letters.

    An order returns only if it changes at its source; a record returns if it is read again.
    """
    rt, selected = _confirmed("Discard", options)
    with _recorded(rt, options) as act:
        discarded = _move(rt, act, "discard", selected, options)
        letters = [letter[:2] for letter in _records(rt, options["target"], selected)]
        discarded += len(letters) if options["dry_run"] else discard_records(rt, act, letters)
        act.count(discarded=discarded)
    print_counts({"discarded": discarded}, options)


def _confirmed(verb: str, options: dict[str, Any]) -> tuple[Runtime, Filter]:
    """Return the selection after its number is confirmed; raise ClickException for a key that is not dead."""
    rt, selected = open_runtime(confirmed=True), selection.require_filter(options)
    keys = [row["key"] for row in _rows(rt, options["target"], selected)] if options["keys"] else []
    if unknown := sorted(set(options["keys"]).difference(keys)):
        raise click.ClickException(f"not dead: {', '.join(unknown)}. Next: intake dead list")
    if not options["dry_run"] and not options["yes"]:
        count = len(keys) or sum(1 for _ in _rows(rt, options["target"], selected))
        confirm_or_abort(f"{verb} {count_of(count, 'dead letter')}?", yes=False)
    return rt, selected


def _recorded(rt: Runtime, options: dict[str, Any]) -> AbstractContextManager[Act]:
    accounts = [options["target"]] if options["target"] else []
    return recorded(rt, *accounts, dry_run=options["dry_run"], **selection.selected_by(options))


def _move(rt: Runtime, act: Act, move: Move, selected: Filter, options: dict[str, Any]) -> int:
    """Move the selected dead orders; return how many were moved, or would be."""
    count = 0
    for batch in selection.select_orders(rt, "dead", options["target"], selected):
        if options["dry_run"]:
            count += len(batch)
        else:
            count += move_orders(rt, act, batch[0].target, move, [order.key for order in batch])
    return count
