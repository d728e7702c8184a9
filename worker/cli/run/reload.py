"""`intake reload`: let the running processes take over a changed `intake.toml`, as a whole or not at all."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import click

from worker.cli.setup.check import examine_settings
from worker.cli.setup.pair_checks import examine_pairs
from worker.errors import ConfigError, StoreFull
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.process.reloading import read_running, reload_folder
from worker.runtime import Adapters, Runtime, read_settings
from worker.settings.document import ConfigErrors
from worker.store.audit import unrecorded
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.process.reloading import Running
    from worker.settings.load import Settings
    from worker.store.audit import Act

_OF_REDIS: Final[tuple[type[Exception], ...]] = (StoreFull, *ERRORS)
_UNRECORDED: Final[tuple[type[Exception], ...]] = (ConfigError, *_OF_REDIS)
#: Seconds after which a process that did not react gets the signal again: it may have taken the first for a hang-up.
_AGAIN: Final = 2.0
#: Seconds that a process may take for its check, beside the end of its calls and its start.
_CHECK: Final = 90.0


@click.command("reload", epilog=examples("intake reload --dry-run", "intake reload"))
@click.option("--dry-run", is_flag=True, help="Check the file, and change nothing.")
@click.option(
    "--in-use", type=click.Path(path_type=Path, dir_okay=False), hidden=True, help="The copy in use to compare with."
)
@acting
def command(*, dry_run: bool, in_use: Path | None) -> None:
    """Apply a changed intake.toml.

    The processes of this host check the whole file first. If anything in it is wrong, or must not change while Intake
    runs, nothing changes. Otherwise each process finishes its current calls, and continues with the new settings.
    """
    if dry_run:
        _check(in_use)
        click.echo("ok: the file is valid")
        return
    settings = read_settings(offline=True)
    running = list(read_running(reload_folder(settings.data_dir)))
    if not running:
        folder = reload_folder(settings.data_dir)
        raise click.ClickException(f"no process of Intake runs here ({folder}). Next: intake up")
    with _recorded(settings) as act:
        act.count(processes=len(running))
        _ask(running)
        clocks = settings.clocks
        _wait(running, time.monotonic() + _CHECK + max(clocks.drain, clocks.poll) + clocks.request)


@contextmanager
def _recorded(settings: Settings) -> Iterator[Act]:
    """Record the reload in the audit log. Without Redis, the reload continues, and reports that there is no record."""
    with ExitStack() as stack:
        act = unrecorded()
        try:
            act = stack.enter_context(recorded(stack.enter_context(Runtime(settings, patience="short"))))
        except _UNRECORDED:
            click.echo("The audit log has no record of this: Redis cannot be used now.", err=True)
        yield act


def _ask(running: list[Running]) -> None:
    """Ask each process; raise ClickException for one that cannot be."""
    for process in running:
        try:
            process.ask()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise click.ClickException(
                f"{process.role} (process {process.pid}) cannot be asked: {reason}. Next: run it as that user"
            ) from None


def _wait(running: list[Running], until: float) -> None:
    """Wait for the replies and print each; raise ClickException or exit with 1 if one of them is no success."""
    waiting = {process: time.monotonic() + _AGAIN for process in running}
    refused = False
    while waiting:
        for process, again in list(waiting.items()):
            state, reason = process.reply()
            if state == "done":
                click.echo(f"ok: {process.role} (process {process.pid}) runs with the new settings")
            elif state == "refused":
                click.echo(f"error: {process.role} (process {process.pid}) refused the file, and continues as before:")
                click.echo(reason)
                refused = True
            elif not process.is_alive() and (state != "accepted" or process.has_ended()):
                click.echo(f"error: {process.role} (process {process.pid}) ended")
                refused = True
            else:
                if state in {"", "asked"} and time.monotonic() > again:
                    waiting[process] = time.monotonic() + _AGAIN
                    with suppress(OSError):
                        process.ask()
                continue
            del waiting[process]
        if time.monotonic() > until:
            names = ", ".join(f"{process.role} (process {process.pid})" for process in waiting)
            raise click.ClickException(f"no reply from {names}. Next: intake status")
        time.sleep(0.05)
    if refused:
        raise SystemExit(1)


def _check(in_use: Path | None) -> None:
    """Raise ConfigErrors, with all that is wrong with the file, or with a change of the settings in use."""
    settings = read_settings()
    problems = [
        ConfigError(settings.file, finding.what, finding.detail, finding.remedy)
        for finding in (*examine_settings(settings), *examine_pairs(Adapters(settings)))
        if finding.state == "error"
    ]
    if in_use is not None and in_use.is_file():
        with suppress(ConfigError):
            problems += _fixed(read_settings(offline=True, copy=in_use), settings)
    if not problems:
        problems += _registered(settings)
    if problems:
        raise ConfigErrors(problems)


def _fixed(old: Settings, new: Settings) -> Iterator[ConfigError]:
    """Yield what must not change while Intake runs: where the ledger, the nudges and the files are."""
    places = {
        "redis.url": (_place(old.redis_url), _place(new.redis_url)),
        "redis.data_dir": (old.data_dir, new.data_dir),
        "celery.broker": (_place(old.broker_url), _place(new.broker_url)),
    }
    for key, (before, now) in places.items():
        if before != now:
            reason = "must not change while Intake runs"
            yield ConfigError(
                new.file,
                key,
                reason,
                "Restore the former value, or stop all processes and start them with the new one.",
            )


def _place(url: str | None) -> tuple[str, ...] | None:
    """Return what an address names without its user and its password, which may change."""
    if url is None:
        return None
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2], parts.path, *parse_qs(parts.query).get("db", [])


def _registered(settings: Settings) -> list[ConfigError]:
    """Return what does not fit to the accounts whose orders the ledger has."""
    with Runtime(settings, patience="short") as rt:
        try:
            return rt.installation.compare().problems
        except _OF_REDIS as error:
            state = state_of(error, rt.redis)
            remedy = f"{state.remedy}; then reload again." if state.remedy else "Reload again when Redis responds."
            return [ConfigError(settings.file, "redis.url", state.sentence, remedy)]
