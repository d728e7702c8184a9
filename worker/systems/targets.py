"""The systems that orders are created in, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.systems.dropboy.target import Dropboy
from worker.systems.dropday.target import Dropday
from worker.systems.ordercloud.target import OrderCloud
from worker.systems.registry import load_kinds
from worker.systems.retailcrm.target import RetailCRM
from worker.systems.target import Target

BUILT_IN: Final[dict[str, type[Target]]] = {
    Dropboy.kind: Dropboy,
    Dropday.kind: Dropday,
    OrderCloud.kind: OrderCloud,
    RetailCRM.kind: RetailCRM,
}


@cache
def target_kinds() -> dict[str, type[Target]]:
    """Return the built-in kinds and those that other packages bring under the entry point `intake.targets`.

    Raises ConfigError for an entry point that cannot be used.
    """
    return load_kinds("intake.targets", Target, BUILT_IN)
