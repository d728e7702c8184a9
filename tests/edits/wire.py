"""The way from an adapter to a simulated system in the same process: the real client, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from support.raw_answer import RawAnswer
from worker.http.call import CALL
from worker.http.client import Client
from worker.http.connection import Connections
from worker.http.gates import Open
from worker.lab.sandbox.system import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.lab.sandbox.system import System


class Killed(BaseException):
    """The process dies here: nothing after this call is done, not even the settling."""


class Wire:
    """Replaces the connections of a client.

    `faults` maps the number of a call from now on to its fault: "refused" (nothing is sent), "lost" (it is done, and
    the response is lost), "dead" and "dying" (the process dies before it, or after it is done).
    """

    ERRORS = Connections.ERRORS
    content_of = staticmethod(Connections.content_of)
    refusal_of: Any = Connections.refusal_of

    def __init__(self, system: System[Any], account: str) -> None:
        self.url = f"http://simulated/{system.name}/{account}"
        self._system, self._account = system, account
        self.faults: dict[int, str] = {}
        self.calls = 0

    def client(self) -> Client:
        """Return a client that calls the system by this wire."""
        client = Client(self.url, gate=Open(), headers={})
        client._connections = self  # type: ignore[assignment]  # the one seam below the client
        return client

    def plan(self, faults: dict[int, str]) -> None:
        """Count the calls anew, with these faults."""
        self.faults, self.calls = faults, 0

    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> RawAnswer:
        """Do the call at once."""
        fault, self.calls = self.faults.get(self.calls, ""), self.calls + 1
        if fault == "dead":
            raise Killed
        if fault == "refused":
            raise ConnectionRefusedError
        CALL.get().begin()  # as the connection does before the first byte
        response = self._respond(method, path, body, headers)
        if fault == "dying":
            raise Killed
        if fault == "lost":
            raise ConnectionResetError
        answered = {"Content-Type": response.content_type, **(response.headers or {})}
        return RawAnswer(response.status, answered, response.body)

    def _respond(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        url = urlsplit(path)
        parts = tuple(map(unquote, url.path.strip("/").split("/")))
        op, _, _ = self._system.route(method, parts)
        call = Call(method, self._account, parts, url.query, headers, body or b"", self.url)
        return self._system.respond(call, op)

    def close(self) -> None:
        """Close nothing."""
