"""`intake doubt`: orders that may be in the target."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import confirm_or_abort, open_runtime
from worker.cli.orders import selection
from worker.cli.results import print_counts
from worker.doubt import ask as ask_target
from worker.doubt import finder
from worker.store.orders.stuck import Filter

if TYPE_CHECKING:
    from worker.store.orders.stuck import Move

#: What a person may decide about an order in doubt: the option, and the move.
_MOVES: Final[dict[str, Move]] = {"delivered": "delivered", "send_again": "send", "dead": "bury"}


@click.group("doubt")
def command() -> None:
    """Look at orders in doubt, which may be in the target; ask the target again, or decide yourself."""


@command.command("list")
@selection.list_options
def list_all(**options: Any) -> None:
    """Show what is in doubt: the reasons with their counts, and the newest."""
    rt = open_runtime(offline=True)
    batches = selection.select_orders(rt, "in_doubt", options["target"], selection.filter_from(options))
    rows = map(selection.row_of, chain.from_iterable(batches))
    next_step = (
        "Ask the target: intake doubt ask; or look there yourself for the reference, then: intake doubt resolve KEY"
    )
    selection.print_list("in doubt", rows, next_step, **options)


@command.command("ask")
@click.argument("target", required=False)
@selection.action_options
def ask(target: str | None, **options: Any) -> None:
    """Ask TARGET, or all targets, for their orders in doubt, within their limits.

    An order that is there is delivered; one that is certainly not there is queued again; any other stays in doubt, with
    the new reason.
    """
    rt = open_runtime(confirmed=True)
    names = selection.targets_of(rt, target)
    count = sum(1 for name in names for _ in chain.from_iterable(rt.stuck[name].orders("in_doubt", Filter())))
    if options["dry_run"]:
        click.echo(json.dumps({"asked_for": count, "dry_run": True}) if options["as_json"] else _would_ask(count))
        return
    question = f"Ask for {count} orders in doubt, and send again what is certainly not there?"
    confirm_or_abort(question, yes=options["yes"] or not count)
    answers: Counter[str] = Counter()
    for name in names:
        adapter = rt.targets[name]
        find = finder(adapter)
        for order in chain.from_iterable(rt.stuck[name].orders("in_doubt", Filter())):
            answer = ask_target(adapter, rt.stuck[name], order, find)
            answers[answer] += 1
            if answer == "away":
                click.echo(f"{name} does not answer now, or its limit is used up: what is left of it stays.", err=True)
                break
    if not count and not options["as_json"]:
        click.echo(_would_ask(0))
        return
    counts = {"found": answers["found"], "queued_again": answers["again"], "stay_in_doubt": answers["unknown"]}
    print_counts(counts, options)


@command.command("resolve")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--target", required=True, metavar="NAME", help="The target that may have them.")
@click.option("--delivered", is_flag=True, help="They are there.")
@click.option("--id", "target_id", default="", metavar="ID", help="With --delivered: the target's id of the one order.")
@click.option("--send-again", is_flag=True, help="Somebody has looked: they are not there.")
@click.option("--dead", is_flag=True, help="Send them no more, unless they are replayed.")
@selection.action_options
def resolve(keys: tuple[str, ...], target: str, target_id: str, **options: Any) -> None:
    """Decide about orders in doubt. An order that is not in doubt any more does not change."""
    decisions = [name for name in _MOVES if options[name]]
    if len(decisions) != 1:
        raise click.UsageError("say one of --delivered, --send-again and --dead")
    if target_id and (decisions != ["delivered"] or len(keys) > 1):
        raise click.UsageError("--id goes with --delivered, and with one order")
    rt = open_runtime(confirmed=True)
    (target,) = selection.targets_of(rt, target)
    selected = Filter(keys=frozenset(keys))
    in_doubt = [order.key for order in chain.from_iterable(rt.stuck[target].orders("in_doubt", selected))]
    if unknown := sorted(selected.keys.difference(in_doubt)):
        listed = ", ".join(unknown)
        raise click.ClickException(f"not in doubt in {target}: {listed}. See: intake show KEY, intake doubt list")
    question = f"{decisions[0].replace('_', ' ').capitalize()}: {len(in_doubt)} orders in doubt?"
    confirm_or_abort(question, yes=options["yes"] or options["dry_run"])
    moved = len(in_doubt)
    if not options["dry_run"]:
        results = rt.stuck[target].move(_MOVES[decisions[0]], in_doubt, target_id=target_id)
        moved = list(results.values()).count("moved")
    print_counts({"resolved": moved, "are_not_in_doubt_any_more": len(in_doubt) - moved}, options)


def _would_ask(count: int) -> str:
    return f"{count} orders in doubt would be asked for." if count else "Nothing is in doubt."
