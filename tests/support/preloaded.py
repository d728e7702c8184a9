"""What the processes that tests fork run: the simulators, and the walkers of the crash matrix."""

from __future__ import annotations

import gc

import tasks.deliver
import tasks.listen
import tasks.poll
import tasks.sweep
import worker.lab.sandbox.server
import worker.lab.sandbox.world

__all__ = ["tasks", "worker"]

# A garbage collection in a forked process would copy the memory of all this code.
gc.collect()
gc.freeze()
