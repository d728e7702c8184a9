"""Connections to one scheme, host and port that obey the call they serve: its deadline and its check before sending."""

from __future__ import annotations

import io
import os
import socket
from contextlib import suppress
from functools import cache
from http.client import HTTPResponse, RemoteDisconnected
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from worker.errors import ConfigError
from worker.http.call import CALL
from worker.http.failpoints import arm

if TYPE_CHECKING:
    import ssl

    from _typeshed import ReadableBuffer, WriteableBuffer


class _DeadlineReader(io.RawIOBase):
    """The receiving side of a socket. The timeout of a socket alone would restart with every byte that arrives."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(CALL.get().left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the receiving side."""
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    """A reader that detects interrupted headers: `http.client` alone would take a lost response for an empty one."""

    heading = True

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if self.heading and not line.endswith(b"\n") and len(line) < (size or 0):
            raise RemoteDisconnected("the headers broke off")
        return line


class _ReadableSocket:
    """The part of a socket that `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> _Lines:
        return _Lines(_DeadlineReader(self._sock))


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_ReadableSocket(sock), *args, **kwargs)  # type: ignore[arg-type]  # HTTPResponse only calls makefile

    def begin(self) -> None:
        super().begin()
        if isinstance(self.fp, _Lines):
            self.fp.heading = False


class _Connection(HTTPConnection):
    response_class = _Response
    #: Whether a request was sent over the socket.
    _used = False

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that responds. A silent address leaves time for the others.

        The resolver of the system decides how long resolving the name takes: nothing can interrupt it.
        """
        call, self._used = CALL.get(), False
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        last: OSError | None = None
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(call.left() / (len(addresses) - index))
                sock.connect(address)
                sock.settimeout(call.left())  # for the TLS handshake, which uses it as its total
            except OSError as error:
                sock.close()
                last = error
            else:
                return sock
        raise NewConnectionError(self, "no address answered") from last

    def request(self, *args: Any, **kwargs: Any) -> None:
        call = CALL.get()
        if self.sock is None:
            self.connect()
        call.depart()
        if self._used and not self.is_connected:
            # Closed while the call waited. A write that is sent now would count as possibly done.
            # A new connection is not checked, because one with TLS can be read at once.
            raise RemoteDisconnected("closed while idle")
        self._used = True
        call.begin()
        super().request(*args, **kwargs)
        call.end_sending()

    def send(self, data: ReadableBuffer | Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(CALL.get().left())
        super().send(data)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS: Final = {"http": _Pool, "https": _TLSPool}


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


#: Idle connections to keep: more than there are threads, so that no thread reconnects for each call.
_IDLE_CONNECTIONS = 64


class Connections(HTTPAdapter):
    """The adapter of `requests` for one scheme, host and port. It does once what `requests` does for each call.

    Proxies (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) and the CA bundle (`REQUESTS_CA_BUNDLE`,
    `CURL_CA_BUNDLE`) are read from the environment once, here. Cookies and `.netrc` are ignored.

    Args:
        url: `https://host[:port][/path]`, without user, query or fragment. Otherwise a ValueError, which does not show
            the URL, is raised.
        unheard: Seconds after which Linux discards unacknowledged bytes (RFC 5482). Otherwise it would resend them for
            minutes after the call has ended: a request could arrive that another worker has repeated meanwhile.
    """

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
        self._cut = 0 if proxy and parts.scheme == "http" else len(f"{parts.scheme}://{parts.netloc}")
        try:
            self._pool: Any = super().get_connection_with_tls_context(probe, verify=True, proxies=proxies)
        except (RequestException, HTTPError):
            raise ConfigError(
                "the environment", "HTTPS_PROXY", "is not the URL of a proxy", "Write http://host:port"
            ) from None
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

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        """Return the one pool."""
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Do nothing, because the TLS context verifies the certificate."""

    def request_url(self, request: PreparedRequest, _proxies: Any) -> str:
        """Return the target of the request line."""
        return str(request.url)[self._cut :]

    def build_response(self, _request: PreparedRequest, raw: Any) -> Response:
        """Wrap the response of urllib3."""
        response = Response.__new__(
            Response
        )  # its __init__ builds a cookie jar, which costs more than all of the above
        response.raw = raw
        response.status_code = raw.status
        return response

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


#: Bytes to keep of a body that is larger than it may be: enough to recognize its first record.
_BEGINNING: Final = 64 * 1024


class OversizedError(ValueError):
    """A body is larger than it may be; `beginning` is its first part."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__("a body is larger than it may be")
        self.beginning = beginning


def content_of(raw: Any, limit: int) -> bytes:
    """Return the whole decompressed body, or close the connection and raise OversizedError if it exceeds `limit`."""
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


_CAUSES: Final[dict[type[BaseException], str]] = {
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "connection reset",
    socket.gaierror: "no address is known for this name",
}


def cause(error: BaseException) -> str:
    """Return the innermost error as text or as the name of its class, because the errors around it hold URLs."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        inner = getattr(error, "reason", None) or error.__cause__ or [None, *error.args][-1]
    return _CAUSES.get(type(error), type(error).__name__)
