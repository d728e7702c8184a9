"""An HTTP connection that fails where a failpoint is armed."""

from __future__ import annotations

from typing import Any

from worker.failpoints import Failpoints, armed_failpoints


def arm(pool: Any) -> None:
    """If a failpoint is armed, make the connections of this pool (of urllib3) fire the points around each effect."""
    if points := armed_failpoints():
        pool.ConnectionCls = _failing_class(pool.ConnectionCls, points)


def _failing_class(kind: Any, points: Failpoints) -> Any:
    class FailingConnection(kind):  # type: ignore[misc]  # either of the two connection classes
        _unsent = ""
        _last_call: Any = None

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            self._last_call = ("http:read" if method == "GET" else "http:write", (method, url, *args), kwargs)
            self._unsent = self._last_call[0]
            super().request(method, url, *args, **kwargs)
            if points.fire(f"{self._last_call[0]}:sent", url) == "lost":
                raise ConnectionResetError("failpoint")

        def send(self, data: Any) -> None:
            """Send bytes. The first bytes of a request are sent right after the check of the lease."""
            point, self._unsent = self._unsent, ""
            if point and self.sock is not None and points.fire(f"{point}:before", self._last_call[1][1]):
                raise ConnectionResetError("failpoint")
            super().send(data)

        def getresponse(self) -> Any:
            response = super().getresponse()
            point, args, kwargs = self._last_call
            fault = points.fire(f"{point}:after", args[1])
            if fault == "lost":
                raise ConnectionResetError("failpoint")
            if fault == "repeat":
                # Repeat the request as some proxies do: the caller sees the second response.
                response.read(decode_content=False)
                super().request(*args, **kwargs)
                response = super().getresponse()
            return response

    return FailingConnection
