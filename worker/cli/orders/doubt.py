"""`intake doubt`: orders that may be in the target, and what a person does about them."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import go_on, opened
from worker.cli.orders import selection as stuck
from worker.doubt import ask as ask_target
from worker.doubt import finder
from worker.store.orders.stuck import Filter

if TYPE_CHECKING:
    from worker.store.orders.stuck import Move

#: What a person may say of an order in doubt: the option, and the move.
_VERDICTS: Final[dict[str, Move]] = {"delivered": "delivered", "send_again": "send", "dead": "bury"}


@click.group("doubt")
def command() -> None:
    """Look at orders that may have been created, and whose target did not say; ask it again, or say how it is."""


@command.command("list")
@stuck.filters
@click.option("--limit", default=20, show_default=True, help="Shown one by one, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print all of them as JSON.")
def show_all(*, limit: int, as_json: bool, **options: Any) -> None:
    """Show what is in doubt: the reasons with their counts, and the newest."""
    found = chain.from_iterable(stuck.orders(opened(), "in_doubt", options["target"], stuck.wanted(options)))
    if as_json:
        stuck.show_json(map(stuck.facts, found))
        return
    told = "Ask the target: intake doubt ask; or look there yourself for the reference, then: intake doubt resolve KEY"
    stuck.show("in doubt", map(stuck.facts, found), limit, told)


@command.command("ask")
@click.argument("target", required=False)
@stuck.acting
def ask(target: str | None, **options: Any) -> None:
    """Ask TARGET, or all of them, for their orders in doubt, under their limits.

    What is there is delivered; what is certainly not is queued again; of what they cannot tell, the reason is fresh.
    """
    rt = opened()
    names = stuck.targets(rt, target)
    count = sum(1 for name in names for _ in chain.from_iterable(rt.stuck[name].orders("in_doubt", Filter())))
    if options["dry_run"]:
        click.echo(json.dumps({"asked_for": count, "dry_run": True}) if options["as_json"] else _would(count))
        return
    go_on(
        f"Ask for {count} orders in doubt, and send again what is certainly not there?", yes=options["yes"] or not count
    )
    answers: Counter[str] = Counter()
    for name in names:
        there = rt.targets[name]
        find = finder(there)
        for order in chain.from_iterable(rt.stuck[name].orders("in_doubt", Filter())):
            answer = ask_target(there, rt.stuck[name], order, find)
            answers[answer] += 1
            if answer == "away":
                click.echo(f"{name} does not answer now, or its limit is used up: what is left of it stays.", err=True)
                break
    if not count and not options["as_json"]:
        click.echo(_would(0))
        return
    did = {"found": answers["found"], "queued_again": answers["again"], "stay_in_doubt": answers["unknown"]}
    stuck.tell(did, options)


@command.command("resolve")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--target", required=True, metavar="NAME", help="The target that may have them.")
@click.option("--delivered", is_flag=True, help="They are there.")
@click.option("--id", "target_id", default="", metavar="ID", help="With --delivered: the target's id of the one order.")
@click.option("--send-again", is_flag=True, help="Somebody has looked: they are not there.")
@click.option("--dead", is_flag=True, help="Send them no more, unless they are replayed.")
@stuck.acting
def resolve(keys: tuple[str, ...], target: str, target_id: str, **options: Any) -> None:
    """Say how it is with orders in doubt. One that is not in doubt any more is left as it is."""
    said = [name for name in _VERDICTS if options[name]]
    if len(said) != 1:
        raise click.UsageError("say one of --delivered, --send-again and --dead")
    if target_id and (said != ["delivered"] or len(keys) > 1):
        raise click.UsageError("--id goes with --delivered, and with one order")
    rt = opened()
    stuck.targets(rt, target)
    wanted = Filter(keys=frozenset(keys))
    there = [order.key for order in chain.from_iterable(rt.stuck[target].orders("in_doubt", wanted))]
    if unknown := sorted(wanted.keys.difference(there)):
        listed = ", ".join(unknown)
        raise click.ClickException(f"not in doubt in {target}: {listed}. See: intake show KEY, intake doubt list")
    word = said[0].replace("_", " ")
    go_on(f"{word.capitalize()}: {len(there)} orders in doubt?", yes=options["yes"] or options["dry_run"])
    moved = there if options["dry_run"] else _moved(rt.stuck[target].move(_VERDICTS[said[0]], there, said=target_id))
    stuck.tell({"resolved": len(moved), "are_not_in_doubt_any_more": len(there) - len(moved)}, options)


def _would(count: int) -> str:
    return f"{count} orders in doubt would be asked for." if count else "Nothing is in doubt."


def _moved(results: dict[str, str]) -> list[str]:
    return [key for key, result in results.items() if result == "moved"]
