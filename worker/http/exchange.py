"""One connection, which obeys the call that it serves: its deadline and its check before sending."""

from __future__ import annotations

import io
import select
import socket
from http.client import HTTPResponse, RemoteDisconnected
from typing import TYPE_CHECKING, Any, Final, cast

from urllib3 import HTTPHeaderDict
from urllib3 import HTTPResponse as Response
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from worker.http.call import CALL
from worker.http.whole import Whole, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import ReadableBuffer, WriteableBuffer

#: The most bytes to receive at once, and the most pieces of a response that is read at once (see `whole.py`).
_PIECE: Final = 65_536
_PIECES: Final = 8
#: Seconds after which a connection that waited is checked again; the pool has checked it right before.
_MOMENT: Final = 0.001


class _DeadlineReader(io.RawIOBase):
    """The receiving side of a socket. The timeout of a socket alone would restart with every byte that arrives.

    `arrived` was received before.
    """

    def __init__(self, sock: socket.socket, arrived: bytes) -> None:
        self._sock, self._arrived = sock, arrived
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._arrived:
            view = memoryview(buffer)
            part, self._arrived = self._arrived[: len(view)], self._arrived[len(view) :]
            view[: len(part)] = part
            return len(part)
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

    def __init__(self, sock: socket.socket, arrived: bytes) -> None:
        self._sock, self._arrived = sock, arrived

    def makefile(self, _mode: str) -> _Lines:
        return _Lines(_DeadlineReader(self._sock, self._arrived))


class _Response(HTTPResponse):
    """A response that `http.client` reads, also that of a proxy to CONNECT. `arrived` is what was received of it."""

    def __init__(self, sock: socket.socket, *args: Any, arrived: bytes = b"", **kwargs: Any) -> None:
        super().__init__(_ReadableSocket(sock, arrived), *args, **kwargs)  # type: ignore[arg-type]  # HTTPResponse only calls makefile

    def begin(self) -> None:
        super().begin()
        if isinstance(self.fp, _Lines):
            self.fp.heading = False


class _Connection(HTTPConnection):
    response_class = _Response
    #: The pool that a response returns the connection to, once it has been read.
    pool: HTTPConnectionPool | None = None
    #: Whether a request was sent over the socket, and its method.
    _used, _verb = False, ""
    #: What shows whether the socket can be read, for the file descriptor that it was made for.
    _readable: tuple[int | None, Any] = (None, None)

    @property
    def is_connected(self) -> bool:
        """Whether the other side has neither closed the connection nor sent anything: asked before each call."""
        if self.sock is None or not hasattr(select, "poll"):
            return super().is_connected
        descriptor = self.sock.fileno()
        if self._readable[0] != descriptor:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            self._readable = descriptor, poll
        return not self._readable[1].poll(0)

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

    def request(self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> None:  # type: ignore[override]
        """Send a request in one piece. `url` and `headers` hold only what HTTP can carry."""
        call = CALL.get()
        if call.depart() > _MOMENT and self._used and not self.is_connected:
            # Closed while the call waited. A write that is sent now would count as possibly done.
            # A new connection is not checked, because one with TLS can be read at once.
            raise RemoteDisconnected("closed while idle")
        self._used, self._verb = True, method
        lines = "".join([f"{name}: {value}\r\n" for name, value in (headers or {}).items()])
        head = f"{method} {url} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        call.begin()
        self.send(head + body if body else head)
        call.end_sending()

    def send(self, data: ReadableBuffer | Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(CALL.get().left())
        super().send(data)

    def getresponse(self) -> Any:
        """Return the response: read at once if it has the usual form, else as far as its head."""
        sock, arrived = cast("socket.socket", self.sock), b""
        for _ in range(_PIECES):
            sock.settimeout(CALL.get().left())
            piece = sock.recv(_PIECE)
            arrived += piece
            response = whole(arrived)
            if isinstance(response, Whole):
                return response
            if response != "more" or not piece:
                break
        raw = _Response(sock, arrived=arrived, method=self._verb)
        try:
            raw.begin()
        except BaseException:
            raw.close()
            raise
        if raw.will_close:
            self.close()  # the response keeps the socket open
        return Response(
            raw,
            HTTPHeaderDict(raw.msg.items()),
            raw.status,
            raw.version,
            preload_content=False,
            original_response=raw,
            connection=self,
            pool=self.pool,
            request_method=self._verb,
        )


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    """The connections to one address."""

    ConnectionCls: Any = _Connection


class TLSPool(HTTPSConnectionPool):
    """The connections to one address, with TLS."""

    ConnectionCls: Any = _TLSConnection
