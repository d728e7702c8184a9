"""Read one page of the provider `shop` repeatedly, either completely or only its HTTP requests.

`python -m bench.programs.reader PAGES LANE` with $INTAKE_CONFIG fetches the page, normalizes it and accepts it into a
ledger that grows, as a poll does: with the log at level info in a file, and the garbage collector as a worker sets it.
Each page brings new orders, with ids of its own. LANE is "few", if the orders of a page are gone
from the lane when the next one comes, or "many", if all of them wait. `python -m bench.programs.reader PAGES URL FILE`
only sends the requests of that page (the keys of FILE) with one `requests.Session` and parses each response with
`json.loads`. Both print {"records", "wall", "cpu"}, in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import requests
import structlog

from tasks.dead_records import DeadRecords
from tasks.poll import accept_page
from worker.app import share_memory
from worker.http.gates import Gate, Open
from worker.runtime import Adapters, Runtime, read_settings
from worker.store.redis import keys
from worker.telemetry.log import configure

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Order
    from worker.settings.accounts import Account
    from worker.systems.provider import Record


#: Pages that are read before the measurement, after which enough orders wait for the lane to count as long.
WARM = 6


class Unlimited(Adapters):
    """Adapters whose calls wait for no limit."""

    def gate_of(self, account: Account) -> Gate:
        """Return a gate that is always open."""
        return Open()


def complete_reader(lane: str) -> tuple[Callable[[], int], Callable[[], object]]:
    """Return a function that reads the page as `tasks.poll` does, and one that prepares the lane for the next page."""
    settings = read_settings()
    rt, provider = Runtime(settings), Unlimited(settings).providers["shop"]
    rt.redis.flushall()
    start, numbers = provider.start(datetime(2020, 1, 1, tzinfo=UTC)), count(1)
    normalize, log = provider.normalize, structlog.get_logger()
    dead = DeadRecords(provider, lambda *_: False)

    def read_page() -> int:
        page, number = provider.fetch(start), next(numbers)

        def normalize_as_new(record: Record) -> Order:
            """Normalize a record; the recorded page has the same ids each time."""
            order = normalize(record)
            return order.model_copy(update={"external_id": f"{order.external_id}-{number}"})

        provider.normalize = normalize_as_new  # type: ignore[method-assign]
        counts = accept_page(rt, dead, provider, page, lambda *_: None)
        log.info("provider.polled", provider=provider.name, records=len(page.records), more=page.more, **counts)
        if counts["malformed"] or counts["new"] != len(page.records):
            sys.exit(f"of {len(page.records)} records only {counts} were accepted")
        return len(page.records)

    due = keys.LaneKeys.of("sink").due
    return read_page, (lambda: rt.redis.delete(due)) if lane == "few" else (lambda: None)


def bare_reader(url: str, file: Path) -> tuple[Callable[[], int], Callable[[], object]]:
    """Return a function that sends the same requests and parses the responses, and one that does nothing."""
    session = requests.Session()
    calls = [request.split(" ", 1) for request in json.loads(file.read_text(encoding="utf-8"))]

    def read_page() -> int:
        for method, path in calls:
            response = session.request(method, url + path, timeout=30)
            json.loads(response.text)
        return 0

    return read_page, lambda: None


def measure(read_page: Callable[[], int], prepare: Callable[[], object], pages: int) -> dict[str, float]:
    """Read the page repeatedly, and return the records and the time."""
    for _ in range(WARM):  # opens connections, compiles models, loads scripts, fills the lane
        prepare()
        read_page()
    records, wall, cpu = 0, 0.0, 0.0
    for _ in range(pages):
        prepare()
        began, used = time.perf_counter(), time.process_time()
        records += read_page()
        wall += time.perf_counter() - began
        cpu += time.process_time() - used
    return {"records": records, "wall": wall, "cpu": cpu}


def main(pages: int, first: str, *others: str) -> None:
    """Measure one of the two sides, and print the result."""
    if others:
        print(json.dumps(measure(*bare_reader(first, Path(others[0])), pages)))
        return
    share_memory()
    with TemporaryFile("w", encoding="utf-8") as lines:
        configure("info", stream=lines)
        print(json.dumps(measure(*complete_reader(first), pages)))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
