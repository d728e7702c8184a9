"""Parameters the way PHP reads them: `filter[ids][]=1` becomes `{"filter": {"ids": ["1"]}}`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl


def parameters(text: str) -> dict[str, Any]:
    """Read a query string or a form; maps with the keys `0, 1, 2, ...` come back as lists."""
    result: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *rest = name.split("[")
        keys = [head, *(key.removesuffix("]") for key in rest)]
        place = result
        for key in keys[:-1]:
            inner = place.setdefault(key or str(len(place)), {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[keys[-1] or str(len(place))] = value
    return {key: _lists(value) for key, value in result.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_lists(inner) for inner in value.values()]
    return {key: _lists(inner) for key, inner in value.items()}
