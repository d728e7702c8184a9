"""The adapter of the target that accepts duplicates: Dropday's own, declared so."""

from __future__ import annotations

from typing import ClassVar

from worker.systems.dropday.target import Dropday


class Depot(Dropday):
    """A Dropday that creates a second order with the same external_id."""

    kind: ClassVar[str] = "depot"
    dedupes: ClassVar[bool] = False
