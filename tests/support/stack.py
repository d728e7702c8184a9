"""The whole product as an operator runs it: `intake up` in its own folder, next to the simulated systems."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import psutil

from support.command_line import intake
from support.forked_sandbox import ForkedSandbox
from worker.http.client import Client
from worker.http.gates import Open
from worker.lab.history.command import judge_folder
from worker.lab.history.compare import Comparison, compare
from worker.lab.history.essence import in_source, in_target
from worker.lab.history.routes import Route
from worker.lab.history.verdict import FAULTS
from worker.process.intake_orders import command as own_command
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

KEY = "stack-key-0123456789abc"
CONFIG = """\
[log]
format = "json"

[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "{base}/retailcrm/shop"
api_key = "env:STACK_KEY"
poll_every = "2s"
overlap = 5

[targets.dropday]
kind = "{kind}"
url = "{base}/dropday/main"
api_key = "env:STACK_KEY"
account_id = "env:STACK_KEY"
limit = "{limit}"
placeholder = "-"

[[routes]]
from = "shop"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "{reference}"
"""
#: For each role, a text that the command line of its process contains.
ROLES = {
    "worker": "intake.deliver",
    "listen": "worker.cli listen",
    "upkeep": "intake.upkeep",
    "beat": "celery.beat:Scheduler",
    "valkey": "valkey-server",
}


class Stack:
    """The simulator and `intake up`."""

    def __init__(  # noqa: PLR0913  # options of a test, passed by keyword
        self,
        home: Path,
        orders: int,
        *,
        faults: Sequence[str] = (),
        limit: str = "60/s",
        dedupe: str = "on",
        extra: str = "",
        reference: str = "{external_id}",
        kind: str = "dropday",
        python: str = sys.executable,
    ) -> None:
        self.home, self.reference, self._python = home, reference, python
        self.config = home / "intake.toml"
        os.environ["STACK_KEY"] = KEY
        options = ["--journal", str(home / "journals")]
        options += ["--account", f"retailcrm:shop:key={KEY}:orders={orders}"]
        options += ["--account", f"dropday:main:key={KEY}:account_id={KEY}:dedupe={dedupe}"]
        options += [part for fault in faults for part in ("--fault", fault)]
        self.sandbox = ForkedSandbox(options)
        base = f"http://127.0.0.1:{json.loads(self.sandbox.line)['port']}"
        # Room for all orders of a soak in one response.
        self.admin = Client(base, gate=Open(), headers={}, max_bytes=1 << 30)
        self.config.write_text(CONFIG.format(base=base, limit=limit, reference=reference, kind=kind) + extra)
        self.up: subprocess.Popen[bytes] | None = None
        self._runtime: Runtime | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start `intake up` and append its output to `intake.log`."""
        env = os.environ | {"INTAKE_CONFIG": str(self.config)}
        command = [self._python, *own_command("worker.cli", "up")[1:]]
        with (self.home / "intake.log").open("ab") as log:
            self.up = subprocess.Popen(command, env=env, cwd=self.home, stdout=log, stderr=log, start_new_session=True)
        return self.up

    def log(self) -> str:
        return (self.home / "intake.log").read_text(errors="replace")

    @property
    def runtime(self) -> Runtime:
        if self._runtime is None:
            self._runtime = Runtime(read_settings(self.config))
        return self._runtime

    def processes(self, role: str) -> list[psutil.Process]:
        """Return the main processes of this role among the descendants of `intake up`."""
        assert self.up is not None
        matches = []
        for process in psutil.Process(self.up.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if ROLES[role] in " ".join(process.cmdline()):
                    matches.append(process)
        pids = {process.pid for process in matches}
        return [process for process in matches if process.ppid() not in pids]

    def kill(self, role: str) -> float:
        """Send SIGKILL to the main process of this role; return the Unix time."""
        (process,) = self.processes(role)
        process.kill()
        return time.time()

    def kill_child(self) -> float:
        """Send SIGKILL to a pool process of the worker that holds orders; return the Unix time."""
        lane = self.runtime.lanes["dropday"]
        while True:
            for drain in lane.redis.zrange(lane.keys.drains, 0, -1):
                if lane.redis.scard(lane.keys.claims + str(drain)) > 1:
                    os.kill(int(str(drain).split("-")[-2]), signal.SIGKILL)
                    return time.time()
            time.sleep(0.01)

    def created(self) -> int:
        return int(self.admin.read("/_sandbox/stats").json()["dropday"]["orders"]["main"])

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.admin.read("/_sandbox/stats").json()
        return stats

    def calls(self, system: str) -> list[float]:
        """Return the arrival times of the calls to a system, in seconds of its monotonic clock."""
        entries = self.admin.read("/_sandbox/journal").json()["entries"]
        return [
            float(entry["mono"]) for entry in entries if (entry["kind"], entry.get("system")) == ("request", system)
        ]

    def add(self, count: int, over: float = 0.0) -> None:
        self.admin.write("POST", "/_sandbox/retailcrm/shop/orders", json={"count": count, "over": over})

    def wait(self, done: Callable[[], bool], seconds: float, goal: str) -> None:
        until = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < until, f"{goal}: not within {seconds} s\n" + "\n".join(
                self.log().splitlines()[-40:]
            )
            time.sleep(0.1)

    def health(self, *args: str) -> tuple[int, str]:
        """Return the exit code and the output of `intake health`."""
        done = intake("--config", str(self.config), "health", *args)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout

    def settled(self) -> bool:
        """Return whether no order waits or is being sent."""
        status = self.runtime.lanes["dropday"].status()
        return status["queued"] == 0 and status["in_flight"] == 0

    def compare(self) -> Comparison:
        source = self.admin.read("/_sandbox/retailcrm/shop/orders").json()["orders"]
        target = self.admin.read("/_sandbox/dropday/main/orders").json()["orders"]
        return compare(in_source("retailcrm", "shop", source), in_target("dropday", target, "shop"))

    def history(self, *routes: str) -> str:
        """Return the faults that the simulators' journals show; an empty text if there are none."""
        routes = routes or (
            f"retailcrm/shop=dropday/main={self.reference.replace('{external_id}', '{id}')}=creates-all",
        )
        judged, reading = judge_folder(self.home / "journals", [Route.read(route) for route in routes])
        verdict = judged.targets["dropday/main"]
        faults = [f"{fault}: {finding.first}" for fault in FAULTS if (finding := getattr(verdict, fault)).count]
        assert verdict.orders
        return "; ".join([*faults, *reading.damaged, *reading.cut])

    def stop(self) -> list[str]:
        """Stop `intake up` with Ctrl-C; return the command lines of the processes that outlived it."""
        remaining: list[str] = []
        if self.up is not None:
            children = psutil.Process(self.up.pid).children(recursive=True) if self.up.poll() is None else []
            self.up.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.up.wait(timeout=60)
            if self.up.poll() is None:
                self.up.kill()
                remaining.append("intake up")
            _, alive = psutil.wait_procs(children, timeout=3)
            for process in alive:
                with contextlib.suppress(psutil.Error):
                    remaining.append(" ".join(process.cmdline()))
                    process.kill()
        self.sandbox.stop(signal.SIGTERM)
        self.admin.close()
        return remaining

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
