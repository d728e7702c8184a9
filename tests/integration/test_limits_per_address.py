"""Processes with different outgoing addresses: each keeps its own limit."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from support.settings_texts import Configured, dropday, retailcrm, route

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


def calls(addresses: list[str]) -> list[list[float]]:
    """When each of the processes, one for each address, was let out."""
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
    each = calls(addresses)
    assert least <= sum(map(len, each)) <= most
    together = each if addresses[0] else [sorted(itertools.chain(*each))]
    for moments in together:
        # 10/s, in any second that one looks at; each moment is told a little after it was.
        assert all(later - first > 0.9 for first, later in zip(moments, moments[10:], strict=False))
