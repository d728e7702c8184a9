"""What the benchmarks stand on: a server, a target that costs next to nothing, the processes of either side."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemas.order import Order
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Where the plain Celery app and the target are; they are part of a checkout, not of an installation.
TOOLS = Path(__file__).resolve().parents[3] / "tests" / "bench"
_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
_CELERY = [sys.executable, "-m", "celery", "-A"]

CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
[targets.dropday]
kind = "dropday"
url = "{target}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
limit = "none"
concurrency = {processes}
[[routes]]
from = "shop"
to = ["dropday"]
"""


def here() -> str:
    """The machine, in a few words."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, Celery {version('celery')}"
    )


def check_tools() -> None:
    """Raise ClickException where the other side of the comparison is not installed."""
    if not (TOOLS / "plain.py").exists():
        raise click.ClickException(f"the other side of the comparison is not here ({TOOLS}): run this in a checkout")


def configure(home: Path, text: str) -> Runtime:
    """Write the settings, point this process and its children at them, and make a runtime of them, its Redis empty."""
    config = home / "intake.toml"
    config.write_text(text)
    os.environ |= {"INTAKE_CONFIG": str(config), "BENCH_KEY": "key"}
    rt = Runtime(read_settings())
    rt.redis.flushall()
    return rt


def ours(processes: int, *, listening: bool = False) -> list[list[str]]:
    """The processes of Intake: so many that deliver, the upkeep, beat, and one that listens to the inbox."""
    app = [*_CELERY, "worker.app"]
    commands = [
        [*app, "worker", "--queues", "intake.deliver", "--concurrency", str(processes), *_QUIET, "-n", "w@%h"],
        [*app, "worker", "--queues", "intake.upkeep", "--pool", "solo", *_QUIET, "-n", "u@%h"],
        [*app, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", ""],
    ]
    return [*commands, [sys.executable, "-m", "worker.cli", "listen"]] if listening else commands


def theirs(processes: int) -> list[list[str]]:
    """The processes of a plain Celery app."""
    return [[*_CELERY, "plain", "worker", "--concurrency", str(processes), *_QUIET, "-l", "warning"]]


def make_order(number: int) -> Order:
    """An order of three lines, as shops have them."""
    lines = [
        {"id": f"{number}-{n}", "sku": f"SKU-{n}", "name": f"Product {n}", "quantity": n, "unit_price": "9.90"}
        for n in (1, 2, 3)
    ]
    address = {
        "first_name": "Ada",
        "last_name": "Byron",
        "street1": "1 Main St",
        "city": "Reno",
        "postal_code": "89501",
    }
    return Order.model_validate(
        {
            "provider": "shop",
            "external_id": str(number),
            "display_id": f"#{number}",
            "status": "new",
            "ordered_at": "2026-01-02T03:04:05Z",
            "currency": "USD",
            "lines": lines,
            "totals": {"shipping": "4.95", "grand": "64.35"},
            "customer": {"email": "ada@example.org", "phone": "+15550001"},
            "shipping_address": address | {"country": "US", "phone": "+15550001"},
        }
    )


@contextlib.contextmanager
def running(commands: Sequence[Sequence[str]], env: Mapping[str, str], cwd: Path) -> Iterator[None]:
    """So many processes, until the block ends."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(command, env=env, cwd=cwd, **quiet) for command in commands]  # noqa: S603  # our own commands
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=60)


@contextlib.contextmanager
def target_server() -> Iterator[str]:
    """A target that takes orders as fast as they come; gives its base URL."""
    command = [sys.executable, str(TOOLS / "target.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        try:
            line = process.stdout.readline()
            if not line:
                raise click.ClickException("the target did not start; what it said stands above")
            yield f"http://127.0.0.1:{int(line)}"
        finally:
            process.kill()
