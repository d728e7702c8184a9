"""Let orders flow through the lane of the benchmark `console` until killed: `python -m bench.programs.flow RATE`."""

from __future__ import annotations

import sys
import time

from bench.harness import make_order
from bench.programs.filled import DELIVERED, settle
from worker.runtime import Runtime, read_settings

#: Pages in a second.
_PAGES = 10


def main(rate: int) -> None:
    """Accept and deliver `rate` orders per second."""
    size = rate // _PAGES
    with Runtime(read_settings()) as rt:
        print(1, flush=True)
        due, number = time.monotonic(), 0
        while True:
            orders = [
                make_order(number + n).model_copy(update={"external_id": f"flow-{number + n}"}) for n in range(size)
            ]
            settle(rt, orders, DELIVERED)
            number, due = number + size, due + 1 / _PAGES
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
