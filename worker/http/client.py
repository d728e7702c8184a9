"""The HTTP client: every call ends within its deadline, with a response or an error of `worker/errors.py`."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from worker.errors import (
    AuthFailed,
    IntakeError,
    PermanentError,
    RateLimited,
    Rejected,
    TargetDown,
    Unavailable,
    Uncertain,
)
from worker.http.call import Call, OversizedError
from worker.http.dates import parse_date, retry_after
from worker.http.paths import refuse_resolved
from worker.http.refusals import ELSEWHERE, cause, field_errors, is_foreign, misdirected
from worker.http.task_time import check_time
from worker.http.waiting import WAITING
from worker.jsontext.cutting import cut
from worker.jsontext.decoding import decode
from worker.jsontext.encoding import ascii_json
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from worker.http.connection import Connections
    from worker.http.gates import Gate
    from worker.telemetry.spans import Span

    #: (field, (file name, content, content type))
    Files = Sequence[tuple[str, tuple[str, bytes, str]]]

# urllib3 logs whole URLs, and a query may hold a key. The errors raised here cover what it logs below this level.
logging.getLogger("urllib3").setLevel(logging.ERROR)

#: Bytes to keep of a response that is not JSON.
_KEPT: Final = 64 * 1024
#: HTTP statuses, or the first status of a class.
_SUCCESS: Final = 200
_REDIRECT: Final = 300
_SEE_OTHER: Final = 303
_CLIENT_ERROR: Final = 400
_UNAUTHORIZED: Final = 401
_TIMED_OUT: Final = 408
_SERVER_ERROR: Final = 500
_DOWN: Final = 503
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"(?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_NO_STATUS: Final[frozenset[int]] = frozenset()
_GUARD: Final[ContextVar[Callable[[], None] | None]] = ContextVar("guard", default=None)
_WATCHER: Final[ContextVar[Callable[[Request], None] | None]] = ContextVar("witness", default=None)


class TooLarge(PermanentError):
    """The response to a read is larger than `max_bytes`; `text` is its beginning, which may hold personal data."""

    code = "too_large"
    #: What an operator can do.
    remedy = "Ask for fewer records per page, or raise the setting max_bytes"

    def __init__(self, message: str, *, text: str = "") -> None:
        super().__init__(message)
        self.text = text


@contextmanager
def guard_writes(check: Callable[[], None]) -> Iterator[None]:
    """Run `check` right before each write of this thread is sent. An error of `check` (LeaseLost) stops the write."""
    token = _GUARD.set(check)
    try:
        yield
    finally:
        _GUARD.reset(token)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is about to be sent, byte for byte, including its secrets and personal data."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@contextmanager
def watch_requests(see: Callable[[Request], None]) -> Iterator[None]:
    """Pass each request of this thread to `see` before anything else happens. An error of `see` stops the call."""
    token = _WATCHER.set(see)
    try:
        yield
    finally:
        _WATCHER.reset(token)


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a call. `headers` ignore case, `body` is decompressed, `request` is the method and the path."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    request: str = "GET /"

    @property
    def now(self) -> datetime | None:
        """Return the latest time that their clock can show: the header `Date`, plus the second it is cut off to."""
        date = parse_date(self.headers.get("Date", ""))
        return date and date + timedelta(seconds=1)

    def json(self, records: str | None = None, only: type | None = None) -> Any:
        """Return the JSON body, with Decimal for fractions.

        `only` is a TypedDict that names what is wanted: the rest may be left out, which is faster.

        `records` is the key of the list of records in the body, "" if the body is that list: a body that is not JSON
        is cut into them (see `worker/jsontext/cutting.py`), so that one bad record does not hide the others.

        Raise Unavailable for a read, and Uncertain for a write, if the body is not JSON.
        """
        with suppress(ValueError):
            return decode(self.body, only)
        if records is not None and (document := cut(self.body, records)) is not None:
            return document
        kind = self.headers.get("Content-Type", "no content type").partition(";")[0][:64]
        message = f"{self.request}: status {self.status}, {kind}, {len(self.body)} bytes: not JSON"
        if _is_write(self.request):
            raise Uncertain(message) from None
        raise Unavailable(message, text=self.body[:_KEPT].decode("utf-8", "replace"), answered=True) from None


def _connect(url: str, unheard: float) -> Connections:
    """Return the connections to this URL. Commands that call nobody do not import what makes them."""
    from worker.http.connection import Connections

    return Connections(url, unheard)


@cache
def _agent() -> str:
    """Return the value of User-Agent; finding the version means reading files."""
    from importlib.metadata import version

    return f"intake/{version('intake-orders')}"


class Client:
    """A client for one account of one system. Any number of threads can share it.

    Args:
        base_url: The URL in front of every path.
        gate: The gate to enter before each call, and to pass once the connection is open. It is closed when the other
            side asks to slow down.
        headers: The headers of each call, such as the credentials.
        deadline: Most seconds for a whole call: connect, send, and read the response to its last byte. Waiting at the
            gate does not count, and a slow name server cannot be interrupted.
        max_bytes: The largest response body to accept, decompressed.
        throttle_statuses: The statuses by which this system asks to slow down.
        unheard: Seconds after which unacknowledged bytes are discarded (see `worker/http/connection.py`). This must be
            less than a lease, or the bytes could arrive after another drain has taken over.
        at_once: Whether to prepare the connections here, so that a wrong proxy is refused at once, or for the first
            call: a command that shows something makes none, and an installation has hundreds of accounts.
    """

    def __init__(  # noqa: PLR0913  # each is one fact about the account
        self,
        base_url: str,
        *,
        gate: Gate,
        headers: Mapping[str, str],
        deadline: float = 30.0,
        max_bytes: int = 32 * 2**20,
        throttle_statuses: frozenset[int] = frozenset({429}),
        unheard: float = 5.0,
        at_once: bool = True,
    ) -> None:
        self._base_url, self._unheard = base_url, unheard
        if at_once:
            _ = self._connections
        self._gate, self._deadline, self._max_bytes, self._throttle = gate, deadline, max_bytes, throttle_statuses
        self._own_headers = _merge_headers({}, headers)

    @cached_property
    def _headers(self) -> dict[str, str]:
        always = {"User-Agent": _agent(), "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        return _merge_headers(always, self._own_headers)

    @cached_property
    def _json_headers(self) -> dict[str, str]:
        return _merge_headers({"Content-Type": "application/json"}, self._headers)

    @cached_property
    def _connections(self) -> Connections:
        return _connect(self._base_url, self._unheard)

    def read(
        self,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        headers: Mapping[str, str] = _NONE,
        accept: frozenset[int] = _NO_STATUS,
    ) -> Answer:
        """GET `path` (quoted, without a query). Return the response if its status is 2xx or in `accept`.

        Raise OutOfTime, RateLimited, TargetDown, AuthFailed, Rejected or TooLarge; Misdirected for a redirect, for a
        status of `ELSEWHERE` and for the web page of a proxy, even if `accept` has its status; otherwise Unavailable.
        """
        query = f"?{urlencode(params, errors='replace')}" if params else ""
        return self._call("GET", path, query, None, _merge_headers(self._headers, headers), accept)

    def write(  # noqa: PLR0913  # the kinds of bodies
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Sequence[tuple[str, str]] | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] = _NONE,
        accept: frozenset[int] = _NO_STATUS,
    ) -> Answer:
        """POST, PUT, PATCH or DELETE `path`. The body is `json`, or `form` and `files`.

        Raise Unavailable only if nothing was sent, and Uncertain if the write may have happened; otherwise as `read`.
        """
        own = self._headers
        if files is not None:
            from urllib3.filepost import encode_multipart_formdata

            body, kind = encode_multipart_formdata([*(form or ()), *files])
            own = {**own, "Content-Type": kind}
        elif form is not None:
            body = urlencode(form, errors="replace").encode()
            own = {**own, "Content-Type": "application/x-www-form-urlencoded"}
        elif json is not None:
            body, own = ascii_json(json), self._json_headers
        else:
            body = b""
        own = _merge_headers(own, headers)
        return self._call(method, path, "", body, {**own, "Content-Length": str(len(body))}, accept)

    def beside(self, base_url: str) -> Client:
        """Return a client for another base URL of the same account, sharing gate and headers. Close it too."""
        other = copy(self)
        other._connections = _connect(base_url, self._unheard)  # noqa: SLF001  # another Client
        return other

    def close(self) -> None:
        """Close the connections."""
        if "_connections" in self.__dict__:
            self._connections.close()

    def _call(  # noqa: PLR0913, PLR0917  # one prepared request
        self, method: str, path: str, query: str, body: bytes | None, headers: dict[str, str], accept: frozenset[int]
    ) -> Answer:
        refuse_resolved(path.partition("?")[0])
        label, target = f"{method} {path.partition('?')[0]}", f"/{path.lstrip('/')}{query}"
        if (see := _WATCHER.get()) is not None:
            see(Request(method, f"{self._connections.url}{target}", headers, body or b""))
        check_time()
        with WAITING.get():
            self._gate.enter()
            with traces.call(method, path, self._connections.url) as span:
                return self._send(
                    label, accept, span, partial(self._connections.exchange, method, target, body, headers)
                )

    def _send(self, label: str, accept: frozenset[int], span: Span, exchange: Callable[[], Any]) -> Answer:
        with Call(self._deadline, self._gate.depart, _GUARD.get() if _is_write(label) else None) as call:
            try:
                raw = exchange()
                span.note_status(raw.status)
                good = _SUCCESS <= raw.status < _REDIRECT or raw.status in accept
                content = self._connections.content_of(raw, self._max_bytes) if good else None
            except OversizedError as error:
                failure = self._too_large(label, error.beginning)
            except self._connections.ERRORS as error:
                message = f"{label}: {cause(error)}, {'after sending began' if call.began else 'nothing was sent'}"
                failure = _unsettled(label, message) if call.began else Unavailable(message)
            else:
                if content is None:
                    failure = self._refusal(label, raw)
                elif raw.status != _UNAUTHORIZED and is_foreign(raw, content):
                    failure = misdirected(f"{label}: status {raw.status}")
                else:
                    return Answer(raw.status, raw.headers, content, label)
        raise failure from None  # outside of the except clause: no exception that holds the URL becomes its context

    def _too_large(self, label: str, beginning: bytes) -> IntakeError:
        message = f"{label}: the response is larger than {self._max_bytes} bytes"
        if _is_write(label):
            return Uncertain(message)
        return TooLarge(f"{message}. {TooLarge.remedy}", text=beginning.decode("utf-8", "replace"))

    def _refusal(self, label: str, raw: Any) -> IntakeError:
        """Return the error for a refusing response. Its status decides, unless it is the page of a proxy."""
        status, wait, message = raw.status, retry_after(raw.headers), f"{label}: status {raw.status}"
        try:
            if status in self._throttle:
                limited = RateLimited(message, self._gate.close(wait))
                limited.uncertain = _is_write(label) and status >= _SERVER_ERROR
                return limited
            if status == _DOWN or (status >= _SERVER_ERROR and wait is not None):
                down = TargetDown(message, self._gate.close(wait))
                down.uncertain = _is_write(label)
                return down
        finally:
            body = self._connections.refusal_of(raw)
        # 408 is no refusal: some proxies send it when either side took too long. 303 may follow a write that was done.
        undecided = {_TIMED_OUT, _SEE_OTHER} if _is_write(label) else {_TIMED_OUT}
        if not _REDIRECT <= status < _SERVER_ERROR or status in undecided:
            return Uncertain(message) if _is_write(label) else Unavailable(message, answered=True)
        if status < _CLIENT_ERROR or status in ELSEWHERE or is_foreign(raw, body):
            return misdirected(message)
        if status in {_UNAUTHORIZED, 403}:
            return AuthFailed(message)
        return Rejected(message, field_errors(body))


def _is_write(label: str) -> bool:
    return not label.startswith("GET ")


def _unsettled(label: str, message: str) -> IntakeError:
    return Uncertain(message) if _is_write(label) else Unavailable(message)


def _merge_headers(base: dict[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return `base` updated by `own`, ignoring case. Raise ValueError, which names no value, for an invalid header."""
    if not own:
        return base
    for name, value in own.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} holds what HTTP cannot carry")
    taken = {name.lower() for name in own}
    return {name: value for name, value in base.items() if name.lower() not in taken} | dict(own)
