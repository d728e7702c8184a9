"""Processes with different outgoing addresses: each address has its own limit."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from support.settings_texts import Configured, dropday, retailcrm, route

#: After a common start, enters the gate repeatedly for 3 s and prints the time of each entry.
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
        gate.depart()
        print(time.monotonic(), flush=True)
    except RateLimited as limited:
        time.sleep(limited.delay)
"""


def entry_times(addresses: list[str]) -> list[list[float]]:
    """Run one process per address; return the times at which each entered the gate."""
    command = [sys.executable, "-c", CALLER]
    running = [
        subprocess.Popen(
            command, env=os.environ | {"INTAKE_ADDRESS": name}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
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
def test_two_addresses_have_twice_the_limit_and_each_keeps_its_own(
    configured: Configured, addresses: list[str], least: int, most: int
) -> None:
    configured.write(
        retailcrm("providers.shop", "https://shop.example")
        + dropday("targets.store", "https://store.example")
        + route("shop", "store")
    )
    times = entry_times(addresses)
    assert least <= sum(map(len, times)) <= most
    groups = times if addresses[0] else [sorted(itertools.chain(*times))]
    for moments in groups:
        # 10/s in any second; 0.9 s because each time is printed shortly after the entry.
        assert all(later - first > 0.9 for first, later in zip(moments, moments[10:], strict=False))
