"""A simulated system behind its limit, and its journal."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from worker.http.client import Client
from worker.http.gates import Open

if TYPE_CHECKING:
    from collections.abc import Iterator


class Simulated:
    """One account of a simulated system."""

    def __init__(self, base: str, system: str) -> None:
        self.base, self.system = base, system
        self._admin = Client(base, gate=Open(), headers={})

    @property
    def url(self) -> str:
        """The base URL of the account."""
        return f"{self.base}/{self.system}/main"

    def orders(self) -> int:
        """Return the number of orders in the account."""
        return int(self._admin.read("/_sandbox/stats").json()[self.system]["orders"]["main"])

    def add(self, count: int) -> None:
        """Place orders in the account."""
        self._admin.write("POST", f"/_sandbox/{self.system}/main/orders", json={"count": count, "over": 0})

    def calls(self) -> list[dict[str, Any]]:
        """Return every request to the system, oldest first, with its time `mono` (in seconds) and its `status`."""
        entries = self._admin.read("/_sandbox/journal").json()["entries"]
        return [entry for entry in entries if entry["kind"] == "request" and entry["system"] == self.system]


@contextlib.contextmanager
def simulated(system: str, options: str = "", *arguments: str) -> Iterator[Simulated]:
    """Run a simulated system during the block; `options` (":key=value") configure its account."""
    account = ["--systems", system, "--account", f"{system}:main{options}", *arguments]
    command = [sys.executable, "-m", "worker.lab.sandbox", "--parent", str(os.getpid()), *account]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise click.ClickException("the simulated system did not start; its output is above")
            yield Simulated(f"http://127.0.0.1:{json.loads(line)['port']}", system)
        finally:
            process.kill()
