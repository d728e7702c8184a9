"""`intake doubt`: orders that may be in the target."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import confirm_or_abort, open_runtime
from worker.cli.orders import selection
from worker.cli.results import print_counts, say
from worker.doubt import ask as ask_target
from worker.doubt import finder
from worker.durations import count_of
from worker.operations.acting import recorded
from worker.operations.examples import examples
from worker.store.orders.stuck import Filter

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.audit import Act
    from worker.store.orders.stuck import Move

#: What a person may decide about an order in doubt: the option, and the move.
_MOVES: Final[dict[str, Move]] = {"delivered": "delivered", "send_again": "send", "dead": "bury"}
_QUESTIONS: Final = {"delivered": "Mark as delivered:", "send_again": "Send again:", "dead": "Mark as dead:"}


@click.group("doubt", epilog=examples("intake doubt list"))
def command() -> None:
    """List and settle orders in doubt.

    An order in doubt may be in the target: the call that creates it had no clear result.
    """


@command.command("list", epilog=examples("intake doubt list --target warehouse"))
@selection.list_options
def list_all(**options: Any) -> None:
    """List orders in doubt.

    Show the reasons with their counts, and the newest orders.
    """
    rt = open_runtime(offline=True)
    batches = selection.select_orders(rt, "in_doubt", options["target"], selection.filter_from(options))
    rows = map(selection.row_of, chain.from_iterable(batches))
    next_step = "Next: intake doubt ask; or search the target yourself, then intake doubt resolve KEY"
    selection.print_list(rt, "in doubt", rows, next_step, **options)


@command.command("ask", epilog=examples("intake doubt ask warehouse --dry-run"))
@click.argument("target", required=False)
@selection.action_options
def ask(target: str | None, **options: Any) -> None:
    """Search the target for its orders in doubt.

    An order that is found counts as delivered; one that is certainly absent is queued again; any other stays in doubt.
    Without TARGET, all targets are searched.
    """
    rt = open_runtime(confirmed=True)
    names = selection.targets_of(rt, target)
    count = sum(1 for name in names for _ in chain.from_iterable(rt.stuck[name].orders("in_doubt", Filter())))
    if options["dry_run"]:
        click.echo(json.dumps({"asked_for": count, "dry_run": True}) if options["as_json"] else _would_ask(count))
        return
    question = f"Search for {count_of(count, 'order')} in doubt, and send those that are certainly absent again?"
    confirm_or_abort(question, yes=options["yes"] or not count)
    if not count and not options["as_json"]:
        click.echo(_would_ask(0))
        return
    with recorded(rt, *names) as act:
        answers = _ask(rt, act, names)
        counts = {"found": answers["found"], "queued_again": answers["again"], "stay_in_doubt": answers["unknown"]}
        act.count(**counts)
    print_counts(counts, options)


def _ask(rt: Runtime, act: Act, names: list[str]) -> Counter[str]:
    """Ask each target for its orders in doubt; return the number of each answer."""
    answers: Counter[str] = Counter()
    for name in names:
        adapter = rt.targets[name]
        find = finder(adapter)
        away = False
        for batch in rt.stuck[name].orders("in_doubt", Filter()):
            act.concerns(order.key for order in batch)
            for order in batch:
                answer = ask_target(adapter, rt.stuck[name], order, find)
                answers[answer] += 1
                if away := answer == "away":
                    break
            if away:
                say(f"{name} does not respond, or its limit is used up: its other orders stay in doubt", err=True)
                break
    return answers


@command.command("resolve", epilog=examples("intake doubt resolve shop-nl:1001 --target warehouse --delivered"))
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--target", required=True, metavar="NAME", help="Target that may have the orders.")
@click.option("--delivered", is_flag=True, help="The target has the orders.")
@click.option(
    "--id", "target_id", default="", metavar="ID", help="With --delivered and one order: its id in the target."
)
@click.option("--send-again", is_flag=True, help="The target does not have the orders: send them again.")
@click.option("--dead", is_flag=True, help="Do not send the orders unless they are replayed.")
@selection.action_options
def resolve(keys: tuple[str, ...], target: str, target_id: str, **options: Any) -> None:
    """Record the outcome of orders in doubt.

    Check the target first. An order that is no longer in doubt does not change.
    """
    decisions = [name for name in _MOVES if options[name]]
    if len(decisions) != 1:
        raise click.UsageError("choose one of --delivered, --send-again and --dead")
    if target_id and (decisions != ["delivered"] or len(keys) > 1):
        raise click.UsageError("--id needs --delivered and exactly one KEY")
    rt = open_runtime(confirmed=True)
    (target,) = selection.targets_of(rt, target)
    selected = Filter(keys=frozenset(keys))
    in_doubt = [order.key for order in chain.from_iterable(rt.stuck[target].orders("in_doubt", selected))]
    if unknown := sorted(selected.keys.difference(in_doubt)):
        listed = ", ".join(unknown)
        raise click.ClickException(f"not in doubt in {target}: {listed}. Next: intake doubt list")
    question = f"{_QUESTIONS[decisions[0]]} {count_of(len(in_doubt), 'order')} in doubt?"
    confirm_or_abort(question, yes=options["yes"] or options["dry_run"])
    moved = len(in_doubt)
    if not options["dry_run"]:
        with recorded(rt, target, orders=in_doubt, decision=decisions[0], id=target_id) as act:
            results = rt.stuck[target].move(_MOVES[decisions[0]], in_doubt, target_id=target_id)
            moved = list(results.values()).count("moved")
            act.count(resolved=moved)
    print_counts({"resolved": moved, "no_longer_in_doubt": len(in_doubt) - moved}, options)


def _would_ask(count: int) -> str:
    return f"{count_of(count, 'order')} in doubt would be searched for." if count else "Nothing is in doubt."
