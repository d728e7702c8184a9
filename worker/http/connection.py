"""The connections to one origin, which know the call they serve: when its time is up, and when it begins to leave."""

from __future__ import annotations

import io
import os
import socket
import time
from contextvars import ContextVar
from functools import cached_property
from http.client import HTTPResponse, RemoteDisconnected
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from worker.errors import ConfigError
from worker.http.failpoints import arm

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from contextvars import Token

    from _typeshed import ReadableBuffer, WriteableBuffer


class Call:
    """One call, while it is active (`with`) in this thread.

    Args:
        seconds: How long it may take, from now to the last byte of the answer.
        before_sending: Called once the connection stands, right before the first byte; what it raises stops the call.
    """

    __slots__ = ("_before_sending", "_end", "_token", "began")

    def __init__(self, seconds: float, before_sending: Callable[[], None] | None = None) -> None:
        self._end = time.monotonic() + seconds
        self._before_sending = before_sending
        #: Whether a byte of the request can have reached the other side.
        self.began = False

    def __enter__(self) -> Self:
        self._token: Token[Call] = _CALL.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _CALL.reset(self._token)

    def left(self) -> float:
        """Seconds left, more than 0; raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def begin(self) -> None:
        """The next thing is the first byte."""
        if self._before_sending is not None:
            self._before_sending()
        self.left()
        self.began = True


_CALL: Final[ContextVar[Call]] = ContextVar("call")


class _Reading(io.RawIOBase):
    """The receiving side of a socket; a timeout of the socket alone would begin anew with every byte that drips in."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(_CALL.get().left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the connections."""
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    """`http.client` takes headers that break off for headers that end: a lost answer would look like an empty one."""

    heading = True

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if self.heading and not line.endswith(b"\n") and len(line) < (size or 0):
            raise RemoteDisconnected("the headers broke off")
        return line


class _Side:
    """What `http.client.HTTPResponse` wants of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> _Lines:
        return _Lines(_Reading(self._sock))


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Side(sock), *args, **kwargs)  # type: ignore[arg-type]  # it only calls makefile

    def begin(self) -> None:
        super().begin()
        if isinstance(self.fp, _Lines):
            self.fp.heading = False


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; one that is silent leaves time for the others.

        How long the name's resolution takes is the system's resolver's own: nothing can cut it short.
        """
        call = _CALL.get()
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        last: OSError | None = None
        for tried, (family, kind, protocol, _, address) in enumerate(found):
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(call.left() / (len(found) - tried))
                sock.connect(address)
                sock.settimeout(call.left())  # for the TLS handshake, which keeps it as one total
            except OSError as error:
                sock.close()
                last = error
            else:
                return sock
        raise NewConnectionError(self, "no address answered") from last

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        _CALL.get().begin()
        super().request(*args, **kwargs)

    def send(self, data: ReadableBuffer | Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(_CALL.get().left())
        super().send(data)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS: Final = {"http": _Pool, "https": _TLSPool}
#: Idle connections that are kept; more than there are threads, so that none of them connects anew for each call.
_KEPT = 64


class Connections(HTTPAdapter):
    """`requests`' adapter for one scheme, host and port; what it does at each call for any, this does once.

    Proxies (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) and the CA bundle (`REQUESTS_CA_BUNDLE`,
    `CURL_CA_BUNDLE`) are read from the environment here and never again. Cookies and `.netrc` are not looked at.

    Args:
        url: `https://host[:port][/path]`, without user, query or fragment; else ValueError, which does not show it.
        unheard: Seconds after which Linux throws away what nobody acknowledged (RFC 5482). It would send it again for
            minutes, the call long over: a request could arrive that somebody else has repeated meanwhile.
    """

    def __init__(self, url: str, unheard: float = 5.0) -> None:
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        own = [(socket.IPPROTO_TCP, option, round(unheard * 1000))] if option else []
        self._options = [*HTTPConnection.default_socket_options, *own]
        super().__init__(pool_maxsize=_KEPT)
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
        #: A plain proxy is told the whole URL, everybody else the path alone.
        self._cut = 0 if proxy and parts.scheme == "http" else len(f"{parts.scheme}://{parts.netloc}")
        try:
            self._pool: Any = super().get_connection_with_tls_context(probe, verify=True, proxies=proxies)
        except (RequestException, HTTPError):
            raise ConfigError(
                "the environment", "HTTPS_PROXY", "is not the URL of a proxy", "Write http://host:port"
            ) from None
        arm(self._pool)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """One context for all connections: to read the bundle takes longer than a call."""
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
        context = create_urllib3_context()
        try:
            context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
        except OSError as error:
            raise ConfigError(
                "the environment", "REQUESTS_CA_BUNDLE", f"cannot be read ({error.strerror})", "Name a PEM file"
            ) from None
        return context

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Direct connections obey the active call."""
        super().init_poolmanager(*args, socket_options=self._options, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Connections by a proxy obey the active call."""
        context = self._tls if proxy.lower().startswith("https:") else None
        options = {"proxy_ssl_context": context, "socket_options": self._options}
        manager = super().proxy_manager_for(proxy, **options, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(self, request: PreparedRequest, *_: Any, **__: Any) -> Any:
        """Where to, with the one TLS context."""
        host, _options = super().build_connection_pool_key_attributes(request, verify=True)
        return host, {"ssl_context": self._tls} if host["scheme"] == "https" else {}

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        """The one pool."""
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing: the context verifies."""

    def request_url(self, request: PreparedRequest, _proxies: Any) -> str:
        """What stands in the request line."""
        return str(request.url)[self._cut :]

    def build_response(self, _request: PreparedRequest, raw: Any) -> Response:
        """Keep urllib3's answer."""
        response = Response.__new__(Response)  # its __init__ makes a cookie jar, which costs more than all of the above
        response.raw = raw
        response.status_code = raw.status
        return response

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def content_of(raw: Any, limit: int) -> bytes | None:
    """The whole body, decompressed; None if it is larger than `limit` bytes, and then the connection is closed."""
    if (raw.length_remaining or 0) <= limit:
        content: bytes = raw.read(limit + 1, decode_content=True)
        if len(content) <= limit:
            raw.release_conn()
            return content
    raw.close()
    raw.release_conn()
    return None


_WORDS: Final[dict[type[BaseException], str]] = {
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "connection reset",
    socket.gaierror: "no address is known for this name",
}


def cause(error: BaseException) -> str:
    """What the innermost error is, in words or by its class; the errors around it know URLs."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        inner = getattr(error, "reason", None) or error.__cause__ or [None, *error.args][-1]
    return _WORDS.get(type(error), type(error).__name__)
