"""The same work without a queue or a ledger: orders in memory, one `requests.Session`, one call per order.

`python -m bench.programs.loop URL` reads a JSON list of normalized orders, prints "ready", and starts when it reads
another line.
"""

from __future__ import annotations

import json
import sys

import requests

from bench.programs.body import HEADERS, body_of


def main(url: str) -> None:
    """Send all orders."""
    orders = json.loads(sys.stdin.readline())
    session = requests.Session()
    print("ready", flush=True)
    sys.stdin.readline()
    for order in orders:
        response = session.post(f"{url}/api/v1/orders", json=body_of(order), headers=HEADERS, timeout=30)
        response.raise_for_status()
        response.json()


if __name__ == "__main__":
    main(sys.argv[1])
