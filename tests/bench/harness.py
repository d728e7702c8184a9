"""The processes of either side, the orders they are given, and what they use of the machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from schemas.order import Order
from worker.runtime import Runtime, read_settings
from worker.store.orders.ledger import Delivery
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The folder that holds the package `bench`.
_TESTS = Path(__file__).resolve().parents[1]
#: Seconds that processes have to end.
_PATIENCE = 20.0
#: Orders accepted by one call, as many as a page has.
PAGE = 100
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


def environment(**variables: str) -> dict[str, str]:
    """Return this process' environment and `variables`, in which a child process finds `bench` and our packages."""
    path = [str(_TESTS.parent), str(_TESTS), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))} | variables


def configure(home: Path, text: str, ledger: Literal["emptied", "kept"] = "emptied") -> Runtime:
    """Write the settings, point this process and its children at them, and make a runtime of them."""
    config = home / "intake.toml"
    config.write_text(text)
    os.environ |= {"INTAKE_CONFIG": str(config), "BENCH_KEY": "key"}
    rt = Runtime(read_settings())
    if ledger == "emptied":
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


def reading() -> list[list[str]]:
    """The processes of Intake that read: one that polls, and beat."""
    app = [*_CELERY, "worker.app"]
    return [[*app, "worker", "--queues", "intake.poll", "--concurrency", "1", *_QUIET, "-n", "p@%h"], ours(1)[-1]]


def sampled() -> list[list[str]]:
    """The processes of Intake, those that poll and deliver sampled."""
    queues = ["--queues", "intake.poll,intake.deliver", "--concurrency", "2"]
    return [[*_CELERY, "bench.programs.sampled", "worker", *queues, *_QUIET, "-n", "s@%h"], *ours(1)[1:]]


def threads(workers: int, each: int) -> list[list[str]]:
    """The processes of Intake, those that deliver with threads."""
    worker = [*_CELERY, "worker.app", "worker", "--queues", "intake.deliver", "--pool", "threads", *_QUIET]
    return [*([*worker, "--concurrency", str(each), "-n", f"w{n}@%h"] for n in range(workers)), *ours(1)[1:]]


def theirs(processes: int) -> list[list[str]]:
    """The processes of a plain Celery app."""
    return [[*_CELERY, "bench.programs.plain", "worker", "--concurrency", str(processes), *_QUIET, "-l", "warning"]]


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
def running(commands: Sequence[Sequence[str]], env: Mapping[str, str], cwd: Path) -> Iterator[list[psutil.Process]]:
    """So many processes, until the block ends."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(command, env=env, cwd=cwd, **quiet) for command in commands]
    known = [psutil.Process(process.pid) for process in running]
    try:
        yield known
    finally:
        for process in running:
            process.terminate()
        _, left = psutil.wait_procs(known, timeout=_PATIENCE)
        for late in family(left):  # what is measured was measured: nothing is lost with a process that will not end
            with contextlib.suppress(psutil.NoSuchProcess):
                late.kill()
        for process in running:
            process.wait()


def family(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """These processes and all that they started."""
    return [one for process in processes for one in (process, *process.children(recursive=True))]


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Processor time that these processes and all that they started have used."""
    return sum(sum(process.cpu_times()[:2]) for process in family(processes))


def server_seconds(redis: str) -> float:
    """Processor time that the Redis server has used."""
    info: Any = connect(redis).info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def fill(rt: Runtime, target: str, numbers: range) -> None:
    """Accept so many orders for one target, page by page."""
    for start in range(numbers.start, numbers.stop, PAGE):
        page = [make_order(number) for number in range(start, min(start + PAGE, numbers.stop))]
        rt.ledger.accept(target, [Delivery(order, order.external_id) for order in page], "bench")
