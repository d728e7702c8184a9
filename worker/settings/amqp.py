"""The address of RabbitMQ, parsed once: `amqp://user:password@host:5672/vhost`, or `amqps://` over TLS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote, unquote

from worker.store.redis.address import AddressError, host_of, in_url, parameters, split

_FILES: Final = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}
#: The schemes, their ports, and the parameters that an address of each may have after the "?".
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_PARAMETERS: Final[dict[str, tuple[str, ...]]] = {"amqp": (), "amqps": tuple(_FILES)}
_EXAMPLES: Final = (
    "Write amqp://host:5672/vhost, or amqps:// for TLS; leave it out, and the broker is the Redis of redis.url."
)


def is_amqp_address(url: str) -> bool:
    """Return whether `url` names a RabbitMQ."""
    return url.strip().partition(":")[0].lower() in _PORTS


@dataclass(frozen=True, slots=True)
class AmqpAddress:
    """One RabbitMQ, and how to log in to it."""

    scheme: str
    host: str
    port: int
    vhost: str
    username: str | None
    password: str | None = field(repr=False)
    #: The options of a TLS connection, by py-amqp's names.
    tls: dict[str, Any] | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse the address. Raise AddressError, whose text does not contain it."""
        parts = split(url, _PORTS, _EXAMPLES)
        given = parameters(parts, _PARAMETERS[parts.scheme])
        hosts = parts.netloc.rpartition("@")[2]
        if "," in hosts:
            raise AddressError("names several servers", "Name one: a node, or the load balancer in front of them.")
        host, port = host_of(hosts, _PORTS[parts.scheme])
        tls = None
        if parts.scheme == "amqps":
            # Without the name, py-amqp accepts a certificate of any host.
            tls = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host}
            tls |= {_FILES[name]: value for name, value in given.items()}
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.scheme, host, port, unquote(parts.path[1:]) or "/", username, password, tls)

    @property
    def has_password(self) -> bool:
        """Return whether the address contains a secret."""
        return bool(self.password)

    def celery(self) -> dict[str, Any]:
        """Return Celery's settings for this RabbitMQ as the broker."""
        user = quote(self.username or "", safe="")
        own = f"{user}:{quote(self.password or '', safe='')}@" if self.username or self.password else ""
        url = f"{self.scheme}://{own}{in_url(self.host)}:{self.port}/{quote(self.vhost, safe='')}"
        return {"broker_url": url} | ({} if self.tls is None else {"broker_use_ssl": self.tls})
