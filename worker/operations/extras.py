"""Optional parts of the package: a command that needs one says which is missing."""

from __future__ import annotations

import importlib.util

import click

from worker.process.extras import install_command


def require_extra(extra: str, *packages: str) -> None:
    """Raise ClickException if one of the packages of this extra is not installed."""
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        needs = f"this command needs the extra `{extra}`: {', '.join(missing)} missing"
        raise click.ClickException(f"{needs}. Next: {install_command(extra)}")
