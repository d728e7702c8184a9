"""The systems that orders are created in, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.systems.dropboy.target import Dropboy
from worker.systems.dropday.target import Dropday
from worker.systems.ordercloud.target import OrderCloud
from worker.systems.registry import kinds
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
    """Ours, then those that other packages bring under the entry point `intake.targets`; raises ConfigError."""
    return kinds("intake.targets", Target, BUILT_IN)
