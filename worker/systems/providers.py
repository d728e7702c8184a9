"""The order APIs that orders are read from, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.systems.dropboy.provider import Dropboy
from worker.systems.dropday.provider import Dropday
from worker.systems.dropstream.provider import DropStream
from worker.systems.ordercloud.provider import OrderCloud
from worker.systems.provider import Provider
from worker.systems.registry import load_kinds
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
    """Return the built-in kinds and those that other packages bring under the entry point `intake.providers`.

    Raises ConfigError for an entry point that cannot be used.
    """
    return load_kinds("intake.providers", Provider, BUILT_IN)
