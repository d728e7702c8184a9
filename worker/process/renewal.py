"""What a program that is forked from another does not inherit: each module names its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RENEWED_BY: Final[list[Callable[[], Any]]] = []


def renew_by(*calls: Callable[[], Any]) -> None:
    """Let these calls be the first of a program that is forked from this process; not of a process of its pool."""
    _RENEWED_BY.extend(calls)


def renew() -> None:
    """Begin anew, as a process does that has just been started."""
    for call in _RENEWED_BY:
        call()
