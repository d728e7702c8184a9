"""The users of the console."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from worker.store.redis import clock, keys

if TYPE_CHECKING:
    from redis import Redis

#: viewer: no personal data. support: the data of an order too, and may send it again. operator: everything.
Role = Literal["viewer", "support", "operator"]
#: The roles; each may do what the ones before it may do.
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True, slots=True)
class User:
    """A user. `password` is a hash, "" for a user whom only a proxy identifies."""

    name: str
    role: Role
    password: str = ""
    #: Changes with the password, and ends every session that began before.
    stamp: str = ""
    #: When the user was added (Unix milliseconds).
    since: int = 0

    def may(self, role: Role) -> bool:
        """Return whether the user may do what `role` may do."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Users:
    """All users, by name."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def add(self, name: str, role: Role, password: str) -> bool:
        """Add a user; return False if there is one of this name."""
        user = User(name, role, password, secrets.token_hex(8), clock.now(self._redis))
        return bool(self._redis.hsetnx(keys.CONSOLE_USERS, name, _text(user)))

    def change(self, user: User, *, role: Role | None = None, password: str | None = None) -> None:
        """Change the role or the password of a user, and end the sessions of the user."""
        changed = replace(user, role=role or user.role, stamp=secrets.token_hex(8))
        if password is not None:
            changed = replace(changed, password=password)
        self._redis.hset(keys.CONSOLE_USERS, user.name, _text(changed))

    def remove(self, name: str) -> bool:
        """Remove a user, whose sessions end with it; return False if there is none of this name."""
        return bool(self._redis.hdel(keys.CONSOLE_USERS, name))

    def get(self, name: str) -> User | None:
        """Return the user of this name; None if there is none."""
        text = cast("str | None", self._redis.hget(keys.CONSOLE_USERS, name))
        return None if text is None else User(name, **json.loads(text))

    def all(self) -> list[User]:
        """Return all users, by name."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.CONSOLE_USERS))
        return [User(name, **json.loads(text)) for name, text in sorted(found.items())]

    def exist(self) -> bool:
        """Return whether there is a user at all."""
        return bool(self._redis.exists(keys.CONSOLE_USERS))


def _text(user: User) -> str:
    return json.dumps({"role": user.role, "password": user.password, "stamp": user.stamp, "since": user.since})
