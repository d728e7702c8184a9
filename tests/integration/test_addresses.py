"""Processes that go out by different addresses: each has its own limit, and keeps it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

CONFIG = """\
[redis]
url = "{redis}"
[providers.shop]
kind = "retailcrm"
url = "https://shop.example"
api_key = "env:ADDRESS_KEY"
[targets.store]
kind = "dropday"
api_key = "env:ADDRESS_KEY"
account_id = "env:ADDRESS_KEY"
[[routes]]
from = "shop"
to = ["store"]
"""
#: Asks for its turn for three seconds after a common start, and tells when it got it.
CALLER = """\
import sys, time
from worker.errors import RateLimited
from worker.runtime import Runtime, read_settings
rt = Runtime(read_settings())
gate = rt.scopes[rt.settings.providers["shop"].limit_scope]
print("ready", flush=True)
sys.stdin.readline()
until = time.monotonic() + 3
while time.monotonic() < until:
    try:
        gate.enter()
        print(time.monotonic(), flush=True)
    except RateLimited as limited:
        time.sleep(limited.delay)
"""


def calls(home: Path, addresses: list[str]) -> list[list[float]]:
    """When each of the processes, one for each address, was let out."""
    env = os.environ | {"INTAKE_CONFIG": str(home / "intake.toml"), "ADDRESS_KEY": "k"}
    command = [sys.executable, "-c", CALLER]
    running = [
        subprocess.Popen(
            command, env=env | {"INTAKE_ADDRESS": name}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in addresses
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [[float(line) for line in process.communicate(timeout=60)[0].split()] for process in running]


@pytest.mark.parametrize(("addresses", "least", "most"), [(["nat-a", "nat-b"], 40, 62), (["", ""], 20, 32)])
def test_two_addresses_have_twice_the_limit_and_each_keeps_its_own(  # noqa: PLR0913, PLR0917  # what is compared
    tmp_path: Path, redis: Redis, redis_url: str, addresses: list[str], least: int, most: int
) -> None:
    (tmp_path / "intake.toml").write_text(CONFIG.format(redis=redis_url))
    each = calls(tmp_path, addresses)
    assert least <= sum(map(len, each)) <= most
    together = each if addresses[0] else [sorted(itertools.chain(*each))]
    for moments in together:
        # 10/s, in any second that one looks at; each moment is told a little after it was.
        assert all(later - first > 0.9 for first, later in zip(moments, moments[10:], strict=False))
