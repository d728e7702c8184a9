"""The systems that orders are created in, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.registry import kinds
from worker.targets.contract import Target
from worker.targets.dropboy import Dropboy
from worker.targets.dropday import Dropday
from worker.targets.ordercloud import OrderCloud
from worker.targets.retailcrm import RetailCRM

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
