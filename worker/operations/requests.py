"""Requests that would be sent: an adapter's write is stopped before it leaves, and shown with its secrets masked."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qsl, quote_plus

import simplejson
from pydantic import SecretStr

from worker.errors import LeaseLost, RateLimited
from worker.http.client import guard_writes, watch_requests
from worker.systems.bearer import renews_token, without_token
from worker.telemetry.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic import BaseModel

    from worker.http.client import Request

T = TypeVar("T")
#: Headers that are shown; the value of any other may be a secret.
_OPEN: Final = frozenset({"user-agent", "accept", "accept-encoding", "content-type", "content-length"})
_MASK: Final = "***"
#: Seconds to wait at most for a closed limit.
_PATIENCE: Final = 60.0


class NotSent(LeaseLost):
    """A write was stopped before it was sent. Like a lost lease, no adapter catches it."""


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """A request as it would be sent, its secrets masked; the body is personal data."""

    method: str
    url: str
    headers: dict[str, str]
    body: str = ""

    def lines(self) -> list[str]:
        """Return the request as lines of text; a form is shown field by field."""
        return [one_line(text) for text in self._lines()]

    def text(self) -> str:
        """Return the request as a person reads it: JSON with a value on each line."""
        if (form := self._form()) is not None:
            body = "\n".join(f"{name} = {_readable(value)}" for name, value in form)
        else:
            body = _readable(self.body.replace("\r\n", "\n"))
        head = "\n".join((f"{self.method} {self.url}", *(f"{name}: {text}" for name, text in self.headers.items())))
        return f"{head}\n\n{body}".rstrip()

    def _lines(self) -> list[str]:
        lines = [f"  {self.method} {self.url}", *(f"    {key}: {text}" for key, text in self.headers.items())]
        if (form := self._form()) is not None:
            return lines + [f"    {key} = {text}" for key, text in form]
        return lines + ([f"    {self.body}"] if self.body else [])

    def _form(self) -> list[tuple[str, str]] | None:
        """Return the fields of a form; None for any other body."""
        kind = next((text for name, text in self.headers.items() if name.lower() == "content-type"), "")
        return parse_qsl(self.body, keep_blank_values=True) if kind == "application/x-www-form-urlencoded" else None


class Previews:
    """Previews of the requests of accounts, whose options hold the secrets to mask."""

    def __init__(self, options: Iterable[BaseModel]) -> None:
        secrets = {secret for each in options for secret in _secrets(each)}
        self._secrets = sorted(secrets, key=len, reverse=True)

    def of(self, request: Request) -> RequestPreview:
        """Return the preview of a request."""
        headers = {name: text if name.lower() in _OPEN else _MASK for name, text in request.headers.items()}
        body = request.body.decode("utf-8", "replace")
        return RequestPreview(request.method, self._masked(request.url), headers, self._masked(body))

    def stopped_writes(
        self, name: str, write: Callable[[], object], *, patience: float = _PATIENCE
    ) -> list[RequestPreview]:
        """Return the requests that `write` would send first; it is stopped there, so later requests are unknown.

        Reads are sent to the account `name`, and requests for a token. Raise what `write` raises before it sends
        anything.
        """
        writes: list[RequestPreview] = []

        def note(request: Request) -> None:
            if request.method != "GET" and not renews_token():
                writes.append(self.of(request))
                stop()

        def stop() -> None:
            if not renews_token():
                raise NotSent(f"{name}: a preview sends nothing")

        try:
            with watch_requests(note), guard_writes(stop):
                wait_for_limit(write, patience)
        except NotSent:
            pass
        return writes

    def first_request(self, name: str, write: Callable[[], object]) -> RequestPreview | None:
        """Return the request that `write` would send first; nothing is sent, so that no credentials are needed."""
        first: list[RequestPreview] = []

        def note(request: Request) -> None:
            first.append(self.of(request))
            raise NotSent(f"{name}: a preview sends nothing")

        with suppress(NotSent), watch_requests(note), without_token():
            write()
        return first[0] if first else None

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK).replace(quote_plus(secret), _MASK)
        return text


def _readable(text: str) -> str:
    """Return JSON with a value on each line; any other text as it is."""
    try:
        value = simplejson.loads(text, use_decimal=True)
    except ValueError:
        return text
    return str(simplejson.dumps(value, indent=2, ensure_ascii=False, use_decimal=True))


def _secrets(options: BaseModel) -> Iterator[str]:
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def wait_for_limit(call: Callable[[], T], patience: float = _PATIENCE) -> T:
    """Return the result of `call`, repeated while a limit is closed, for at most `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            return call()
        except RateLimited as limited:
            if time.monotonic() + limited.delay > until:
                raise
            time.sleep(limited.delay)
