"""The tutorial and the pages on changes, command by command as they are written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.page_blocks import blocks
from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.paced, pytest.mark.repeat]

DOCS = Path(__file__).parents[2] / "deploy" / "docs"


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

    def run(self, text: str) -> str:
        words = ["bash", "-ec", text]
        done = subprocess.run(
            words, cwd=self.home, env=self.environ, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        if text.startswith("mkdir -p intake-tutorial"):
            self.home /= "intake-tutorial"
        return done.stdout + done.stderr

    def _leave(self, text: str) -> None:
        number = len(self.running)
        with (self.home / f"terminal-{number}").open("wb") as output:
            self.running.append(
                subprocess.Popen(
                    ["bash", "-ec", f"exec {text.partition(chr(10))[2].strip()}"],
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

    def until_delivered(self, *shops: str) -> None:
        end = time.monotonic() + 120
        while True:
            status = self.status()
            lane = status["lanes"]["warehouse"]
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


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    somebody = Reader(tmp_path)
    yield somebody
    somebody.stop()


@pytest.mark.timeout(600)
def test_the_tutorial_and_the_pages_on_changes_work_as_they_are_written(reader: Reader) -> None:
    said = reader.follow("tutorial.md")
    assert "error" not in "".join(said[2:3])
    assert re.search(r"shop-nl +retailcrm", "".join(said))
    reader.until_delivered("shop-nl", "shop-be", "shop-de")
    for shop in ("shop-nl", "shop-be", "shop-de"):
        reader.run(f"intake reconcile {shop} warehouse --since 30d")
    changed = reader.follow("change-a-key.md", **{"THE_NEW_KEY": "key-of-nl", "secrets/shop_nl": "secrets/nl"})
    assert "shop-nl" in "".join(changed)
    text = (reader.home / "intake.toml").read_text()
    reader.run('intake pause shop-be --reason "shop closed"')
    kept = re.sub(r"(?s)\[providers\.shop-be\].*?\n\n", "", text)
    (reader.home / "intake.toml").write_text(re.sub(r'(?s)\[\[routes\]\]\nfrom = "shop-be".*?\n\n', "", kept))
    left = reader.follow("remove-a-shop.md")
    assert "shop-be is given up" in left[-1]
    assert "shop-be" not in reader.status()["providers"]
