"""The same work without a queue or a ledger: orders in memory, one `requests.Session` for each thread.

`python -m bench.programs.loop URL [THREADS]` reads a JSON list of normalized orders, prints "ready", and starts when it
reads another line. With one thread, which is the default, there is no pool.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import requests

from bench.programs.body import HEADERS, body_of

if TYPE_CHECKING:
    from collections.abc import Callable


def sender(url: str) -> Callable[[dict[str, Any]], None]:
    """Return a function that sends one order, through the session of its thread."""
    local = threading.local()

    def send(order: dict[str, Any]) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        response = local.session.post(f"{url}/api/v1/orders", json=body_of(order), headers=HEADERS, timeout=30)
        response.raise_for_status()
        response.json()

    return send


def main(url: str, threads: int = 1) -> None:
    """Send all orders."""
    orders = json.loads(sys.stdin.readline())
    send = sender(url)
    print("ready", flush=True)
    sys.stdin.readline()
    if threads == 1:
        for order in orders:
            send(order)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in pool.map(send, orders):
            assert done is None


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
