"""The address of Redis, parsed once: every client, of the ledger, of Celery and of Flower, gets the values found here.

A server: `redis://user:password@host:6379/0`, `rediss://` over TLS, `unix:///run/redis.sock?db=0`. A Redis behind
Sentinels: `sentinel://user:password@host:26379,host2/service?db=0`, `sentinels://` over TLS to both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from redis import Redis, asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_USER: Final = frozenset({"db", "username", "password"})
_SENTINEL: Final = _USER | {"sentinel_username", "sentinel_password"}
_FILES: Final = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
#: The schemes, and the parameters that an address of each may have after the "?".
_PARAMETERS: Final = {
    "redis": _USER,
    "rediss": _USER | _FILES | {"ssl_cert_reqs", "ssl_check_hostname"},
    "unix": _USER,
    "sentinel": _SENTINEL,
    "sentinels": _SENTINEL | _FILES,
}
_SENTINELS: Final = frozenset({"sentinel", "sentinels"})
_TLS: Final = frozenset({"rediss", "sentinels"})
_CHOICES: Final = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}
_PORT, _SENTINEL_PORT = 6379, 26379
#: A host name, an IPv4 or an IPv6 address; with the characters that people's own networks add.
_HOST: Final = re.compile(r"[\w.:%-]+")
_PARAMETER: Final = re.compile(r"[a-z_]{2,40}")
_DATABASE: Final = re.compile(r"[0-9]{1,6}")
_EXAMPLES: Final = (
    "Write redis://localhost:6379/0, rediss:// for TLS, unix:///run/redis.sock?db=0, or "
    "sentinel://host:26379,host2:26379/service?db=0 (sentinels:// for TLS)."
)
_ENCODE: Final = "In a user or a password, write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %."
_OWN: Final = "Leave it out: timeouts, retries, pools and the protocol are Intake's own, the same in every process."


class AddressError(ValueError):
    """An address is refused. The reason and the remedy contain no part of its values."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def is_sentinel_address(url: str) -> bool:
    """Return whether `url` names a Redis behind Sentinels."""
    return url.strip().partition(":")[0].lower() in _SENTINELS


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis, and how to log in to it."""

    #: The server, or its Sentinels; none for a socket.
    hosts: tuple[tuple[str, int], ...]
    #: The path of a Unix socket.
    path: str | None
    #: The service that the Sentinels watch.
    service: str | None
    db: int
    username: str | None
    password: str | None = field(repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    #: The TLS options for Redis and the Sentinels, by redis-py's names; None: no TLS.
    tls: dict[str, Any] | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse the address. Raise AddressError, whose text does not contain it."""
        parts = split(url, _PARAMETERS.keys(), _EXAMPLES)
        given = parameters(parts, _PARAMETERS[parts.scheme])
        by_sentinels = parts.scheme in _SENTINELS
        service = path = None
        if by_sentinels:
            service = _service(parts)
        elif parts.scheme == "unix":
            path = _socket_path(parts)
        elif database := parts.path.strip("/"):
            _agree(given, "db", database, "the path")
        if not _DATABASE.fullmatch(given.get("db", "0")):
            raise AddressError("names a database that is not a number", "Write its number: redis://host:6379/0.")
        for name, value in (("username", parts.username), ("password", parts.password)):
            if value:
                _agree(given, name, unquote(value), "front of the host")
        return cls(
            hosts=() if path else tuple(_hosts(parts, several=by_sentinels)),
            path=path,
            service=service,
            db=int(given.get("db", "0")),
            username=given.get("username"),
            password=given.get("password"),
            sentinel_username=given.get("sentinel_username"),
            sentinel_password=given.get("sentinel_password"),
            tls=tls_options(given) if parts.scheme in _TLS else None,
        )

    @property
    def has_password(self) -> bool:
        """Return whether the address contains a secret."""
        return bool(self.password or self.sentinel_password)

    def connection(self) -> dict[str, Any]:
        """Return redis-py's options of a connection to Redis, without its place."""
        options = {"db": self.db, "username": self.username, "password": self.password}
        return options | ({} if self.tls is None else {"ssl": True, **self.tls})

    def sentinel_connection(self) -> dict[str, Any]:
        """Return redis-py's options of a connection to a Sentinel, without its place."""
        options = {"username": self.sentinel_username, "password": self.sentinel_password}
        return options | ({} if self.tls is None else {"ssl": True, **self.tls})

    def client(self, kind: type[Redis] = Redis, **options: Any) -> Redis:
        """Return a client; behind Sentinels, of the master: each new connection asks them for it again."""
        made: Redis = self._client(kind, Sentinel, options)
        return made

    def async_client(self, **options: Any) -> asyncio.Redis:
        """Return the same client for asyncio."""
        made: asyncio.Redis = self._client(asyncio.Redis, asyncio.Sentinel, options)
        return made

    def _client(self, kind: type[Any], sentinel: type[Any], options: dict[str, Any]) -> Any:
        if self.path:
            return kind(unix_socket_path=self.path, **self.connection(), **options)
        if self.service is None:
            ((host, port),) = self.hosts
            return kind(host=host, port=port, **self.connection(), **options)
        shared = {name: value for name, value in options.items() if name.startswith("socket_")}
        # Without repetition: redis-py asks the next Sentinel instead.
        shared |= {"retry": Retry(NoBackoff(), 0)}
        watchers = sentinel(self.hosts, sentinel_kwargs=shared | self.sentinel_connection())
        return watchers.master_for(self.service, redis_class=kind, **self.connection(), **options)

    def celery(self) -> dict[str, Any]:
        """Return Celery's settings for the same Redis: the URL in the form of Kombu, and what that cannot express."""
        user = quote(self.username or "", safe="")
        own = f"{user}:{quote(self.password or '', safe='')}@" if self.username or self.password else ""
        if self.path:
            return {"broker_url": f"redis+socket://{own}{quote(self.path)}?virtual_host={self.db}"}
        scheme = "sentinel" if self.service else "rediss" if self.tls else "redis"
        urls = [f"{scheme}://{own}{in_url(host)}:{port}/{self.db}" for host, port in self.hosts]
        settings: dict[str, Any] = {"broker_url": ";".join(urls)}
        if self.tls is not None:
            settings["broker_use_ssl"] = self.tls
        if self.service:
            options = {"master_name": self.service, "sentinel_kwargs": self.sentinel_connection()}
            settings["broker_transport_options"] = options
        return settings


