"""The order APIs that orders are read from, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.systems.dropboy.provider import Dropboy
from worker.systems.dropday.provider import Dropday
from worker.systems.dropstream.provider import DropStream
from worker.systems.ordercloud.provider import OrderCloud
from worker.systems.provider import Provider
from worker.systems.registry import kinds
from worker.systems.retailcrm.provider import RetailCRM

BUILT_IN: Final[dict[str, type[Provider]]] = {
    Dropboy.kind: Dropboy,
    Dropday.kind: Dropday,
    DropStream.kind: DropStream,
    OrderCloud.kind: OrderCloud,
    RetailCRM.kind: RetailCRM,
}


@cache
def provider_kinds() -> dict[str, type[Provider]]:
    """Ours, then those that other packages bring under the entry point `intake.providers`; raises ConfigError."""
    return kinds("intake.providers", Provider, BUILT_IN)
