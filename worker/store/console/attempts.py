"""Failed attempts to sign in to the console, counted for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from worker.store.console.sessions import digest_of
from worker.store.redis import keys

if TYPE_CHECKING:
    from redis import Redis

#: Milliseconds from the first failure of a user name or an address until its failures are forgotten: 15 minutes.
_KEPT_MS: Final = 900_000
#: What attempts are counted for.
Kind = Literal["user", "address"]


class Attempts:
    """Counters by user name and by address; what somebody typed as a name is kept as a digest only."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def count(self, subjects: dict[Kind, str]) -> dict[Kind, int]:
        """Count an attempt for each subject before it is made; return how many each has made, this one included."""
        with self._redis.pipeline(transaction=True) as pipe:
            for kind, subject in subjects.items():
                name = keys.console_attempts(kind, digest_of(subject))
                pipe.incr(name)
                pipe.pexpire(name, _KEPT_MS, nx=True)
            counts = pipe.execute()[::2]
        return dict(zip(subjects, counts, strict=True))

    def seconds_left(self, kind: Kind, subject: str) -> float:
        """Return the seconds until the failures of this subject are forgotten."""
        return max(0, int(self._redis.pttl(keys.console_attempts(kind, digest_of(subject))))) / 1000

    def forget(self, kind: Kind, subject: str) -> None:
        """Forget the failures of a subject, because it is who it says."""
        self._redis.delete(keys.console_attempts(kind, digest_of(subject)))
