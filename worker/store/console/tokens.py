"""The tokens of the API: only a hash of each is kept."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from worker.store.console.users import ROLES
from worker.store.redis import clock, keys

if TYPE_CHECKING:
    from redis import Redis

    from worker.store.console.users import Role

#: The form of a name, and of a token: whoever finds one sees what it is for, and programs that search for secrets too.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_TOKEN: Final = re.compile(r"intake_([a-z0-9][a-z0-9-]{0,40})_([0-9a-f]{48})")
#: Random bytes of a token. A hash without a salt is enough for them: nobody can try that many.
_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its name, its role, and when it was added (Unix milliseconds)."""

    name: str
    role: Role
    since: int

    def may(self, role: Role) -> bool:
        """Return whether the token may do what `role` may do."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Tokens:
    """All tokens, by name."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def add(self, name: str, role: Role) -> str | None:
        """Add a token and return its text, which nobody can read again; None if there is one of this name."""
        text = f"intake_{name}_{secrets.token_hex(_BYTES)}"
        kept = json.dumps({"hash": _hash(text), "role": role, "since": clock.now(self._redis)})
        return text if self._redis.hsetnx(keys.CONSOLE_TOKENS, name, kept) else None

    def remove(self, name: str) -> bool:
        """Remove a token, which is refused from now on; return False if there is none of this name."""
        return bool(self._redis.hdel(keys.CONSOLE_TOKENS, name))

    def all(self) -> list[Token]:
        """Return all tokens, by name."""
        kept = cast("dict[str, str]", self._redis.hgetall(keys.CONSOLE_TOKENS))
        return [_token(name, json.loads(text)) for name, text in sorted(kept.items())]

    def read(self, text: str) -> Token | None:
        """Return the token with this text; None if there is none."""
        if (match := _TOKEN.fullmatch(text)) is None:
            return None
        kept = cast("str | None", self._redis.hget(keys.CONSOLE_TOKENS, match[1]))
        if kept is None:
            return None
        known = json.loads(kept)
        return _token(match[1], known) if secrets.compare_digest(known["hash"], _hash(text)) else None


def _token(name: str, kept: dict[str, object]) -> Token:
    return Token(name, cast("Role", kept["role"]), cast("int", kept["since"]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
