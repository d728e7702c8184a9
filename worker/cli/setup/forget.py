"""`intake forget NAME`: give up an account that is not in the settings any more."""

from __future__ import annotations

from dataclasses import replace

import click

from worker.cli.options import confirm_or_abort, open_runtime
from worker.cli.results import say
from worker.durations import count_of
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.store.registry.absent import give_up, read_absent


@click.command("forget", epilog=examples("intake forget shop-be --dry-run"))
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Show the waiting orders, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@acting
def command(name: str, *, dry_run: bool, yes: bool) -> None:
    """Give up an account removed from the settings.

    Orders that wait for account NAME are discarded. Its delivered orders remain known: if the account returns, no
    order is created again.
    """
    rt = open_runtime()
    registry = rt.installation.registry
    gone = {key: entry for key, entry in rt.installation.compare().gone.items() if name in entry.names}
    if not gone:
        raise click.ClickException(f"no account {name} is missing in {rt.settings.file}: there is nothing to give up")
    for absent in read_absent(rt.redis, gone):
        say(f"{absent.role} {absent.name}: {absent.facts}")
    if dry_run:
        return
    confirm_or_abort(f"Give up {name}, and discard the orders that wait for it?", yes=yes)
    given_up = {key: replace(entry, given_up=True) for key, entry in gone.items()}
    with recorded(rt, name) as act:
        count = sum(give_up(rt.redis, role, ledger_name) for role, ledger_name in gone)
        while not registry.write(registry.read(), given_up, {}):
            pass
        act.count(discarded=count)
    say(f"{name} is given up; {count_of(count, 'order')} discarded.")
