"""`intake web`: the console, and its users."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Final, get_args

import click

from worker.durations import round_duration
from worker.errors import ConfigError
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.operations.extras import require_extra
from worker.process.reloader import stop_process
from worker.runtime import Runtime, read_settings
from worker.settings.take_over import take_over
from worker.store.console.attempts import Attempts
from worker.store.console.users import Role, Users
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
from worker.telemetry import log
from worker.web.passwords import hash_password, objection
from worker.web.token_command import openapi, token

if TYPE_CHECKING:
    from worker.settings.load import Settings

#: What the extra installs.
_PACKAGES: Final = ("jinja2", "python_multipart", "starlette", "uvicorn")
#: Seconds that a browser has to send a request.
_SECONDS: Final = 10.0
_NAME: Final = r"[a-z0-9][a-z0-9._@+-]{0,63}"


@click.group(
    "web",
    invoke_without_command=True,
    epilog=examples("intake web --port 8081", "intake web user add ada --role operator"),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8081, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0: any free one."
)
@click.pass_context
def command(ctx: click.Context, host: str, port: int) -> None:
    """Serve the console, and manage its users.

    Run it behind a proxy that terminates TLS. Add its first user: intake web user add NAME --role operator
    """
    if ctx.invoked_subcommand is not None:
        return
    require_extra("web", *_PACKAGES)
    from worker.inbox.receiver.server import bind, serve
    from worker.web.app import application
    from worker.web.templates import compile_templates

    settings = read_settings(offline=True)
    _require_users(settings)
    log.configure(settings.log.level, settings.log.format)
    app = application(settings)
    compile_templates()
    with bind(host, port) as listening:
        named = f"[{host}]" if ":" in host else host
        if reloader := take_over(settings, "web", stop_process):
            reloader.heed()
        click.echo(f"console: http://{named}:{listening.getsockname()[1]}/", err=True)
        serve(app, listening, _SECONDS)
    app.state.console.close()


def _require_users(settings: Settings) -> None:
    """Raise ConfigError if nobody could sign in; if Redis is away, nobody knows yet, and every page says so."""
    if settings.web.default_role is not None:
        return
    with Runtime(settings, patience="short") as rt:
        try:
            exist = Users(rt.redis).exist()
        except ERRORS as error:
            click.echo(f"{state_of(error, rt.redis)}", err=True)
            return
    if not exist:
        remedy = "Add the first one: intake web user add NAME --role operator"
        raise ConfigError("the console", "users", "there are none, so nobody could sign in", remedy)


@command.group("user", epilog=examples("intake web user list"))
def user() -> None:
    """Manage the users of the console."""


command.add_command(token)
command.add_command(openapi)


def _open() -> tuple[Runtime, Users]:
    rt = click.get_current_context().with_resource(Runtime(read_settings(offline=True)))
    return rt, Users(rt.redis)


_role_option = click.option(
    "--role",
    required=True,
    type=click.Choice(get_args(Role)),
    help="Role: a viewer sees no personal data, an operator everything.",
)
_stdin_option = click.option("--stdin", is_flag=True, help="Read the password from standard input.")


@user.command("add", epilog=examples("intake web user add ada --role operator"))
@click.argument("name")
@_role_option
@_stdin_option
@click.option("--no-password", is_flag=True, help="A proxy identifies this user.")
@acting
def add(name: str, role: Role, *, stdin: bool, no_password: bool) -> None:
    """Add a user.

    The command asks for the password of NAME.
    """
    name = name.casefold()
    if re.fullmatch(_NAME, name) is None:
        raise click.UsageError(
            "a name has at most 64 characters of a-z, 0-9 and . _ @ + -, and begins with a letter or a digit"
        )
    rt, users = _open()
    if users.get(name) is not None:
        raise click.ClickException(f"{name} is already a user. To set a new password: intake web user password {name}")
    password = "" if no_password else hash_password(_ask(name, stdin=stdin))
    with recorded(rt, user=name, role=role):
        if not users.add(name, role, password):
            raise click.ClickException(f"{name} is already a user")
    click.echo(f"The user {name} was added with the role {role}.")


@user.command("list", epilog=examples("intake web user list"))
def list_all() -> None:
    """List the users and their roles."""
    found = _open()[1].all()
    if not found:
        click.echo("There is no user. Add one: intake web user add NAME --role operator")
    for each in found:
        how = "" if each.password else ", identified by the proxy"
        click.echo(f"{each.name}: {each.role}, since {round_duration(time.time() - each.since / 1000)}{how}")


@user.command("password", epilog=examples("intake web user password ada"))
@click.argument("name")
@_stdin_option
@acting
def password(name: str, *, stdin: bool) -> None:
    """Set a new password.

    It ends the sessions of NAME, and unlocks the name.
    """
    (rt, users), name = _open(), name.casefold()
    known = users.get(name)
    if known is None:
        raise click.ClickException(f"{name} is not a user. See: intake web user list")
    hashed = hash_password(_ask(name, stdin=stdin))
    with recorded(rt, user=name):
        users.change(known, password=hashed)
        Attempts(rt.redis).forget("user", name)
    click.echo(f"{name} has a new password, and must sign in again.")


@user.command("role", epilog=examples("intake web user role ada --role viewer"))
@click.argument("name")
@_role_option
@acting
def role(name: str, role: Role) -> None:
    """Give a user another role.

    The sessions of NAME end.
    """
    (rt, users), name = _open(), name.casefold()
    known = users.get(name)
    if known is None:
        raise click.ClickException(f"{name} is not a user. See: intake web user list")
    with recorded(rt, user=name, role=role, was=known.role):
        users.change(known, role=role)
    click.echo(f"{name} now has the role {role}, and must sign in again.")


@user.command("remove", epilog=examples("intake web user remove ada"))
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@acting
def remove(name: str, *, yes: bool) -> None:
    """Remove a user.

    The sessions of NAME end.
    """
    (rt, users), name = _open(), name.casefold()
    if users.get(name) is None:
        raise click.ClickException(f"{name} is not a user. See: intake web user list")
    if not yes:
        click.confirm(f"Remove the user {name}?", abort=True, err=True)
    with recorded(rt, user=name):
        users.remove(name)
    click.echo(f"{name} is no longer a user.")


def _ask(name: str, *, stdin: bool) -> str:
    """Return a password that somebody typed twice, or that stands in the first line of the input."""
    text = (
        sys.stdin.readline().rstrip("\r\n")
        if stdin
        else click.prompt("Password", hide_input=True, confirmation_prompt="Repeat the password", err=True)
    )
    if problem := objection(text, name):
        raise click.ClickException(problem)
    return str(text)
