"""`intake up`: run all processes on one machine, with an embedded server if the settings name no Redis."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, Final

import click

from worker.cli.run.file_reload import FileReload
from worker.cli.run.first_start import confirm_first_polls
from worker.cli.run.processes import argv, process_environment
from worker.cli.run.shared import can_share, import_shared
from worker.cli.run.supervisor import Program, Supervisor
from worker.cli.terminal import never_wait
from worker.durations import count_of
from worker.errors import StoreFull
from worker.operations.examples import examples
from worker.process.liveness_file import ROLES, liveness_folder, read_liveness
from worker.runtime import Runtime, read_settings
from worker.settings.flower import check_address, flower_options
from worker.settings.needs import EVERYTHING
from worker.store.redis import embedded
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worker.settings.load import Settings

#: Valkey's advice for servers with a large memory, at each start.
_HINTS: Final = re.compile(
    r"WARNING (Memory overcommit must be enabled|Your kernel has a bug|You have Transparent Huge)"
)


def _is_alive(data_dir: Path, role: str) -> Callable[[], bool] | None:
    """Return what finds out whether the process of this role is alive; None for one without a liveness file."""
    if role not in ROLES:
        return None
    return lambda: any(sign.role == role for sign in read_liveness(liveness_folder(data_dir)))


def _banner(settings: Settings, *, web: bool) -> str:
    """Return the line that says that all processes run, and what to do next."""
    counts = {
        "provider": len(settings.providers),
        "producer": len(settings.producers),
        "target": len(settings.targets),
    }
    parts = [f"ready: {', '.join(count_of(count, noun) for noun, count in counts.items() if count)}"]
    if web:
        parts.append(f"console {settings.web.url or 'http://127.0.0.1:8081/'}")
    return "; ".join([*parts, "next: intake status"])


@click.command("up", epilog=examples("intake up", "intake --config shop.toml up --yes"))
@click.option("--flower", is_flag=True, help="Also run Flower, at 127.0.0.1:5555.")
@click.option("--web", is_flag=True, help="Also run the console, at 127.0.0.1:8081.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before the first poll.")
def command(*, flower: bool, web: bool, yes: bool) -> None:
    """Run all processes on this machine.

    If the settings name no Redis, an embedded Valkey runs as well. Ctrl-C stops everything in order.

    Before the very first poll, the command shows what that poll would send, and asks for confirmation at a terminal.
    """
    never_wait()
    settings = read_settings(needs=EVERYTHING)
    env = process_environment(settings.file)
    if sys.stderr.isatty():
        # The processes write into a pipe, but a person reads their output.
        env.setdefault("INTAKE_LOG_FORMAT", "text")
    if flower:
        check_address(flower_options(env))
    if settings.redis_url is not None:
        # A Redis that is away is waited for: each process checks it by itself.
        with contextlib.suppress(StoreFull, *ERRORS), Runtime(settings, patience="short") as rt:
            rt.installation.confirm()
    names = ["worker", "listen", "upkeep", "beat", *(["flower"] if flower else []), *(["web"] if web else [])]
    share = can_share(settings)
    with contextlib.ExitStack() as stack:
        programs = [
            Program(
                name,
                argv(name),
                reads_settings=name != "flower",
                runs=_is_alive(settings.data_dir, name),
                forks=share,
            )
            for name in names
        ]
        if settings.redis_url is None:
            server = embedded.prepare(settings.data_dir)
            stack.callback(server.release)

            def ready() -> bool:
                if share:  # while the server starts
                    import_shared()
                if not embedded.is_ready(server.url):
                    return False
                confirm_first_polls(settings, yes=yes)
                return True

            programs.insert(0, Program("valkey", server.command, ready, reads_settings=False, noise=_HINTS))
        else:
            if share:
                import_shared()
            confirm_first_polls(settings, yes=yes)
        reload = FileReload(settings, env)
        # Long enough for a drain to finish its current call; Ctrl-C twice is quicker.
        grace = settings.clocks.drain + settings.clocks.request + 5
        Supervisor(programs, env | reload.variables, grace, reload, _banner(settings, web=web)).run()
