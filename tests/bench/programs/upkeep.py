"""Sweep all lanes as `tasks.sweep` does, and print {"sweep"}: the processor time of one, in seconds."""

from __future__ import annotations

import json
import time

from tasks.sweep import sweep
from worker.runtime import Runtime, read_settings

#: Sweeps that are measured, after one that loads the scripts.
SWEEPS = 10


def main() -> None:
    """Sweep repeatedly, and print the processor time."""
    with Runtime(read_settings()) as rt:
        sweep(rt, lambda *_: None)
        began = time.process_time()
        for _ in range(SWEEPS):
            sweep(rt, lambda *_: None)
        print(json.dumps({"sweep": (time.process_time() - began) / SWEEPS}))


if __name__ == "__main__":
    main()
