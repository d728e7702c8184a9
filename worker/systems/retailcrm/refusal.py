"""How RetailCRM, API version 5, says no (docs.simla.com, "APIErrorMessage")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from worker.errors import Rejected, Uncertain

if TYPE_CHECKING:
    from worker.http.client import Answer

_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,99}")


class Refusal:
    """Their texts may repeat what we sent, so they go into `fields` only, and field names alone into `names`."""

    def __init__(self, said: dict[str, Any]) -> None:
        errors, message = said.get("errors"), said.get("errorMsg")
        by_field: dict[str, object] = errors if isinstance(errors, dict) else {}
        self.fields = by_field or ({"errors": errors} if errors else {"errorMsg": message} if message else {})
        self.names = ", ".join(sorted(name for name in by_field if _FIELD.fullmatch(name))) or "no field named"
        self._texts = [message, *(errors if isinstance(errors, list) else by_field.values())]

    def as_error(self, answer: Answer) -> Rejected:
        """The refusal as an error."""
        return Rejected(f"{answer.request}: status {answer.status}: {self.names}", self.fields)

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Whether any of their texts is like this."""
        return any(pattern.search(text) for text in self._texts if isinstance(text, str))


def refused(answer: Answer) -> Refusal:
    """What an answer says, if it says anything."""
    with suppress(Uncertain):  # refused for certain, however it is said
        said = answer.json()
        return Refusal(said if isinstance(said, dict) else {})
    return Refusal({})
