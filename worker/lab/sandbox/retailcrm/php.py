"""Reads parameters as PHP does: `filter[ids][]=1` becomes `{"filter": {"ids": ["1"]}}`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl


def parameters(text: str) -> dict[str, Any]:
    """Return the parameters of a query string or a form; maps with the keys `0, 1, 2, ...` become lists."""
    result: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, *rest = name.split("[")
        keys = [head, *(key.removesuffix("]") for key in rest)]
        level = result
        for key in keys[:-1]:
            inner = level.setdefault(key or str(len(level)), {})
            if not isinstance(inner, dict):
                break
            level = inner
        else:
            level[keys[-1] or str(len(level))] = value
    return {key: _lists(value) for key, value in result.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_lists(inner) for inner in value.values()]
    return {key: _lists(inner) for key, inner in value.items()}
