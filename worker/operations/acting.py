"""The audit log of commands that change something on purpose: who acts, and the record of the act."""

from __future__ import annotations

import os
import pwd
import re
import socket
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import click

from worker.store.audit import Actor, record, unrecorded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from worker.runtime import Runtime
    from worker.store.audit import Act

#: Where the name of `--as` is kept in the context of a command.
_NAME: Final = "intake.actor"
_LONGEST: Final = 64


def _parse_name(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    """Keep the name for `recorded`; refuse one that no table can show."""
    name = (value or "").strip()
    if len(name) > _LONGEST or re.search(r"[\x00-\x1f\x7f]", name):
        raise click.BadParameter(f"write one line of at most {_LONGEST} characters")
    ctx.meta[_NAME] = name


def acting(command: Any) -> Any:
    """Add `--as` to a command that changes something on purpose: it leaves a record by `recorded`."""
    option = click.option(
        "--as",
        "actor",
        metavar="NAME",
        envvar="INTAKE_ACTOR",
        expose_value=False,
        callback=_parse_name,
        help="Your name for `intake audit`. Default: $INTAKE_ACTOR, or the user of this host.",
    )
    return option(command)


def recorded(
    rt: Runtime,
    *accounts: str,
    action: str = "",
    reason: str = "",
    orders: Iterable[str] = (),
    dry_run: bool = False,
    **given: object,
) -> AbstractContextManager[Act]:
    """Return the record of this command as a context manager (see `worker/store/audit.py`); none for a dry run.

    `action` is the name of the command unless it is given. Of the options in `given`, those that select nothing are
    left out.
    """
    if dry_run:
        return nullcontext(unrecorded())
    chosen = {name: value for name, value in given.items() if value}
    name = action or _command_name(click.get_current_context())
    return record(rt.redis, current_actor(), name, accounts=accounts, reason=reason, given=chosen, orders=orders)


def _command_name(ctx: click.Context) -> str:
    """Return the name of a command below `intake`, such as "dead replay"."""
    names = [ctx.info_name or ""]
    while ctx.parent is not None and ctx.parent.parent is not None:
        ctx = ctx.parent
        names.insert(0, ctx.info_name or "")
    return " ".join(names)


def current_actor() -> Actor:
    """Return the name that was given, or the user of this host: with sudo, the one who called it."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    named = click.get_current_context().meta.get(_NAME)
    return Actor(named or os.environ.get("SUDO_USER") or user, "cli", f"{user}@{socket.gethostname()}")
