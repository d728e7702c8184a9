"""The connections to one scheme, host and port, with the proxies and certificates that the environment names."""

from __future__ import annotations

import errno
import os
import re
import socket
from contextlib import suppress
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urlsplit

from requests import PreparedRequest, RequestException
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util.ssl_ import create_urllib3_context

from worker.errors import ConfigError
from worker.http.call import OversizedError
from worker.http.exchange import Pool, TLSPool
from worker.http.failpoints import arm
from worker.http.whole import Whole
from worker.process.renewal import renew_by

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_POOLS: Final = {"http": Pool, "https": TLSPool}
#: What a request line can hold unchanged.
_TARGET: Final = re.compile(r"[A-Za-z0-9!$%&'()*+,/:;=?@~._-]*")
_SAFE: Final = "!$%&'()*+,/:;=?@~"
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
#: The errors of a server that closes the connection before it has read the whole request: it may have responded.
_CLOSED_EARLY: Final = frozenset({errno.EPIPE, errno.ECONNRESET})


def _tls_context() -> ssl.SSLContext:
    """Return the one TLS context of this process for the CA bundle that the environment names.

    A context holds all certificates of the bundle: one for each account would cost a megabyte and 20 ms each.
    """
    return _load(os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH)


@cache
def _load(bundle: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    try:
        context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    except OSError as error:
        raise ConfigError(
            "the environment", "REQUESTS_CA_BUNDLE", f"cannot be read ({error.strerror})", "Name a PEM file"
        ) from None
    return context


renew_by(_load.cache_clear)


#: Idle connections to keep: more than there are threads, so that no thread reconnects for each call.
_IDLE_CONNECTIONS = 64


#: Bytes to keep of a body that is larger than it may be: enough to recognize its first record.
_BEGINNING: Final = 64 * 1024
#: Bytes to read of a refusal: enough for its field errors, and to reuse the connection.
_MOST_OF_REFUSAL: Final = 64 * 1024


class Connections(HTTPAdapter):
    """The connections to one scheme, host and port, kept open between calls.

    What `requests` and urllib3 do for each call, because it may have any address, is done once, here.

    Proxies (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) and the CA bundle (`REQUESTS_CA_BUNDLE`,
    `CURL_CA_BUNDLE`) are read from the environment once, here. Cookies and `.netrc` are ignored.

    Args:
        url: `https://host[:port][/path]`, without user, query or fragment. Otherwise a ValueError, which does not show
            the URL, is raised.
        unheard: Seconds after which Linux discards unacknowledged bytes (RFC 5482). Otherwise it would resend them for
            minutes after the call has ended: a request could arrive that another worker has repeated meanwhile.
    """

    #: The errors of `exchange` and `content_of`.
    ERRORS: Final = (OSError, HTTPError)

    def __init__(self, url: str, unheard: float = 5.0) -> None:
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        own = [(socket.IPPROTO_TCP, option, round(unheard * 1000))] if option else []
        self._options = [*HTTPConnection.default_socket_options, *own]
        super().__init__(pool_maxsize=_IDLE_CONNECTIONS)
        probe = PreparedRequest()
        try:
            probe.prepare_url(url, None)
        except RequestException:
            probe.url = ""
        self.url = str(probe.url).rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in _POOLS or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("the base URL is not http(s)://host[:port][/path]")
        proxies = get_environ_proxies(self.url)
        proxy = select_proxy(self.url, proxies) or ""
        if proxy.lower().startswith("socks"):
            raise ConfigError("the environment", "HTTPS_PROXY", "a SOCKS proxy cannot be used", "Name an HTTP proxy")
        #: The request line holds the whole URL for a plain HTTP proxy, and only the path otherwise.
        self._base = self.url if proxy and parts.scheme == "http" else parts.path
        self._tunnels = bool(proxy) and parts.scheme == "https"
        self._headers = {"Host": parts.netloc.removesuffix(_DEFAULT_PORTS[parts.scheme])}
        try:
            pool: Any = cast("Any", self.get_connection_with_tls_context(probe, verify=True, proxies=proxies))
        except (RequestException, HTTPError):
            raise ConfigError(
                "the environment", "HTTPS_PROXY", "is not the URL of a proxy", "Write http://host:port"
            ) from None
        self._pool = pool
        if proxy and not self._tunnels:
            self._headers |= self._pool.proxy_headers
        arm(self._pool)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make direct connections obey the active call."""
        super().init_poolmanager(*args, socket_options=self._options, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make connections through a proxy obey the active call."""
        context = _tls_context() if proxy.lower().startswith("https:") else None
        options = {"proxy_ssl_context": context, "socket_options": self._options}
        manager = super().proxy_manager_for(proxy, **options, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(self, request: PreparedRequest, *_: Any, **__: Any) -> Any:
        """Return the key of the pool, with the TLS context of this process."""
        host, _options = super().build_connection_pool_key_attributes(request, verify=True)
        return host, {"ssl_context": _tls_context()} if host["scheme"] == "https" else {}

    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        """Send a request for `path`, below the base URL; return the response as soon as its head was read.

        Its body is read by `content_of`. Raise OSError or HTTPError.
        """
        target = f"{self._base}{path}"
        if not _TARGET.fullmatch(target):
            target = quote(target, safe=_SAFE)
        pool = self._pool
        connection = pool._get_conn()  # noqa: SLF001  # what `urlopen` does, without what it does for any address
        connection.pool = pool
        try:
            if connection.is_closed:
                pool._prepare_proxy(connection) if self._tunnels else connection.connect()  # noqa: SLF001  # as above
            try:
                connection.request(method, target, body, {**self._headers, **headers})
            except OSError as error:
                if error.errno not in _CLOSED_EARLY:
                    raise
            response = connection.getresponse()
        except HTTPException as error:
            self._discard(connection)
            raise ProtocolError(type(error).__name__, error) from None
        except BaseException:
            self._discard(connection)
            raise
        if isinstance(response, Whole):
            if not response.keeps_connection:
                connection.close()
            pool._put_conn(connection)  # noqa: SLF001  # as above
        return response

    def _discard(self, connection: Any) -> None:
        """Close a connection; its place in the pool stays."""
        connection.close()
        self._pool._put_conn(None)  # noqa: SLF001  # as in `exchange`

    @staticmethod
    def content_of(raw: Any, limit: int) -> bytes:
        """Return the whole decompressed body; if it exceeds `limit`, close the connection and raise OversizedError."""
        content: bytes = b""
        if (raw.length_remaining or 0) <= limit:
            content = raw.read(limit + 1, decode_content=True)
            if len(content) <= limit:
                raw.release_conn()
                return content
        with suppress(OSError, HTTPError):
            content = content[:_BEGINNING] or raw.read(_BEGINNING, decode_content=True)
        raw.close()
        raw.release_conn()
        raise OversizedError(content)

    def refusal_of(self, raw: Any) -> bytes:
        """Return the body of a refusal; an empty one if it is lost or too large."""
        with suppress(OSError, HTTPError, ValueError):
            return self.content_of(raw, _MOST_OF_REFUSAL)
        return b""

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
