"""`intake release`: send held orders, or drop them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import click

from worker.cli.options import confirm_or_abort, confirmable, open_runtime, target_of
from worker.cli.results import print_rows, say
from worker.durations import count_of
from worker.operations.acting import acting, recorded
from worker.operations.bulk import release_orders
from worker.operations.examples import examples
from worker.operations.sentences import summaries

if TYPE_CHECKING:
    from worker.runtime import Runtime


#: The columns of a held order: the name of a field by its heading.
_COLUMNS: Final = {name: name for name in ("order", "number", "reference", "held")}


def _print_held(rt: Runtime, target: str, keys: list[str]) -> None:
    records = {key: entries[0].record for key, entries in rt.ledger.entries_of({target: keys}).items()}
    rows = [
        {
            "order": key,
            "number": summary.number,
            "reference": records[key]["reference"],
            "held": "a change" if "done" in records[key] else "the order",
            "reason": records[key].get("detail", ""),
        }
        for key, summary in zip(keys, summaries(rt.stuck[target], keys), strict=True)
        if key in records
    ]
    print_rows(f"Held in {target}", _COLUMNS, rows, "reason")


@click.command(
    "release", epilog=examples("intake release warehouse --dry-run", "intake release warehouse shop-nl:1001")
)
@click.argument("target")
@click.argument("keys", nargs=-1)
@click.option(
    "--drop", is_flag=True, help="Discard the held change instead; an order that was never delivered becomes dead."
)
@confirmable
@acting
def command(target: str, keys: tuple[str, ...], **flags: Any) -> None:
    """Send held orders.

    Without KEYS (provider:external_id), all orders held in TARGET are sent.
    """
    rt = open_runtime(offline=True, confirmed=True)
    target = target_of(rt, target)
    lane = rt.lanes[target]
    held = [key for key in lane.held_keys() if not keys or key in keys]
    if unknown := sorted(set(keys) - set(held)):
        raise click.ClickException(
            f"not held in {target}: {', '.join(unknown)}. Next: intake release {target} --dry-run"
        )
    if not held:
        click.echo(f"Nothing is held in {target}.")
        return
    if flags["dry_run"]:
        _print_held(rt, target, held)
        return
    orders = count_of(len(held), "held order")
    action = f"Discard the held versions of {orders} in" if flags["drop"] else f"Send {orders} to"
    confirm_or_abort(f"{action} {target}?", yes=flags["yes"])
    move: Literal["drop", "send"] = "drop" if flags["drop"] else "send"
    with recorded(rt, target, drop=flags["drop"]) as act:
        count = release_orders(rt, act, target, held, move)
        act.count(**{"dropped" if flags["drop"] else "released": count})
    result = "discarded" if flags["drop"] else "released; the next sweep sends them"
    say(f"{count_of(count, 'order')} of {target} {result}.")
