"""The environment of a soak: the systems, the console, and `intake up` with all failpoints ready to be armed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import psutil
from redis.exceptions import RedisError

from soak import faults
from soak.depot import install
from soak.settings import KEY, PASSWORD, RENAMED, SHOPS, SOURCES, settings
from support.ports import free_port
from worker.errors import ConfigError
from worker.http.client import Client
from worker.http.gates import Open
from worker.process.intake_orders import command as command_of
from worker.process.parent import die_with_parent
from worker.runtime import Runtime, read_settings
from worker.store.redis.failpoints import AHEAD, STEP

TESTS = Path(__file__).parents[1]
#: A part of each role's command line, by which its processes are found.
ROLES = {
    "worker": "intake.deliver",
    "listen": "worker.cli listen",
    "upkeep": "intake.upkeep",
    "beat": "celery.beat:Scheduler",
    "valkey": "valkey-server",
}
#: It never fires; a process with it reads the stepped clock of Redis.
_STEPPED = "script:none:after=step,seconds=1,call=none"
#: Least seconds between a backup and its return: an earlier state cannot be distinguished from a paused server.
_OLD = 8.0


class Ground:
    """The systems and `intake up`, in their own folder."""

    def __init__(  # noqa: PLR0913  # what a soak varies
        self, home: Path, seed: int, weather: dict[str, float], *, lease: float, bulk: int, latency: list[float]
    ) -> None:
        self.home, self.calls = home, home / "calls"
        self.calls.mkdir(parents=True, exist_ok=True)
        os.environ["SOAK_KEY"] = KEY
        os.environ["INTAKE_FAILPOINTS"], os.environ["INTAKE_FAILPOINTS_DIR"] = _STEPPED, str(self.calls)
        self.config = home / "intake.toml"
        again = self.config.exists()
        # The settings name the port, so a soak that is resumed needs the same one.
        port = json.loads((home / "port").read_text()) if again else 0
        options = {"seed": seed, "weather": weather, "latency": latency, "home": str(home), "port": port}
        plan = json.dumps({"sources": SOURCES, "polled": list(SHOPS), **options})
        self._systems = subprocess.Popen(
            [sys.executable, "-m", "soak.systems", plan],
            cwd=TESTS,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, which cannot hang
        )
        assert self._systems.stdout is not None
        self.port = int(self._systems.stdout.readline())
        (home / "port").write_text(str(self.port))
        self._admin = Client(f"http://127.0.0.1:{self.port}", gate=Open(), headers={}, max_bytes=1 << 28)
        if not again:
            self.config.write_text(settings(self.port, lease, bulk))
        self._python = str(home / "environment" / "bin" / "python") if again else install(home)
        sys.path.insert(0, str(home))
        self._env = {
            **os.environ,
            "INTAKE_CONFIG": str(self.config),
            "INTAKE_FAILPOINTS": "; ".join([_STEPPED, *(arm.text(lease) for arm in faults.arms())]),
            "INTAKE_FAILPOINTS_DIR": str(self.calls),
        }
        self._log = (home / "intake.log").open("ab")
        self.up = self._start("up", "--yes")
        self._runtime: Runtime | None = None
        self._declared = again
        #: The console, its address and a token for its API, once Redis responds.
        self.web: subprocess.Popen[bytes] | None = None
        self.web_url, self.token = "", ""
        #: When the backup was made, on the monotonic clock; 0: there is none.
        self.backed_up = 0.0

    def _start(self, *args: str, plain: bool = False) -> subprocess.Popen[bytes]:
        env = {**self._env, **({"INTAKE_FAILPOINTS": _STEPPED} if plain else {})}
        command = [self._python, *command_of("worker.cli", *args)[1:]]
        return subprocess.Popen(
            command,
            env=env,
            cwd=self.home,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, which cannot hang
        )

    def intake(self, *args: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command of Intake without failpoints; its output goes into the log as well."""
        env = {**self._env, "INTAKE_FAILPOINTS": _STEPPED}
        command = [self._python, *command_of("worker.cli", *args)[1:]]
        done = subprocess.run(
            command, env=env, cwd=self.home, input=answer, capture_output=True, text=True, check=False
        )
        self._log.write(f"$ intake {' '.join(args)}\n{done.stderr}\n".encode())
        return done

    def open_console(self) -> bool:
        """Make a user and a token, and start the console; again for those that Redis has lost."""
        self.intake("web", "user", "add", KEY, "--role", "viewer", "--stdin", answer=f"{PASSWORD}\n")
        self.intake("web", "token", "remove", "soak", "--yes")
        done = self.intake("web", "token", "add", "soak", "--role", "viewer")
        if found := re.search(r"intake_soak_\S+", done.stdout + done.stderr):
            self.token = found[0]
            if self.web is None or self.web.poll() is not None:
                port = free_port()
                self.web_url = f"http://127.0.0.1:{port}"
                self.web = self._start("web", "--port", str(port), plain=True)
            return True
        return False

    def rename(self) -> bool:
        """Rename an account in the settings and in the ledger, and let the running processes take it over."""
        before, after = RENAMED
        text = self.config.read_text()
        if f"[providers.{before}]" in text:
            text = text.replace(f"[providers.{before}]", f"[providers.{after}]")
            self.config.write_text(text.replace(f'from = "{before}"', f'from = "{after}"'))
        return all(self.intake(*words).returncode == 0 for words in (("rename", before, after, "--yes"), ("reload",)))

    def name_of(self, source: str) -> str:
        """Return the name that a source has in the settings now."""
        renamed = source == RENAMED[0] and f"[providers.{RENAMED[1]}]" in self.config.read_text()
        return RENAMED[1] if renamed else source

    def back_up(self) -> None:
        """Copy the data of Redis while it is used."""
        shutil.rmtree(self.home / "backup", ignore_errors=True)
        shutil.copytree(self._data, self.home / "backup")
        self.backed_up = time.monotonic()

    def restore(self) -> bool:
        """Kill Redis and put the backup in the place of its data, before it is started again; False: not yet."""
        if time.monotonic() < self.backed_up + _OLD:
            return False
        if not self.kill("valkey", lambda processes: processes[0]):
            return False
        shutil.rmtree(self._data)
        (self.home / "backup").rename(self._data)
        self.backed_up = 0.0
        return True

    @property
    def _data(self) -> Path:
        return self.runtime.settings.data_dir / "valkey"

    def step_clock(self, seconds: float) -> None:
        """Let the clock of Redis step."""
        self.runtime.redis.eval(STEP, 1, AHEAD, str(round(seconds * 1000)))

    @property
    def runtime(self) -> Runtime:
        if self._runtime is None:
            self._runtime = Runtime(read_settings(self.config))
        return self._runtime

    def fsync_always(self) -> bool:
        """Configure the server, which may have been restarted; return whether it responds."""
        with contextlib.suppress(RedisError, OSError, ConfigError):
            self.runtime.redis.config_set("appendfsync", "always")
            if not self._declared:
                self.runtime.ledger.assume_no_predecessor()
                self._declared = True
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
        """Return the MiB (PSS) of each role, for the pool those of its largest process, and what Redis holds."""
        roles = {role: self.processes(role) for role in ROLES} | {"pool process": self.pool()}
        roles["systems"] = [psutil.Process(self._systems.pid)]
        if self.web is not None and self.web.poll() is None:
            roles["console"] = [psutil.Process(self.web.pid)]
        sizes: dict[str, float] = {}
        for role, processes in roles.items():
            with contextlib.suppress(psutil.Error, ValueError):
                sizes[role] = max(process.memory_full_info().pss / 2**20 for process in processes)
        with contextlib.suppress(RedisError, OSError, ConfigError):
            sizes["Redis (data)"] = int(self.runtime.redis.info("memory")["used_memory"]) / 2**20
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
        if self.web is not None:
            self.web.terminate()
            self.web.wait()
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
