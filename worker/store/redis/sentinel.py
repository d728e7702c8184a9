"""The address of a Redis behind Sentinels: `sentinel://user:password@host:26379,host2/service?db=0`.

`sentinels://` is the same over TLS, to the Sentinels and to Redis: `…&ssl_ca_certs=/etc/ssl/our-ca.pem`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

if TYPE_CHECKING:
    from redis import Redis

#: Plain, and over TLS.
SCHEME, _SECURE = "sentinel", "sentinels"
#: The TLS files that an address may name, as in `rediss://`; certificates are always verified.
_FILES = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_PORT = 26379


def is_sentinel_address(url: str) -> bool:
    """Return whether `url` names a Redis behind Sentinels."""
    return url.startswith((f"{SCHEME}:", f"{_SECURE}:"))


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """The addresses of the Sentinels, and the service they watch; the credentials are those of Redis itself."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None = field(repr=False)
    sentinel_password: str | None = field(repr=False)
    #: The TLS options for the Sentinels and Redis, by redis-py's names; None: no TLS.
    tls: dict[str, str] | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse the address; raise a ValueError that does not show it."""
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        service = unquote(parts.path.strip("/"))
        tls = parts.scheme == _SECURE
        allowed = {"db", "sentinel_password"} | (_FILES if tls else set())
        if not is_sentinel_address(url) or not service or "/" in service or query.keys() - allowed:
            raise ValueError("not the address of a service behind Sentinels")
        sentinels = [urlsplit(f"//{host}") for host in hosts]
        if not all(sentinel.hostname for sentinel in sentinels):
            raise ValueError("a Sentinel has no name")
        return cls(
            tuple((str(sentinel.hostname), sentinel.port or _PORT) for sentinel in sentinels),
            service,
            int(query.get("db", ["0"])[0]),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            query.get("sentinel_password", [None])[0],
            {"ssl_cert_reqs": "required"} | {name: query[name][0] for name in _FILES & query.keys()} if tls else None,
        )

    def sentinel_options(self) -> dict[str, Any]:
        """Return redis-py's options for a connection to a Sentinel, without its address."""
        return {"password": self.sentinel_password} | ({} if self.tls is None else {"ssl": True, **self.tls})

    def client(self, kind: type[Redis], **options: Any) -> Redis:
        """Return a client of the current master; each new connection asks the Sentinels for it again."""
        shared = {name: value for name, value in options.items() if name.startswith("socket_")}
        # Without repetition: redis-py asks the next Sentinel instead.
        shared |= {"retry": Retry(NoBackoff(), 0)}
        sentinel = Sentinel(self.sentinels, sentinel_kwargs=shared | self.sentinel_options())  # type: ignore[no-untyped-call]
        own: dict[str, Any] = {"db": self.db, "username": self.username, "password": self.password}
        own |= {} if self.tls is None else {"ssl": True, **self.tls}
        made: Redis = sentinel.master_for(self.service, redis_class=kind, **own, **options)  # type: ignore[no-untyped-call]
        return made
