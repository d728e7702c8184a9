"""Compare the contents of two settings files by a short text."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Tables that differ from host to host: the addresses of Redis and of the broker.
_OF_THE_HOST: Final = frozenset({"redis", "celery"})


def fingerprint(values: Mapping[str, Any]) -> str:
    """Return a short text that two files have in common if their accounts, routes and clocks are the same."""
    common = {name: value for name, value in values.items() if name not in _OF_THE_HOST}
    text = json.dumps(common, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
