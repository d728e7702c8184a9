"""The order APIs that orders are read from, by kind."""

from __future__ import annotations

from functools import cache
from typing import Final

from worker.systems.provider import Provider
from worker.systems.registry import Kinds, load_kinds

BUILT_IN: Final = {
    "dropboy": "worker.systems.dropboy.provider:Dropboy",
    "dropday": "worker.systems.dropday.provider:Dropday",
    "dropstream": "worker.systems.dropstream.provider:DropStream",
    "ordercloud": "worker.systems.ordercloud.provider:OrderCloud",
    "retailcrm": "worker.systems.retailcrm.provider:RetailCRM",
}


@cache
def provider_kinds() -> Kinds[Provider]:
    """Return the built-in kinds and those that other packages bring under the entry point `intake.providers`.

    Raises ConfigError for an entry point that cannot be used.
    """
    return load_kinds("intake.providers", Provider, BUILT_IN)
