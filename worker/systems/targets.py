"""The systems that orders are created in, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.systems.registry import Kinds, load_kinds
from worker.systems.target import Target

BUILT_IN: Final = {
    "dropboy": "worker.systems.dropboy.target:Dropboy",
    "dropday": "worker.systems.dropday.target:Dropday",
    "ordercloud": "worker.systems.ordercloud.target:OrderCloud",
    "retailcrm": "worker.systems.retailcrm.target:RetailCRM",
}


@cache
def target_kinds() -> Kinds[Target]:
    """Return the built-in kinds and those that other packages bring under the entry point `intake.targets`.

    Raises ConfigError for an entry point that cannot be used.
    """
    return load_kinds("intake.targets", Target, BUILT_IN)
