"""`intake dead`: what could not be delivered or read, and what a person does about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from worker.cli.orders import selection as stuck
from worker.cli.orders.story import tell_order
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.store.orders.stuck import Filter, Move

#: The start of an id that we gave a record that has none: nobody can be asked for it.
_OURS = "sha-"


def _opened() -> Runtime:
    return click.get_current_context().with_resource(Runtime(read_settings()))


def _records(rt: Runtime, target: str | None, wanted: Filter) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The records that could not be read and are meant: provider, id, and what may be said of it."""
    first, last = wanted.time_range(rt.cursors.now())
    for provider in rt.settings.providers if target is None else ():
        for external_id in rt.cursors.letter_ids(provider):
            key = f"{provider}:{external_id}"
            letter = rt.cursors.letter(provider, external_id) if wanted.matches_key(key) else None
            if letter is None or not first <= int(letter["at"]) <= last:
                continue
            reason = ": ".join(filter(None, (letter["field"], letter["reason"])))
            if wanted.matches_reason("malformed", reason):
                since = stuck.time_of(int(letter["at"]))
                told = {"source": "record", "key": key, "target": "", "since": since}
                yield provider, external_id, told | {"code": "malformed", "reason": reason}


def _told(rt: Runtime, target: str | None, wanted: Filter) -> Iterator[dict[str, Any]]:
    for some in stuck.orders(rt, "dead", target, wanted):
        yield from map(stuck.facts, some)
    yield from (told for _, _, told in _records(rt, target, wanted))


def _choice(command: Any) -> Any:
    command = stuck.acting(stuck.filters(command))
    command = click.option("--all", "everything", is_flag=True, help="All of them.")(command)
    return click.argument("keys", nargs=-1, metavar="[KEY]...")(command)


@click.group("dead")
def command() -> None:
    """Look at the orders that targets refused and the records that cannot be read; try again, or let them be."""


@command.command("list")
@stuck.filters
@click.option("--limit", default=20, show_default=True, help="Shown one by one, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print all of them as JSON.")
def show_all(*, limit: int, as_json: bool, **options: Any) -> None:
    """Show what is dead: the reasons with their counts, and the newest."""
    told = _told(_opened(), options["target"], stuck.wanted(options))
    if as_json:
        stuck.show_json(told)
        return
    stuck.show("dead", told, limit, "See one: intake dead show KEY; again: intake dead replay; or: intake dead discard")


@command.command("show")
@click.argument("key")
@click.option("--target", metavar="NAME", help="Only for this target.")
@click.option("--payload", is_flag=True, help="The order or record itself too: personal data.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(key: str, **options: Any) -> None:
    """Show the story of the dead order KEY (`provider:external_id`), or why the record KEY cannot be read."""
    rt = _opened()
    entries = rt.ledger.entries(stuck.targets(rt, options["target"]), key)
    dead = [entry for entry in entries if entry.record["state"] == "dead"]
    provider, _, external_id = key.partition(":")
    letter = rt.cursors.letter(provider, external_id)
    if not dead and letter is None:
        raise click.ClickException(f"{key} is not dead. See: intake show {key}, intake dead list")
    payloads = {entry.target: rt.stuck[entry.target].payload(key) for entry in dead} if options["payload"] else {}
    if letter is not None and not options["payload"]:
        del letter["raw"]
    if options["as_json"]:
        told = [
            {"target": e.target, "record": e.record, "story": e.history, "payload": payloads.get(e.target)}
            for e in dead
        ]
        click.echo(json.dumps({"deliveries": told, "letter": letter}, indent=2))
        return
    console = Console()
    for entry in dead:
        tell_order(rt, console, key, entry)
        if payload := payloads.get(entry.target):
            click.echo(json.dumps(json.loads(payload), indent=2, ensure_ascii=False))
    if letter is not None:
        click.echo(f"{key} could not be read: {letter['field']}: {letter['reason']}")
        click.echo(letter.get("raw", "Its text: --payload."))


@command.command("replay")
@_choice
def replay(**options: Any) -> None:
    """Deliver dead orders again under the key they had, and read records again, once what was wrong is mended."""
    rt, wanted = _chosen("Send or read again", options)
    done, stay = _moved(rt, "replay", wanted, options), 0
    for provider, external_id, _ in _records(rt, options["target"], wanted):
        if external_id.startswith(_OURS):
            stay += 1
            continue
        done += 1
        if not options["dry_run"]:
            rt.fetches.add(provider, [external_id])  # its letter goes when it could be read
    stuck.tell({"replayed": done, "stay_without_id": stay}, options, " They are sent, or read, with the next sweep.")


@command.command("discard")
@_choice
def discard(**options: Any) -> None:
    """Let dead orders be, until they change at their source; forget records until they are read again."""
    rt, wanted = _chosen("Discard", options)
    done = _moved(rt, "discard", wanted, options)
    for provider, external_id, _ in _records(rt, options["target"], wanted):
        done += 1
        if not options["dry_run"]:
            rt.cursors.drop_letters(provider, [external_id])
    stuck.tell({"discarded": done}, options)


def _chosen(what: str, options: dict[str, Any]) -> tuple[Runtime, Filter]:
    """What is meant, once a person has said yes to their number; raises ClickException for a key that is not dead."""
    rt, wanted = _opened(), stuck.named(options)
    found = [one["key"] for one in _told(rt, options["target"], wanted)] if options["keys"] else []
    if unknown := sorted(set(options["keys"]).difference(found)):
        raise click.ClickException(f"not dead: {', '.join(unknown)}. See: intake dead list")
    if not options["dry_run"] and not options["yes"]:
        count = len(found) or sum(1 for _ in _told(rt, options["target"], wanted))
        click.confirm(f"{what} {count} dead orders or records?", abort=True, err=True)
    return rt, wanted


def _moved(rt: Runtime, what: Move, wanted: Filter, options: dict[str, Any]) -> int:
    """Move the dead orders that are meant; answers how many it were, or would be."""
    done = 0
    for some in stuck.orders(rt, "dead", options["target"], wanted):
        if options["dry_run"]:
            done += len(some)
        else:
            moved = rt.stuck[some[0].target].move(what, [order.key for order in some])
            done += list(moved.values()).count("moved")
    return done
