"""The order APIs that orders are read from, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.providers.contract import Provider
from worker.providers.dropboy import Dropboy
from worker.providers.dropday import Dropday
from worker.providers.dropstream import DropStream
from worker.providers.ordercloud import OrderCloud
from worker.providers.retailcrm import RetailCRM
from worker.registry import kinds

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
