"""The adapter of the target that takes doubles: Dropday's own, which says so."""

from __future__ import annotations

from typing import ClassVar

from worker.systems.dropday.target import Dropday


class Depot(Dropday):
    """As Dropday, but a second order of one external_id is made."""

    kind: ClassVar[str] = "depot"
    dedupes: ClassVar[bool] = False
