"""The refusals of RetailCRM, API version 5 (docs.simla.com, "APIErrorMessage")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from worker.errors import Rejected, Uncertain

if TYPE_CHECKING:
    from worker.http.client import Answer

#: "APIErrorMessage", and opencart-module#109: in an English account only.
EXISTS: Final = re.compile(r"externalId=.* already exists|Order already exists", re.DOTALL)
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,99}")


class Refusal:
    """A refusal. Its texts may repeat what we sent, so they are in `fields` only; `names` has the names of fields."""

    def __init__(self, body: dict[str, Any]) -> None:
        errors, message = body.get("errors"), body.get("errorMsg")
        by_field: dict[str, object] = errors if isinstance(errors, dict) else {}
        self.fields = by_field or ({"errors": errors} if errors else {"errorMsg": message} if message else {})
        self.names = ", ".join(sorted(name for name in by_field if _FIELD.fullmatch(name))) or "no field named"
        self._texts = [message, *(errors if isinstance(errors, list) else by_field.values())]

    def as_error(self, answer: Answer) -> Rejected:
        """Return the refusal as an error."""
        return Rejected(f"{answer.request}: status {answer.status}: {self.names}", self.fields)

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Return whether one of its texts matches the pattern."""
        return any(pattern.search(text) for text in self._texts if isinstance(text, str))


def refused(answer: Answer) -> Refusal:
    """Return the refusal of an answer; an empty one if its body cannot be read."""
    with suppress(Uncertain):  # it is a refusal, even if it cannot be read
        body = answer.json()
        return Refusal(body if isinstance(body, dict) else {})
    return Refusal({})
