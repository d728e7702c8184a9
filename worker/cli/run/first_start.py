"""The first start: show what the first polls would send, before anything is sent, and ask."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Final

import click

from worker.cli.run.output_lines import fold
from worker.errors import IntakeError
from worker.process.stopping import on_stop_signals
from worker.runtime import Runtime
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.settings.load import Settings

_PREFIX: Final = "up     | "
#: What makes the answer impossible; the processes meet it again, and report more of it.
_FAILURES: Final[tuple[type[Exception], ...]] = (IntakeError, *ERRORS)


def confirm_first_polls(settings: Settings, *, yes: bool) -> None:
    """Show what the first polls would send if no provider was ever read; abort if the person at the terminal says no.

    Without a terminal, with `yes`, or if Redis does not respond, the start continues, and a line states it.
    """
    try:
        with Runtime(settings, patience="short") as rt, _aborted_by_signals():
            names = list(settings.providers)
            if not names or rt.cursors.unread(names) != names:
                return
            # Only now: every other start, and the process that supervises, does without what a worker imports.
            from worker.cli.setup.first_poll import examine_first_polls

            _say("no order has been read yet; the first polls would send:")
            for finding in examine_first_polls(rt, names):
                _say(f"{finding.what}: {finding.detail}{f'. {finding.remedy}' if finding.remedy else ''}")
            if yes or not sys.stdin.isatty():
                _say(f"continues without asking: {'--yes' if yes else 'there is no terminal'}")
            else:
                click.confirm("Begin?", abort=True, err=True)
    except _FAILURES as error:
        _say(f"the first polls could not be previewed: {type(error).__name__}")


def _say(text: str) -> None:
    for part in fold(text, len(_PREFIX)):
        click.echo(f"{_PREFIX}{part}", err=True)


@contextlib.contextmanager
def _aborted_by_signals() -> Iterator[None]:
    """Abort on a signal: the supervisor would only note it while a person is asked."""

    def abort(*_: object) -> None:
        raise click.Abort

    former = on_stop_signals(abort)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
