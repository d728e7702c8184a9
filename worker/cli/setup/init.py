"""`intake init`: ask what is to be carried where, and write `intake.toml`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.setup.template import Section, Wanted, required, text
from worker.settings.addresses import web_url
from worker.settings.document import NAME, NO_NAME, SettingError, secrets_of
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.settings.kinds import AdapterKind


#: A name of a variable, and hardly ever a key: nobody should paste one here.
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
_WORDS: Final[Mapping[Section, str]] = {"providers": "provider", "targets": "target"}


def _pair(_ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
    """`KIND` or `KIND:NAME`."""
    pairs = [(parts[0], parts[2] or parts[0]) for parts in (value.partition(":") for value in values)]
    for _, name in pairs:
        if not NAME.fullmatch(name):
            raise click.BadParameter(f"{name} {NO_NAME[0]}. {NO_NAME[1]}", param=option)
    return pairs


@click.command("init")
@click.option("--provider", "providers", multiple=True, callback=_pair, metavar="KIND[:NAME]", help="Read from it.")
@click.option("--target", "targets", multiple=True, callback=_pair, metavar="KIND[:NAME]", help="Write to it.")
@click.option("--url", "urls", multiple=True, metavar="NAME=URL", help="Where an account is.")
@click.option("--yes", is_flag=True, help="Do not ask: what is not said comes from the environment.")
@click.option("--force", is_flag=True, help="Write over the file that is there.")
@click.option("--dry-run", is_flag=True, help="Print the file, and write nothing.")
def command(**options: Any) -> None:
    """Write a commented intake.toml: for the accounts that are named, or that you are asked for.

    Secrets are never asked for: the file names the environment variables that hold them.
    """
    path = Path(os.environ.get("INTAKE_CONFIG") or "intake.toml")
    if path.exists() and not options["force"] and not options["dry_run"]:
        raise click.ClickException(f"{path} is there already: --force writes over it, --dry-run shows what would be")
    kinds: dict[Section, Mapping[str, AdapterKind]] = {"providers": provider_kinds(), "targets": target_kinds()}
    accounts = _named(options, kinds)
    if bool(options["providers"]) != bool(options["targets"]):
        raise click.UsageError("name both: --provider KIND[:NAME] and --target KIND[:NAME]; or neither, and be asked")
    if not accounts:
        if options["yes"] or not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked here: name --provider KIND[:NAME] and --target KIND[:NAME]")
        accounts = _asked(kinds)
    elif not options["yes"] and sys.stdin.isatty():
        for wanted in accounts:
            _ask_values(wanted, kinds)
    for wanted in accounts:
        wanted.to = wanted.to or [it.name for it in accounts if it.section == "targets"]
    written = text(accounts, kinds)
    if options["dry_run"]:
        click.echo(written)
        return
    path.write_text(written, encoding="utf-8")
    _say_next(path, accounts, kinds)


def _named(options: dict[str, Any], kinds: Mapping[Section, Mapping[str, AdapterKind]]) -> list[Wanted]:
    accounts: list[Wanted] = []
    for section, word in _WORDS.items():
        for kind, name in options[section]:
            if kind not in kinds[section]:
                listed = ", ".join(sorted(kinds[section]))
                raise click.UsageError(f"{kind} is not a kind of {word}; known are: {listed}")
            if any((it.section, it.name) == (section, name) for it in accounts):
                raise click.UsageError(f"two are called {name}: write {kind}:NAME")
            accounts.append(Wanted(section, kind, name))
    for said in options["urls"]:
        name, _, url = said.partition("=")
        chosen = [it for it in accounts if it.name == name]
        if not chosen:
            raise click.UsageError(f"--url {said}: no account is called {name or '?'}; write NAME=URL")
        for it in chosen:
            it.values["url"] = _url(url)
    return accounts


def _url(value: str) -> str:
    if value.startswith("env:"):
        return value
    try:
        return web_url(value)
    except SettingError as error:
        raise click.UsageError(f"{value} {error.reason}. {error.remedy}") from None


def _asked(kinds: Mapping[Section, Mapping[str, AdapterKind]]) -> list[Wanted]:
    """The accounts, one question after the other."""
    accounts: list[Wanted] = []
    for section, word in _WORDS.items():
        click.echo(f"\nThe {word}s: {'where orders come from' if section == 'providers' else 'where they have to be'}.")
        while True:
            accounts.append(_ask_account(section, kinds, {it.name for it in accounts if it.section == section}))
            if not click.confirm(f"Another {word}?", default=False):
                break
    targets = [it.name for it in accounts if it.section == "targets"]
    for wanted in accounts if len(targets) > 1 else ():
        if wanted.section == "providers":
            wanted.to = click.prompt(
                f"Orders of {wanted.name} go to",
                default=",".join(targets),
                value_proc=lambda said: _some(said, targets),
            )
    return accounts


def _some(said: str | list[str], targets: list[str]) -> list[str]:
    names = [part.strip() for part in said.split(",")] if isinstance(said, str) else said
    if unknown := [name for name in names if name not in targets]:
        raise click.UsageError(f"{', '.join(unknown)}: not one of {', '.join(targets)}; write them with commas")
    return names


def _ask_account(section: Section, kinds: Mapping[Section, Mapping[str, AdapterKind]], taken: set[str]) -> Wanted:
    kind = click.prompt(f"  Kind of {_WORDS[section]}", type=click.Choice(sorted(kinds[section])))

    def free(name: str) -> str:
        if not NAME.fullmatch(name):
            raise click.UsageError(f"{name} {NO_NAME[0]}. {NO_NAME[1]}")
        if name in taken:
            raise click.UsageError(f"{name} is taken")
        return name

    name = click.prompt("  Its name here", default=None if kind in taken else kind, value_proc=free)
    wanted = Wanted(section, kind, name)
    _ask_values(wanted, kinds)
    return wanted


def _ask_values(wanted: Wanted, kinds: Mapping[Section, Mapping[str, AdapterKind]]) -> None:
    kind = kinds[wanted.section][wanted.kind]
    secrets = secrets_of(kind.Options)
    for key, _ in required(kind):
        default = wanted.variable(key)
        if key in wanted.values:
            continue
        if key in secrets:
            question = f"  {wanted.name}: environment variable that holds its {key}"
            wanted.values[key] = f"env:{click.prompt(question, default=default, value_proc=_variable)}"
        elif key == "url":
            wanted.values[key] = click.prompt(f"  {wanted.name}: url", default=f"env:{default}", value_proc=_url)
        else:
            wanted.values[key] = click.prompt(f"  {wanted.name}: {key}", default=f"env:{default}")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name.removeprefix("env:")):
        raise click.UsageError("that is no name of a variable (A-Z, 0-9, _); never write the secret itself here")
    return name.removeprefix("env:")


def _say_next(path: Path, accounts: list[Wanted], kinds: Mapping[Section, Mapping[str, AdapterKind]]) -> None:
    """The variables that have to be set, and the two commands that follow."""
    click.echo(f"{path} is written. Next:")
    values = [
        it.values.get(key, f"env:{it.variable(key)}")
        for it in accounts
        for key, _ in required(kinds[it.section][it.kind])
    ]
    for name in dict.fromkeys(value.removeprefix("env:") for value in values if value.startswith("env:")):
        click.echo(f"  export {name}=…{'' if name not in os.environ else '      # is set'}")
    click.echo("  intake check      # the file, Redis, and each account, live")
    click.echo("  intake up         # carry orders")
