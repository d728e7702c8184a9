"""`intake init`: ask for the accounts, and write `intake.toml`."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import require_name
from worker.cli.results import wrapped
from worker.cli.setup.template import AccountDraft, Section, required_keys, settings_text
from worker.operations.examples import examples
from worker.process.environment import environment
from worker.settings.addresses import web_url
from worker.settings.document import NAME, NO_NAME
from worker.settings.env_file import parse_env_file
from worker.settings.tables import SettingError, secrets_of
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.cli.setup.template import Kinds


#: The name of an environment variable. Secrets hardly ever look like this, so a pasted one is refused.
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
_WORDS: Final[Mapping[Section, str]] = {"providers": "provider", "targets": "target"}


def _pairs(_ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
    """Parse `KIND` or `KIND:NAME`."""
    pairs = [(parts[0], parts[2] or parts[0]) for parts in (value.partition(":") for value in values)]
    for _, name in pairs:
        if not NAME.fullmatch(name):
            raise click.BadParameter(f"{name} {NO_NAME[0]}. {NO_NAME[1]}", param=option)
    return pairs


@click.command(
    "init",
    epilog=examples(
        "intake init",
        "intake init --provider retailcrm:shop-nl --target dropday:warehouse --yes",
        "intake init --provider dropstream --target dropboy --env-file .env",
    ),
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    callback=_pairs,
    metavar="KIND[:NAME]",
    help="Account to read; repeatable.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    callback=_pairs,
    metavar="KIND[:NAME]",
    help="Account to write to; repeatable.",
)
@click.option("--url", "urls", multiple=True, metavar="NAME=URL", help="URL of an account; repeatable.")
@click.option("--env-file", metavar="FILE", help="File for the variables (.env), named in the settings.")
@click.option("--yes", is_flag=True, help="Do not ask: read missing values from the environment.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--dry-run", is_flag=True, help="Print the file and write nothing.")
def command(**options: Any) -> None:
    """Write a commented intake.toml.

    Name the accounts, or let the command ask for them. It never asks for a secret: the file names the environment
    variable that holds it.
    """
    path = Path(os.environ.get("INTAKE_CONFIG") or "intake.toml")
    if path.exists() and not options["force"] and not options["dry_run"]:
        raise click.ClickException(f"{path} already exists. Overwrite it: --force; preview the new one: --dry-run")
    kinds: Kinds = {"providers": provider_kinds(), "targets": target_kinds()}
    accounts = _drafts_from(options, kinds)
    if bool(options["providers"]) != bool(options["targets"]):
        raise click.UsageError("name both --provider KIND[:NAME] and --target KIND[:NAME], or neither")
    if not accounts:
        if options["yes"] or not sys.stdin.isatty():
            raise click.UsageError("this is not a terminal: name --provider KIND[:NAME] and --target KIND[:NAME]")
        accounts = _ask_accounts(kinds)
    elif not options["yes"] and sys.stdin.isatty():
        for draft in accounts:
            _ask_values(draft, kinds)
    targets = [draft.name for draft in accounts if draft.section == "targets"]
    for draft in accounts:
        draft.to = draft.to or targets
    text = settings_text(accounts, kinds, datetime.now(UTC), options["env_file"])
    if options["dry_run"]:
        click.echo(text)
        return
    path.write_text(text, encoding="utf-8")
    names = _variables(accounts, kinds)
    if options["env_file"]:
        _add_variables(path.absolute().parent / options["env_file"], names)
    _print_next(path, names, options["env_file"])


def _drafts_from(options: dict[str, Any], kinds: Kinds) -> list[AccountDraft]:
    accounts: list[AccountDraft] = []
    for section, word in _WORDS.items():
        for kind, name in options[section]:
            require_name(kind, f"kind of {word}", sorted(kinds[section]))
            if any((draft.section, draft.name) == (section, name) for draft in accounts):
                raise click.UsageError(f"two accounts are named {name}: write {kind}:NAME")
            accounts.append(AccountDraft(section, kind, name))
    for option in options["urls"]:
        name, _, url = option.partition("=")
        chosen = [draft for draft in accounts if draft.name == name]
        if not chosen:
            raise click.UsageError(f"--url {option}: no account is named {name or '?'}; write NAME=URL")
        for draft in chosen:
            draft.values["url"] = _parse_url(url)
    return accounts


def _parse_url(value: str) -> str:
    if value.startswith("env:"):
        return value
    try:
        return web_url(value)
    except SettingError as error:
        raise click.UsageError(f"{value} {error.reason}. {error.remedy}") from None


def _ask_accounts(kinds: Kinds) -> list[AccountDraft]:
    """Ask for the accounts, one question at a time."""
    accounts: list[AccountDraft] = []
    for section, word in _WORDS.items():
        click.echo(
            f"\n{word.capitalize()}s: {'orders come from them' if section == 'providers' else 'orders go to them'}."
        )
        while True:
            taken = {draft.name for draft in accounts if draft.section == section}
            accounts.append(_ask_account(section, kinds, taken))
            if not click.confirm(f"Another {word}?", default=False):
                break
    targets = [draft.name for draft in accounts if draft.section == "targets"]
    for draft in accounts if len(targets) > 1 else ():
        if draft.section == "providers":
            draft.to = click.prompt(
                f"Orders of {draft.name} go to",
                default=",".join(targets),
                value_proc=lambda answer: _parse_targets(answer, targets),
            )
    return accounts


def _parse_targets(answer: str | list[str], targets: list[str]) -> list[str]:
    names = [part.strip() for part in answer.split(",")] if isinstance(answer, str) else answer
    if unknown := [name for name in names if name not in targets]:
        raise click.UsageError(f"{', '.join(unknown)}: not one of {', '.join(targets)}; write them with commas")
    return names


def _ask_account(section: Section, kinds: Kinds, taken: set[str]) -> AccountDraft:
    kind = click.prompt(f"  Kind of {_WORDS[section]}", type=click.Choice(sorted(kinds[section])))

    def parse_name(name: str) -> str:
        if not NAME.fullmatch(name):
            raise click.UsageError(f"{name} {NO_NAME[0]}. {NO_NAME[1]}")
        if name in taken:
            raise click.UsageError(f"{name} is taken")
        return name

    name = click.prompt("  Its name here", default=None if kind in taken else kind, value_proc=parse_name)
    draft = AccountDraft(section, kind, name)
    _ask_values(draft, kinds)
    return draft


def _ask_values(draft: AccountDraft, kinds: Kinds) -> None:
    kind = kinds[draft.section][draft.kind]
    secrets = secrets_of(kind.Options)
    for key in required_keys(kind):
        default = draft.variable(key)
        if key in draft.values:
            continue
        if key in secrets:
            question = f"  {draft.name}: environment variable that holds its {key}"
            draft.values[key] = f"env:{click.prompt(question, default=default, value_proc=_variable)}"
        elif key == "url":
            draft.values[key] = click.prompt(f"  {draft.name}: url", default=f"env:{default}", value_proc=_parse_url)
        else:
            draft.values[key] = click.prompt(f"  {draft.name}: {key}", default=f"env:{default}")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name.removeprefix("env:")):
        raise click.UsageError("this is not the name of a variable (A-Z, 0-9, _); never write the secret itself here")
    return name.removeprefix("env:")


def _variables(accounts: list[AccountDraft], kinds: Kinds) -> list[str]:
    """Return the variables that the settings need."""
    values = [
        draft.values.get(key, f"env:{draft.variable(key)}")
        for draft in accounts
        for key in {**dict.fromkeys(required_keys(kinds[draft.section][draft.kind])), **draft.values}
    ]
    return list(dict.fromkeys(value.removeprefix("env:") for value in values if value.startswith("env:")))


def _add_variables(file: Path, names: list[str]) -> None:
    """Add a line for each variable that the file does not have yet; only its owner may read a new file."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    missing = [name for name in names if name not in parse_env_file(text)[0]]
    file.touch(mode=0o600)
    with file.open("a", encoding="utf-8") as output:
        output.write("\n" if text and not text.endswith("\n") else "")
        output.writelines(f"{name}=\n" for name in missing)


def _print_next(path: Path, names: list[str], env_file: str | None) -> None:
    """Print what to fill in or set, and the two commands to run."""
    click.echo(f"{path} is written. Next:")
    if env_file:
        click.echo(wrapped(f"  fill in {env_file}: {', '.join(names)}", "    "))
    for name in names if not env_file else ():
        click.echo(f"  export {name}=…{'' if name not in environment() else '      # already set'}")
    click.echo("  intake check      # check the file, Redis and each account")
    click.echo("  intake up         # start")
