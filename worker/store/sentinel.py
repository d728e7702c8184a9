"""The address of a Redis that Sentinels watch over: `sentinel://user:password@host:26379,host2/service?db=0`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from redis.sentinel import Sentinel

if TYPE_CHECKING:
    from redis import Redis

SCHEME = "sentinel"
_PORT = 26379


@dataclass(frozen=True, slots=True)
class Watched:
    """Where the Sentinels are, and which service they watch; the credentials are those of Redis itself."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None = field(repr=False)
    sentinel_password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read the address; raises ValueError, which does not show it."""
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        service = unquote(parts.path.strip("/"))
        if parts.scheme != SCHEME or not service or "/" in service or query.keys() - {"db", "sentinel_password"}:
            raise ValueError("not the address of a service behind Sentinels")
        sentinels = [urlsplit(f"//{host}") for host in hosts]
        if not all(one.hostname for one in sentinels):
            raise ValueError("a Sentinel has no name")
        return cls(
            tuple((str(one.hostname), one.port or _PORT) for one in sentinels),
            service,
            int(query.get("db", ["0"])[0]),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            query.get("sentinel_password", [None])[0],
        )

    def client(self, kind: type[Redis], **options: Any) -> Redis:
        """A client of whatever server is the master; asked for anew with each connection."""
        alike = {name: value for name, value in options.items() if name.startswith("socket_")}
        watching = {**alike, "password": self.sentinel_password}
        sentinel = Sentinel(self.sentinels, sentinel_kwargs=watching)  # type: ignore[no-untyped-call]
        own = {"db": self.db, "username": self.username, "password": self.password}
        made: Redis = sentinel.master_for(self.service, redis_class=kind, **own, **options)  # type: ignore[no-untyped-call]
        return made
