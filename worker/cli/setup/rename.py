"""`intake rename OLD NEW`: go on with the orders of an account under its new name, or at its new address."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from worker.cli.options import confirm_or_abort, open_runtime
from worker.cli.results import say
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.settings.identity import Declared, declared, difference
from worker.settings.registered import known_names, ledger_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.settings.load import Settings
    from worker.store.registry.registry import AccountKey, Entry, Known


class _Renaming(NamedTuple):
    """An account of the ledger, and the account of the settings that it is now."""

    key: AccountKey
    known: Entry
    now: Declared


@click.command("rename", epilog=examples("intake rename shop shop-nl --dry-run"))
@click.argument("old")
@click.argument("new")
@click.option("--dry-run", is_flag=True, help="Show whether the account differs, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation if the account differs.")
@acting
def command(old: str, new: str, *, dry_run: bool, yes: bool) -> None:
    """Continue the orders of an account under a new name.

    Write the name NEW into the settings first. The order keys, references, cursor and lane of OLD are kept. If OLD and
    NEW are the same name, the account continues with its new address or id.
    """
    rt = open_runtime()
    installation = rt.installation
    known = installation.registry.read()
    renamings = list(_renamings(installation.declared, known, old, new))
    if not renamings:
        names = ", ".join(sorted({name for entry in known.accounts.values() for name in entry.names}))
        reason = f"no account {old} of the ledger can be {new} of {installation.declared.file}"
        raise click.ClickException(f"{reason}. The ledger has: {names or 'none'}")
    for renaming in renamings:
        same = renaming.known.is_same(renaming.now.entry)
        told_apart = "" if same else difference(renaming.known, renaming.now.entry)
        if dry_run:
            say(f"{new} {f'differs from {old}: {told_apart}' if told_apart else f'is the account that {old} was'}.")
        elif told_apart:
            question = f"{new} differs from {old}: {told_apart}. Is it the same account?"
            confirm_or_abort(question, yes=yes)
    if dry_run:
        return
    entries = {renaming.key: renaming.now.entry.with_names(*renaming.known.names, new) for renaming in renamings}
    with recorded(rt, old, new):
        if not installation.registry.write(known, entries, {}):
            raise click.ClickException("another process changed the registry meanwhile. Next: run the command again")
    for (_, ledger_name), _, now in renamings:
        say(f"{now.name} is {ledger_name} in the ledger: order keys, references and lanes keep that name.")
        if now.name != ledger_name and ledger_name not in now.formerly:
            say(f'Next, in case Redis is lost, add to [{now.key}]: formerly = ["{ledger_name}"]')


def _renamings(settings: Settings, known: Known, old: str, new: str) -> Iterator[_Renaming]:
    """Yield the provider and the target that this is about; raise ClickException if that cannot be."""
    accounts, names = list(declared(settings, known.salt)), known_names(known)
    for key, entry in known.accounts.items():
        now = next((account for account in accounts if (account.role, account.name) == (key[0], new)), None)
        if old not in entry.names or now is None:
            continue
        others = [account.name for account in accounts if ledger_key(account, names) == key and account is not now]
        if others:
            raise click.ClickException(f"{others[0]} of {settings.file} already has the orders of {old}")
        own = ledger_key(now, names)
        if own != key and own in known.accounts:
            raise click.ClickException(f"{new} has orders of its own in the ledger: it cannot be {old}")
        if entry.kind != now.entry.kind:
            raise click.ClickException(f"{old} is of the kind {entry.kind}, and {new} of the kind {now.entry.kind}")
        yield _Renaming(key, entry, now)
