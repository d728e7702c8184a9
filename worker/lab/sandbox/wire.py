"""How simulated systems write JSON, moments and tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final

_SIGNING_KEY: Final = b"sandbox"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump(value: object) -> bytes:
    """Return JSON as it is sent over the wire."""
    return _encode(value).encode()


def utc_text(moment: float, precision: str = "milliseconds") -> str:
    """Return a moment (seconds since 1970) as ISO 8601 in UTC, ending in Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def without_none(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def merge(old: Any, new: Any) -> Any:
    """Return `new` merged into `old`, object by object; any other value of `new` replaces the old one."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: merge(old.get(name), value) for name, value in new.items()}}


def json_web_token(claims: dict[str, Any]) -> str:
    """Return a signed token (JWT, HS256) with these claims and a `jti` of its own."""
    parts = dump({"alg": "HS256", "typ": "JWT"}), dump({**claims, "jti": str(uuid.uuid4())})
    signed = b".".join(map(_base64, parts))
    return (signed + b"." + _base64(hmac.digest(_SIGNING_KEY, signed, hashlib.sha256))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
