"""The paths of pages that have an order in them."""

from __future__ import annotations

from urllib.parse import quote


def decision_path(name: str, target: str, key: str) -> str:
    """Return the path of a decision about an order in a target."""
    return f"/decide/{name}/{target}/{quote(key, safe='')}"


def correct_path(target: str, key: str) -> str:
    """Return the path of the correction of an order for a target."""
    return f"/correct/{target}/{quote(key, safe='')}"


def compared_path(provider: str, target: str, key: str) -> str:
    """Return the path of what a comparison found of an order."""
    return f"/compared/{provider}/{target}/{quote(key, safe='')}"


def order_path(key: str) -> str:
    """Return the path of the page of an order."""
    return f"/orders/{quote(key, safe='')}"