def split(url: str, schemes: Iterable[str], examples: str) -> SplitResult:
    """Split a URL of one of the `schemes`. Raise AddressError for one that any parser could read in another way."""
    text = url.strip()
    scheme, colon, _ = text.partition("://")
    if not colon or scheme.lower() not in schemes:
        raise AddressError("is not an address that Intake can use", examples)
    if not text.isprintable() or " " in text:
        raise AddressError("contains a space or a line break", examples)
    # Several hosts: newer Pythons refuse an IPv6 address that is not the only one. `host_of` looks at each.
    hosts = re.split("[/?#]", text[len(scheme) + 3 :], maxsplit=1)[0]
    bare = hosts.translate({ord(bracket): None for bracket in "[]"})
    try:
        parts = urlsplit(text.replace(hosts, bare, 1) if hosts else text)._replace(netloc=hosts)
    except ValueError:
        raise AddressError("is not an address: its host cannot be read", _ENCODE) from None
    if hosts.count("[") != hosts.count("]"):
        raise AddressError("is not an address: its host cannot be read", _ENCODE)
    if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        raise AddressError("has an unencoded special character in the user or the password", _ENCODE)
    return parts


def parameters(parts: SplitResult, known: Collection[str]) -> dict[str, str]:
    """Return the parameters after the "?"."""
    try:
        pairs = parse_qsl(parts.query, strict_parsing=True) if parts.query else []
    except ValueError:
        raise AddressError(
            'has something after the "?" that is not a parameter', "Write NAME=VALUE&NAME=VALUE."
        ) from None
    given = dict(pairs)
    listed = f"Choose from: {', '.join(sorted(known)) or 'none'}."
    if len(given) < len(pairs):
        raise AddressError("has a parameter twice", "Write each once.")
    for name in given:
        if name not in known:
            shown = f"the parameter {name}" if _PARAMETER.fullmatch(name) else "a parameter"
            raise AddressError(f"has {shown}, which is not one of this address", f"{_OWN} {listed}")
    for name, choices in _CHOICES.items():
        if name in given and given[name] not in choices:
            raise AddressError(f"has an unknown value of {name}", f"Write {' or '.join(choices)}.")
    for name in sorted(_FILES & given.keys()):
        if not given[name].startswith("/"):
            raise AddressError(f"names no absolute path by {name}", "Write a path that begins with /.")
    if ("ssl_keyfile" in given) > ("ssl_certfile" in given):
        raise AddressError("names a key without its certificate", "Add ssl_certfile.")
    return given


def tls_options(given: Mapping[str, str]) -> dict[str, Any]:
    """Return redis-py's TLS options: the certificate is verified unless the address says otherwise."""
    required = given.get("ssl_cert_reqs", "required") == "required"
    return {
        "ssl_cert_reqs": "required" if required else "none",
        "ssl_check_hostname": required and given.get("ssl_check_hostname") != "false",
        **{name: given[name] for name in sorted(_FILES & given.keys())},
    }


def _agree(given: dict[str, str], name: str, value: str, place: str) -> None:
    """Add a value that stands in another place than after the "?"; refuse it if it stands there too, otherwise."""
    if given.setdefault(name, value) != value:
        raise AddressError(f'names two: one {name} in {place}, and another after the "?"', "Write it once.")


def _service(parts: SplitResult) -> str:
    service = unquote(parts.path.strip("/"))
    if not service or "/" in service:
        raise AddressError(
            "does not name the one service that the Sentinels watch",
            "Write it after the hosts, and the database after a ?: sentinel://host:26379/service?db=0.",
        )
    return service


def _socket_path(parts: SplitResult) -> str:
    if parts.netloc.rpartition("@")[2] or not parts.path.strip("/"):
        raise AddressError(
            "names no absolute path of a socket", "Write unix:///run/redis.sock?db=0, with three slashes."
        )
    return unquote(parts.path)


def _hosts(parts: SplitResult, *, several: bool) -> Iterator[tuple[str, int]]:
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if len(hosts) > 1 and not several:
        raise AddressError(
            "names several servers", "Name one Redis, or the Sentinels: sentinel://host,host2/service. No Cluster."
        )
    for host in hosts:
        yield host_of(host, _SENTINEL_PORT if several else _PORT)


def host_of(text: str, default: int) -> tuple[str, int]:
    """Return the host and the port in the text between "//" and "/"."""
    try:
        parts = urlsplit(f"//{text}")
        name, port = unquote(parts.hostname or ""), default if parts.port is None else parts.port
    except ValueError:
        raise AddressError("has a port that is not a number up to 65535", f"Write host:{default}. {_ENCODE}") from None
    if not _HOST.fullmatch(name) or not port:
        raise AddressError("names no host", f"Write the host, and the port if it is not {default}: host:{default}.")
    return name, port


def in_url(host: str) -> str:
    """Return the host as it stands in a URL."""
    return f"[{quote(host, safe=':')}]" if ":" in host else host
