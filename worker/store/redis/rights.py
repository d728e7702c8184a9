"""The rights of a user of Redis beyond what Intake needs, and whether Redis lets everybody in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.retry import Retry

from worker.store.redis.address import RedisAddress

if TYPE_CHECKING:
    from redis import Redis

#: Commands that no process of Intake needs, and what they allow. None of them changes anything as it stands here.
_POWERS: Final = {
    "ACL WHOAMI": "read and change the users of Redis",
    "CONFIG GET maxmemory": "read and change the configuration of Redis",
    "KEYS intake:nothing": "list the names of all keys, which holds up Redis",
    "CLIENT NO-EVICT off": "change and end the connections of others",
    "FUNCTION STATS": "install programs in Redis",
    "EXISTS another-application": "read and change the keys of other applications",
}
_SECONDS: Final = 5.0


def unneeded_rights(redis: Redis) -> list[str]:
    """Return what the user of this connection may do though Intake never does it. Redis logs each refusal (ACL LOG)."""
    return [right for command, right in _POWERS.items() if _may(redis, command)]


def _may(redis: Redis, command: str) -> bool:
    try:
        redis.execute_command(*command.split())  # type: ignore[no-untyped-call]
    except NoPermissionError:
        return False
    except ResponseError as error:
        # A server that does not know the command grants nothing by it.
        return "unknown" not in str(error).lower()
    return True


def lets_everybody_in(address: RedisAddress) -> bool:
    """Return whether this Redis accepts a connection without a password."""
    anybody = RedisAddress(address.hosts, address.path, address.service, address.db, None, None, tls=address.tls)
    options: dict[str, Any] = {
        "socket_timeout": _SECONDS,
        "socket_connect_timeout": _SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        with anybody.client(**options) as redis:
            redis.ping()
    except (AuthenticationError, NoPermissionError):
        return False
    except ResponseError as error:
        if "NOAUTH" in str(error).upper() or "authentication" in str(error).lower():
            return False
        raise
    return True
