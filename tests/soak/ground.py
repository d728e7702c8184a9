"""The environment of a soak: the systems, and `intake up` with all failpoints ready to be armed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import psutil
from redis.exceptions import RedisError

from soak import faults
from soak.depot import install
from worker.errors import ConfigError
from worker.http.client import Client
from worker.http.gates import Open
from worker.runtime import Runtime, read_settings

TESTS = Path(__file__).parents[1]
KEY = "soak-key"
#: The target of each source, and below its share of all orders.
SHOPS = {"shop1": "depot", "shop2": "depot", "shop3": "crm", "shop4": "crm"}
PUSHED, HINTED = "web", "tips"
SOURCES = {**SHOPS, PUSHED: "depot", HINTED: "depot"}
SHARES = {**dict.fromkeys(SHOPS, 0.22), PUSHED: 0.11, HINTED: 0.01}
#: A part of each role's command line, by which its processes are found.
ROLES = {
    "worker": "intake.deliver",
    "listen": "worker.cli listen",
    "upkeep": "intake.upkeep",
    "beat": "celery.beat:Scheduler",
    "valkey": "valkey-server",
}
_HEAD = """\
[log]
level = "warning"
format = "json"
[clocks]
lease = "{lease}ms"
heartbeat = "{beat}ms"
[inbox]
unsigned = "accept"
[producers.web]
[targets.depot]
kind = "depot"
url = "http://127.0.0.20:{port}/depot"
api_key = "env:SOAK_KEY"
account_id = "env:SOAK_KEY"
limit = "none"
concurrency = 5
[targets.crm]
kind = "retailcrm"
url = "http://127.0.0.21:{port}/crm"
api_key = "env:SOAK_KEY"
limit_scope = "crm"
bulk = {bulk}
time_zone = "UTC"
concurrency = 2
"""
#: Each shop has its own address and its own limit.
_SHOP = """\
[providers.{name}]
start = "2020-01-01"
kind = "retailcrm"
url = "http://127.0.0.{address}:{port}/{name}"
api_key = "env:SOAK_KEY"
limit_scope = "{name}"
time_zone = "UTC"
poll_every = "{every}"
overlap = 3
"""
_ROUTE = """\
[[routes]]
from = "{name}"
to = ["{target}"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "{{provider}}:{{external_id}}"
"""


def _settings(port: int, lease: float, bulk: int) -> str:
    text = _HEAD.format(port=port, bulk=bulk, lease=round(lease * 1000), beat=round(lease * 300))
    for address, name in enumerate((*SHOPS, HINTED), 2):
        # The source of the hinted orders is polled too seldom to matter.
        every = f"{round(lease * 500)}ms" if name in SHOPS else "1d"
        text += _SHOP.format(name=name, address=address, port=port, every=every)
    return text + "".join(_ROUTE.format(name=name, target=target) for name, target in SOURCES.items())


class Ground:
    """The systems and `intake up`, in their own folder."""

    def __init__(  # noqa: PLR0913  # what a soak varies
        self, home: Path, seed: int, weather: dict[str, float], *, lease: float, bulk: int, latency: list[float]
    ) -> None:
        self.home, self.calls = home, home / "calls"
        self.calls.mkdir(parents=True)
        os.environ["SOAK_KEY"] = KEY
        plan = json.dumps({"sources": SOURCES, "seed": seed, "weather": weather, "latency": latency})
        self._systems = subprocess.Popen(
            [sys.executable, "-m", "soak.systems", plan], cwd=TESTS, stdout=subprocess.PIPE, text=True
        )
        assert self._systems.stdout is not None
        self.port = int(self._systems.stdout.readline())
        self._admin = Client(f"http://127.0.0.1:{self.port}", gate=Open(), headers={}, max_bytes=1 << 28)
        self.config = home / "intake.toml"
        self.config.write_text(_settings(self.port, lease, bulk))
        self._python = install(home)
        sys.path.insert(0, str(home))
        self._env = {
            **os.environ,
            "INTAKE_CONFIG": str(self.config),
            "INTAKE_FAILPOINTS": "; ".join(arm.text(lease) for arm in faults.arms()),
            "INTAKE_FAILPOINTS_DIR": str(self.calls),
        }
        self._log = (home / "intake.log").open("ab")
        self.up = self._intake("up")
        self._runtime: Runtime | None = None

    def _intake(self, *args: str) -> subprocess.Popen[bytes]:
        command = [self._python, "-c", "from worker.cli import main; main()", *args]
        return subprocess.Popen(
            command, env=self._env, cwd=self.home, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def intake(self, *args: str) -> None:
        """Run one command of Intake without failpoints."""
        env = {**self._env, "INTAKE_FAILPOINTS": ""}
        command = [self._python, "-c", "from worker.cli import main; main()", *args]
        subprocess.run(command, env=env, cwd=self.home, stdout=self._log, stderr=self._log, check=False)

    @property
    def runtime(self) -> Runtime:
        if self._runtime is None:
            self._runtime = Runtime(read_settings(self.config))
        return self._runtime

    def fsync_always(self) -> bool:
        """Configure the server, which may have been restarted; return whether it responds."""
        with contextlib.suppress(RedisError, OSError, ConfigError):
            self.runtime.redis.config_set("appendfsync", "always")
            self.runtime.ledger.assume_no_predecessor()
            return True
        return False

    def ask(self, question: str, **query: object) -> Any:
        return self._admin.read(f"/soak/{question}", [(name, str(value)) for name, value in query.items()]).json()

    def make(self, counts: dict[str, int]) -> None:
        self._admin.write("POST", "/soak/make", json=counts)

    def processes(self, role: str) -> list[psutil.Process]:
        """Return the main processes of this role."""
        by_pid = {}
        for process in psutil.Process(self.up.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if ROLES[role] in " ".join(process.cmdline()):
                    by_pid[process.pid] = process
        return [process for process in by_pid.values() if process.ppid() not in by_pid]

    def pool(self) -> list[psutil.Process]:
        """Return the worker's pool processes."""
        return [child for worker in self.processes("worker") for child in worker.children()]

    def kill(self, role: str, choose: Any) -> bool:
        """Send SIGKILL to one process of this role; return whether one was running."""
        with contextlib.suppress(psutil.Error, IndexError):
            choose(self.pool() if role == "pool process" else self.processes(role)).kill()
            return True
        return False

    def memory(self) -> dict[str, float]:
        """Return the MiB that each role uses; for the pool, its largest process."""
        sizes: dict[str, float] = {"systems": psutil.Process(self._systems.pid).memory_info().rss / 2**20}
        for role in ("pool process", *ROLES):
            with contextlib.suppress(psutil.Error):
                chosen = self.pool() if role == "pool process" else self.processes(role)
                sizes[role] = max((process.memory_info().rss / 2**20 for process in chosen), default=0.0)
        return sizes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        descendants = psutil.Process(self.up.pid).children(recursive=True) if self.up.poll() is None else []
        self.up.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.up.wait(timeout=60)
        self.up.kill()
        self.up.wait()
        for process in psutil.wait_procs(descendants, timeout=3)[1]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self._runtime is not None:
            self._runtime.close()
        self._admin.close()
        self._log.close()
        self._systems.kill()
        self._systems.wait()
        if self._systems.stdout is not None:
            self._systems.stdout.close()
