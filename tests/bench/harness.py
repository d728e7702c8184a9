"""The processes of each side, their orders, and the processor time that they use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil
from celery import Celery

from schemas.order import Order
from worker.runtime import Runtime, read_settings
from worker.store.orders.delivery import Delivery
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The folder that holds the package `bench`.
_TESTS = Path(__file__).resolve().parents[1]
#: Seconds after which a process that does not end is killed.
_END_TIMEOUT = 20.0
#: Orders per page, accepted in one call.
PAGE = 100
_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
_CELERY = [sys.executable, "-m", "celery", "-A"]
_LISTEN = [sys.executable, "-m", "worker.cli", "listen"]

CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
[targets.dropday]
kind = "dropday"
url = "{target}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
limit = "none"
[[routes]]
from = "shop"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
"""


def queue_celery_orders(redis: str, count: int) -> None:
    """Empty the server, and queue a task of the plain Celery app for each order."""
    app = Celery("plain", broker=redis)
    app.backend_cls = "disabled://"
    connect(redis).flushall()
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(count):
            app.send_task("create", args=(make_order(number).model_dump(mode="json"),), producer=producer)


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a child process: ours, `variables`, and a PYTHONPATH with `bench` and our packages."""
    path = [str(_TESTS.parent), str(_TESTS), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))} | variables


def configure(home: Path, text: str, ledger: Literal["emptied", "kept"] = "emptied") -> Runtime:
    """Write settings for this process and its children, and return a runtime with them."""
    config = home / "intake.toml"
    config.write_text(text)
    os.environ |= {"INTAKE_CONFIG": str(config), "BENCH_KEY": "key"}
    rt = Runtime(read_settings())
    if ledger == "emptied":
        rt.redis.flushall()
    return rt


def intake_commands(processes: int, *, listening: bool = False) -> list[list[str]]:
    """Return the commands of Intake: a worker with delivering processes, upkeep, beat, and optionally `listen`."""
    app = [*_CELERY, "worker.app"]
    commands = [
        [*app, "worker", "--queues", "intake.deliver", "--concurrency", str(processes), *_QUIET, "-n", "w@%h"],
        [*app, "worker", "--queues", "intake.upkeep", "--pool", "solo", *_QUIET, "-n", "u@%h"],
        [*app, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", ""],
    ]
    return [*commands, _LISTEN] if listening else commands


def default_commands(*, listening: bool = False) -> list[list[str]]:
    """Return the commands of Intake as its Procfile starts them: as many processes as the settings need."""
    worker = [*_CELERY, "worker.app", "worker", "--queues", "intake.poll,intake.deliver", *_QUIET, "-n", "w@%h"]
    return [worker, *intake_commands(1, listening=listening)[1:]]


def sampled_commands() -> list[list[str]]:
    """Return the commands of Intake with a sampled worker that polls and delivers."""
    queues = ["--queues", "intake.poll,intake.deliver", "--concurrency", "2"]
    return [[*_CELERY, "bench.programs.sampled", "worker", *queues, *_QUIET, "-n", "s@%h"], *intake_commands(1)[1:]]


def threaded_commands(workers: int, threads: int) -> list[list[str]]:
    """Return the commands of Intake with workers that deliver in threads."""
    worker = [*_CELERY, "worker.app", "worker", "--queues", "intake.deliver", "--pool", "threads", *_QUIET]
    return [
        *([*worker, "--concurrency", str(threads), "-n", f"w{n}@%h"] for n in range(workers)),
        *intake_commands(1)[1:],
    ]


def celery_commands(processes: int, pool: Literal["prefork", "threads"] = "prefork") -> list[list[str]]:
    """Return the command of the plain Celery app."""
    size = ["--pool", pool, "--concurrency", str(processes)]
    return [[*_CELERY, "bench.programs.plain", "worker", *size, *_QUIET, "-l", "warning"]]


def make_order(number: int) -> Order:
    """Return a typical order with three lines."""
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
def run_processes(
    commands: Sequence[Sequence[str]], env: Mapping[str, str], cwd: Path
) -> Iterator[list[psutil.Process]]:
    """Run processes during the block and yield them."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    children = [subprocess.Popen(command, env=env, cwd=cwd, **quiet) for command in commands]
    processes = [psutil.Process(process.pid) for process in children]
    try:
        yield processes
    finally:
        for process in children:
            process.terminate()
        _, left = psutil.wait_procs(processes, timeout=_END_TIMEOUT)
        for late in with_children(left):  # the measurement is over: a hanging process may be killed
            with contextlib.suppress(psutil.NoSuchProcess):
                late.kill()
        for process in children:
            process.wait()


def with_children(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Return the processes and all their descendants."""
    return [member for process in processes for member in (process, *process.children(recursive=True))]


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Return the processor time of the processes and all their descendants, in seconds."""
    return sum(sum(process.cpu_times()[:2]) for process in with_children(processes))


def redis_cpu_seconds(redis: str) -> float:
    """Return the processor time of the Redis server, in seconds."""
    info: Any = connect(redis).info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def accept_orders(rt: Runtime, target: str, numbers: range) -> None:
    """Accept orders with these numbers for a target, page by page."""
    for start in range(numbers.start, numbers.stop, PAGE):
        page = [make_order(number) for number in range(start, min(start + PAGE, numbers.stop))]
        rt.ledger.accept(target, [Delivery(order, order.external_id) for order in page], "bench")
