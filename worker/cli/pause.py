"""`intake pause` and `intake resume`: stop a provider or a target, and let it go on."""

from __future__ import annotations

import click

from worker.runtime import Runtime, read_settings


def _parts(name: str) -> tuple[Runtime, bool, bool]:
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    is_provider, is_target = name in rt.settings.providers, name in rt.settings.targets
    if not is_provider and not is_target:
        known = ", ".join([*rt.settings.providers, *rt.settings.targets])
        raise click.ClickException(f"{name} is neither a provider nor a target; known are: {known}")
    return rt, is_provider, is_target


@click.command("pause")
@click.argument("name")
@click.option("--reason", default="by hand", help="Shown in `intake status`.")
def pause(name: str, reason: str) -> None:
    """Poll NAME no more, send NAME nothing, until resumed; kept over restarts."""
    rt, is_provider, is_target = _parts(name)
    if is_provider:
        rt.cursors.pause(name, reason)
    if is_target:
        rt.lanes[name].pause(reason)
    click.echo(f"{name} is paused. Go on with: intake resume {name}")


@click.command("resume")
@click.argument("name")
def resume(name: str) -> None:
    """Let NAME go on."""
    rt, is_provider, is_target = _parts(name)
    if is_provider:
        rt.cursors.resume(name)
    if is_target:
        rt.lanes[name].resume()
    click.echo(f"{name} goes on.")
