"""The whole pipeline in one process: a runtime between two simulated systems."""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any, Self

import structlog

import tasks.deliver
import tasks.poll
import worker.telemetry.log
from support.redis_text import make_due
from support.sandbox import Sandbox
from support.settings_texts import EVERYTHING
from worker.lab.history.compare import Comparison, compare
from worker.lab.history.essence import in_source, in_target
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    #: Takes the initial number of orders, and options of `Sandbox`.
    MakePipeline = Callable[..., "Pipeline"]

CONFIG = """\
[redis]
url = "env:PIPELINE_REDIS"

[providers.shop]
kind = "retailcrm"
url = "{shop}"
api_key = "env:PIPELINE_SHOP_KEY"
poll_every = "1ms"
overlap = 0
start = "{start}"
{provider}

[targets.dropday]
kind = "dropday"
url = "{dropday}"
api_key = "env:PIPELINE_DROPDAY_KEY"
account_id = "env:PIPELINE_DROPDAY_ACCOUNT"
limit = "none"
{target}

[[routes]]
from = "shop"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
{route}
"""
PLACEHOLDER = 'placeholder = "-"'


class Pipeline:
    """Simulator, settings and runtime; `open` makes a new runtime, like a restart with other settings."""

    def __init__(
        self, home: Path, redis_url: str, environment: pytest.MonkeyPatch, orders: int = 0, **sandbox: Any
    ) -> None:
        accounts = [f"retailcrm:main:orders={orders}:spread=3600", "dropday:main:dedupe=off"]
        self.box = Sandbox(accounts=sandbox.pop("accounts", accounts), **sandbox)
        self._file, self._environment = home / "intake.toml", environment
        environment.setenv("PIPELINE_REDIS", redis_url)
        self.nudges: list[tuple[str, str]] = []
        self.rt: Runtime

    def open(  # noqa: PLR0913  # settings of one start, each named at the call
        self,
        *,
        provider: str = "",
        start: str = EVERYTHING,
        target: str = PLACEHOLDER,
        route: str = "",
        shop_key: str = Sandbox.KEY,
        dropday_key: str = Sandbox.KEY,
    ) -> Self:
        """Write the settings and make the runtime."""
        self.close()
        for name, value in (
            ("SHOP_KEY", shop_key),
            ("DROPDAY_KEY", dropday_key),
            ("DROPDAY_ACCOUNT", self.box.ACCOUNT_ID),
        ):
            self._environment.setenv(f"PIPELINE_{name}", value)
        shop, dropday = self.box.url("retailcrm"), self.box.url("dropday")
        self._file.write_text(
            CONFIG.format(shop=shop, dropday=dropday, start=start, provider=provider, target=target, route=route)
        )
        self.rt = Runtime(read_settings(self._file))
        return self

    def close(self) -> None:
        """Close the runtime if there is one."""
        if hasattr(self, "rt"):
            self.rt.close()

    def nudge(self, task: str, name: str) -> None:
        self.nudges.append((task, name))

    def poll(self) -> None:
        """Poll now, even if the last failure delayed the next poll."""
        self.rt.redis.hdel("intake:cursor:shop", "retry_at")
        tasks.poll.poll(self.rt, "shop", self.nudge)

    def deliver(self) -> None:
        """Deliver the orders that are due; a closed limit stays closed."""
        tasks.deliver.deliver(self.rt, "dropday", self.nudge)

    def deliver_all(self, within: float = 15.0) -> None:
        """Deliver until no order waits: skip the backoff and the breaker, but wait for a closed limit."""
        lane = self.rt.lanes["dropday"]
        until = time.monotonic() + within
        while lane.status()["queued"]:
            assert time.monotonic() < until, f"still not delivered after {within} s: {lane.status()}"
            make_due(self.rt.redis, lane)
            self.rt.redis.hdel(lane.keys.lane, "closed_until")
            time.sleep(lane.scope.closed_seconds())
            self.deliver()

    def cursor(self) -> str | None:
        return self.rt.cursors.status("shop").get("value")

    def status(self) -> dict[str, str]:
        return self.rt.cursors.status("shop")

    def lane(self) -> dict[str, int | str]:
        return self.rt.lanes["dropday"].status()

    def record(self, external_id: str) -> dict[str, str]:
        """Return the ledger's record of an order."""
        (entry,) = self.rt.ledger.entries(["dropday"], f"shop:{external_id}")
        return entry.record

    def created(self) -> list[str]:
        """Return the external ids of the created orders from the simulator's journal, duplicates included."""
        effects = self.box.journal(kind="effect", system="dropday", did="created")
        return [entry["external_id"] for entry in effects]

    def compare(self) -> Comparison:
        source = in_source("retailcrm", "shop", self.box.orders("retailcrm"))
        return compare(source, in_target("dropday", self.box.orders("dropday"), "shop"))


@contextmanager
def pipelines(home: Path, redis_url: str, environment: pytest.MonkeyPatch) -> Iterator[MakePipeline]:
    """Yield a function that starts a pipeline; its `open` makes the runtime."""
    made: list[Pipeline] = []

    def start(orders: int = 0, **sandbox: Any) -> Pipeline:
        made.append(Pipeline(home, redis_url, environment, orders, **sandbox))
        made[-1].box.start()
        return made[-1]

    try:
        yield start
    finally:
        for pipeline in made:
            pipeline.close()
            pipeline.box.stop()


@contextmanager
def log_lines() -> Iterator[StringIO]:
    """Capture the log at level debug, as JSON lines."""
    stream, root = StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    worker.telemetry.log.configure("debug", "json", stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def logged(lines: StringIO, event: str) -> list[dict[str, Any]]:
    """Return the log lines of this event."""
    entries = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in entries if line["event"] == event]
