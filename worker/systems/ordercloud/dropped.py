"""The fields of an order that OrderCloud is not sent, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The fields of an order that OrderCloud is not sent, and why.
DROPPED: Final[Mapping[str, str]] = {
    "cancelled_lines": "what was cancelled is neither shipped nor charged",
    "combined_into": "an order that was combined is cancelled",
    "removed": "an order that was removed is cancelled",
    "uncounted": "kept by Intake to detect changes",
    "updated_at": "kept by Intake to detect changes",
    "version": "kept by Intake to detect changes",
    "provider": "the reference and xp.Intake.Order identify the order",
    "external_id": "the reference and xp.Intake.Order identify the order",
}
