"""`intake demo`: the whole way of an order on this machine, with faults on the way and the proof at the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.cli.compare import Comparison, compare
from worker.cli.supervisor import die_with_parent
from worker.errors import IntakeError
from worker.http import Client, Open
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.store.lanes import Lane

#: Seconds without a new order in the target after which the demo gives up.
PATIENCE = 60.0
#: What goes wrong on purpose: answers lost after the order was created, servers that stumble, a page that is no JSON.
FAULTS = (
    "dropday:create:500_after:times=10:skip=40",
    "dropday:create:cut_after:times=10:skip=150",
    "dropday:create:503:times=3:skip=300:retry_after=1",
    "retailcrm:history:html:times=1:skip=3",
)
KEY = "demo-key"
CONFIG = """\
[log]
format = "json"

[providers.shop]
kind = "retailcrm"
url = "{base}/retailcrm/shop"
api_key = "env:DEMO_KEY"
poll_every = "2s"
overlap = 5

[targets.dropday]
kind = "dropday"
url = "{base}/dropday/main"
api_key = "env:DEMO_KEY"
account_id = "env:DEMO_KEY"
limit = "60/s"
placeholder = "-"

[[routes]]
from = "shop"
to = ["dropday"]
"""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The simulated systems of a demo, and what they admit to."""

    base: str
    client: Client

    def orders(self, system: str, account: str) -> list[dict[str, Any]]:
        """All orders that the account holds."""
        found: list[dict[str, Any]] = self.client.read(f"/_sandbox/{system}/{account}/orders").json()["orders"]
        return found

    def add(self, count: int, over: float) -> None:
        """Let so many orders be placed in the shop within the next `over` seconds."""
        self.client.write("POST", "/_sandbox/retailcrm/shop/orders", json={"count": count, "over": over})

    def created(self) -> int:
        """How many orders the target holds."""
        return int(self.client.read("/_sandbox/stats").json()["dropday"]["orders"]["main"])

    def placed(self) -> int:
        """How many orders the shop holds."""
        return int(self.client.read("/_sandbox/stats").json()["retailcrm"]["orders"]["shop"])

    def faults(self) -> int:
        """How often something went wrong on purpose."""
        return sum(int(fault["fired"]) for fault in self.client.read("/_sandbox/faults").json()["faults"])


@contextlib.contextmanager
def _stopped(process: subprocess.Popen[Any], grace: float) -> Iterator[None]:
    """Leave nothing running, however the block ends."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _sandbox(orders: int) -> Iterator[Sandbox]:
    command = [sys.executable, "-m", "worker.sandbox", "--parent", str(os.getpid())]
    command += ["--account", f"retailcrm:shop:key={KEY}:orders={orders}"]
    command += ["--account", f"dropday:main:key={KEY}:account_id={KEY}"]
    command += [part for fault in FAULTS for part in ("--fault", fault)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603  # ours
    with _stopped(process, 5):
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise click.ClickException("the simulated systems did not start; what they said stands above")
        base = f"http://127.0.0.1:{json.loads(line)['port']}"
        yield Sandbox(base, Client(base, gate=Open(), headers={}))


@contextlib.contextmanager
def _intake(home: Path, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    env = os.environ | {"INTAKE_CONFIG": str(config), "DEMO_KEY": KEY}
    command = [sys.executable, "-c", "from worker.cli import main; main()", "up"]
    with (home / "intake.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # ours
            command,
            env=env,
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, nothing that could hang
        )
        with _stopped(process, 40):
            yield process


@cache
def _lane(config: Path) -> Lane:
    return Runtime(read_settings(config)).lanes["dropday"]


def _accepted(config: Path) -> int:
    """How many orders the ledger has accepted; 0 while Redis is still starting."""
    try:
        return int(_lane(config).status().get("accepted_new", 0))
    except (IntakeError, OSError):
        return 0


def _watch(sandbox: Sandbox, config: Path, orders: int, up: subprocess.Popen[bytes], console: Console) -> None:
    """Show the orders flowing until all of them are there, or nothing has moved for a while."""
    columns = (TextColumn("{task.description:<34}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        placed = progress.add_task("placed in the shop (RetailCRM)", total=orders)
        accepted = progress.add_task("read, normalized, in the ledger", total=orders)
        created = progress.add_task("created in the target (Dropday)", total=orders)
        count, moved = 0, time.monotonic()
        while count < orders and time.monotonic() - moved < PATIENCE and up.poll() is None:
            time.sleep(0.3)
            before, count = count, sandbox.created()
            if count != before:
                moved = time.monotonic()
            progress.update(placed, completed=sandbox.placed())
            progress.update(accepted, completed=_accepted(config))
            progress.update(created, completed=count)


def _settled(config: Path) -> None:
    """Give the last answers, some of them lost, the time to be written down."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        status = _lane(config).status()
        if status["queued"] == 0 and status["in_flight"] == 0:
            return
        time.sleep(0.3)


def run(orders: int, home: Path, console: Console) -> Comparison:
    """Run the demo in `home`; answers the comparison of source and target."""
    with _sandbox(orders * 3 // 4) as sandbox:
        config = home / "intake.toml"
        config.write_text(CONFIG.format(base=sandbox.base))
        os.environ["DEMO_KEY"] = KEY
        with _intake(home, config) as up:
            sandbox.add(orders - orders * 3 // 4, over=10)
            _watch(sandbox, config, orders, up, console)
            if up.poll() is None and sandbox.created() >= orders:
                _settled(config)
            told = sandbox.faults()
        found = compare(sandbox.orders("retailcrm", "shop"), sandbox.orders("dropday", "main"))
    console.print(f"Went wrong on purpose: {told} times (answers lost after the create, 503, HTML for JSON).")
    return found


@click.command("demo")
@click.option("--orders", default=1000, show_default=True, type=click.IntRange(4, 100_000), help="How many orders.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep configuration, log and data in this folder.")
def command(orders: int, keep: Path | None) -> None:
    """Carry orders from a simulated RetailCRM to a simulated Dropday, lose answers on purpose, compare both sides."""
    console = Console()
    started = time.monotonic()
    # Whatever ends the demo ends it in order, like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console.print(f"[bold]{orders} orders[/] go from RetailCRM to Dropday: real workers, a real server, real HTTP.")
    with contextlib.ExitStack() as stack:
        if keep is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intake-demo-")))
        else:
            home = keep.absolute()
            home.mkdir(parents=True, exist_ok=True)
        try:
            found = run(orders, home, console)
        except KeyboardInterrupt:
            raise click.ClickException("stopped; nothing is left running") from None
        complete = found.clean and found.orders == orders
        console.print(f"[bold {'green' if complete else 'red'}]{found}[/]", highlight=False)
        console.print(f"{time.monotonic() - started:.0f} s")
        if not complete:
            log = (home / "intake.log").read_text(errors="replace").splitlines()[-15:]
            click.echo("\n".join(log), err=True)
            sys.exit(1)
