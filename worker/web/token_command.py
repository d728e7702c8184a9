"""`intake web token`: the tokens of the API."""

from __future__ import annotations

import json
import time
from typing import get_args

import click

from worker.durations import round_duration
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.runtime import Runtime, read_settings
from worker.store.console.tokens import NAME, Tokens
from worker.store.console.users import Role


def _open() -> tuple[Runtime, Tokens]:
    rt = click.get_current_context().with_resource(Runtime(read_settings(offline=True)))
    return rt, Tokens(rt.redis)


@click.group("token", epilog=examples("intake web token list"))
def token() -> None:
    """Manage the tokens of the API."""


@click.command("openapi", epilog=examples("intake web openapi > openapi.json"))
def openapi() -> None:
    """Print the OpenAPI document of the API."""
    from worker.web.api.openapi import document
    from worker.web.api.routes import CALLS

    click.echo(json.dumps(document(CALLS), indent=2))


@token.command("add", epilog=examples("intake web token add helpdesk --role viewer"))
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(get_args(Role)), help="Role: a viewer sees no personal data.")
@acting
def add(name: str, role: Role) -> None:
    """Add a token.

    The command prints the token once; only a hash of it is kept. The audit log shows NAME for each action of the token.
    """
    if NAME.fullmatch(name) is None:
        raise click.UsageError("a name has at most 41 of a-z, 0-9 and -, and begins with a letter or a digit")
    rt, tokens = _open()
    with recorded(rt, token=name, role=role):
        text = tokens.add(name, role)
        if text is None:
            raise click.ClickException(
                f"the token {name} already exists. To replace it: intake web token remove {name}"
            )
    click.echo(f"The token {name} was added with the role {role}. It is shown only once:", err=True)
    click.echo(text)


@token.command("list", epilog=examples("intake web token list"))
def list_all() -> None:
    """List the tokens and their roles."""
    found = _open()[1].all()
    if not found:
        click.echo("There is no token. Add one: intake web token add NAME --role viewer")
    for each in found:
        click.echo(f"{each.name}: {each.role}, since {round_duration(time.time() - each.since / 1000)}")


@token.command("remove", epilog=examples("intake web token remove helpdesk"))
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@acting
def remove(name: str, *, yes: bool) -> None:
    """Remove a token.

    Calls with it are refused at once.
    """
    rt, tokens = _open()
    if name not in {each.name for each in tokens.all()}:
        raise click.ClickException(f"{name} is not a token. See: intake web token list")
    if not yes:
        click.confirm(f"Remove the token {name}?", abort=True, err=True)
    with recorded(rt, token=name):
        tokens.remove(name)
    click.echo(f"{name} is no longer a token.")
