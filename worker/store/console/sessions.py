"""The sessions of the console. Redis keeps the digest of each token, so nobody who reads Redis can use a session."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from worker.store.redis import keys

if TYPE_CHECKING:
    from redis import Redis

    from worker.store.console.users import User

#: Milliseconds for which a notice waits for the next page.
_NOTICE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Session:
    """A session: its token, which only the browser keeps, and its user."""

    token: str
    user: str
    #: The stamp of the user when the session began (see `User.stamp`).
    stamp: str
    #: The secret that every form of the session carries.
    csrf: str
    #: What the next page tells the user; "" for nothing.
    notice: str = ""


class Sessions:
    """All sessions. A session ends `idle` seconds after its last use, and `absolute` seconds after its beginning."""

    def __init__(self, redis: Redis, *, idle: float, absolute: float) -> None:
        self._redis, self._idle_ms, self._absolute_ms = redis, round(idle * 1000), round(absolute * 1000)

    def start(self, user: User) -> Session:
        """Begin a session with a token that nobody knew before."""
        session = Session(secrets.token_urlsafe(32), user.name, user.stamp, secrets.token_urlsafe(32))
        digest = digest_of(session.token)
        fields: dict[Any, Any] = {"user": session.user, "stamp": session.stamp, "csrf": session.csrf}
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.console_session(digest), mapping=fields)
            pipe.pexpire(keys.console_session(digest), min(self._idle_ms, self._absolute_ms))
            pipe.set(keys.console_session_end(digest), "1", px=self._absolute_ms)
            pipe.execute()
        return session

    def read(self, token: str, *, used: bool) -> Session | None:
        """Return the session of a token, without its notice; None if it is over.

        With `used`, its idle time begins again, and a notice is returned once.
        """
        digest = digest_of(token)
        name = keys.console_session(digest)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(name)
            pipe.exists(keys.console_session_end(digest))
            if used:
                pipe.pexpire(name, self._idle_ms)
                pipe.getdel(keys.console_session_notice(digest))
            fields, lasts, *rest = pipe.execute()
        if not fields or not lasts:
            return None
        known = cast("dict[str, str]", fields)
        return Session(token, known["user"], known["stamp"], known["csrf"], (rest[1] or "") if used else "")

    def tell(self, session: Session, notice: str) -> None:
        """Let the next page of the session show `notice`, which holds no personal data."""
        self._redis.set(keys.console_session_notice(digest_of(session.token)), notice, px=_NOTICE_MS)

    def end(self, token: str) -> None:
        """End the session of a token, if it has one."""
        digest = digest_of(token)
        self._redis.delete(keys.console_session(digest), keys.console_session_end(digest))


def digest_of(text: str) -> str:
    """Return the digest under which Redis keeps what only its owner may know."""
    return hashlib.sha256(text.encode()).hexdigest()
