"""A reader who copies the commands of a page into a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from support.page_blocks import blocks
from support.ports import free_port
from support.source_texts import ROOT

DOCS = ROOT / "deploy" / "docs"


class Reader:
    """Somebody who copies each block of a page into a shell with almost nothing in its environment."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(home), "COLUMNS": "100"}
        self.running: list[subprocess.Popen[bytes]] = []

    def follow(self, page: str, **replaced: str) -> list[str]:
        """Run the blocks of a page, and return the output of each; `replaced`: what the page names otherwise."""
        said = []
        for block in blocks(DOCS / page):
            text = block.text.replace("9900", str(self.port))
            for old, new in replaced.items():
                text = text.replace(old.replace("_", "-"), new)
            if block.stays:
                self._leave(text)
            else:
                said.append(self.run(text))
        return said

    def run(self, text: str, code: int | None = 0) -> str:
        """Run commands in the folder of the reader; return their output. They must end with `code`; None: with any."""
        words = ["bash", "-ec", text]
        done = subprocess.run(
            words, cwd=self.home, env=self.environ, capture_output=True, text=True, check=False, timeout=180
        )
        assert code in {None, done.returncode}, f"{text}\n{done.stdout}\n{done.stderr}"
        if text.startswith("mkdir -p intake-tutorial"):
            self.home /= "intake-tutorial"
        return done.stdout + done.stderr

    def _leave(self, text: str) -> None:
        """Start a program that keeps running, without the first line of its block."""
        self.start(text.partition("\n")[2].strip())

    def start(self, text: str) -> None:
        """Start a program that keeps running."""
        number = len(self.running)
        with (self.home / f"terminal-{number}").open("wb") as output:
            self.running.append(
                subprocess.Popen(
                    ["bash", "-ec", f"exec env {text}"],
                    cwd=self.home,
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )
        time.sleep(3)
        assert self.running[-1].poll() is None, (self.home / f"terminal-{number}").read_text()

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run("intake status --json"))
        return document

    def until_delivered(self, *shops: str, target: str = "warehouse") -> None:
        end = time.monotonic() + 120
        while True:
            status = self.status()
            lane = status["lanes"][target]
            if all(status["providers"].get(shop, {}).get("records") for shop in shops) and not (
                lane["queued"] or lane["in_flight"]
            ):
                return
            assert time.monotonic() < end, status
            time.sleep(1)

    def stop(self) -> None:
        for process in reversed(self.running):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
