"""An HTTP connection that fails where a failpoint says so."""

from __future__ import annotations

from typing import Any

from worker.failpoints import Failpoints, armed_failpoints


def arm(pool: Any) -> None:
    """If something is armed, let the connections of this pool (urllib3's) ask before and after each effect."""
    if points := armed_failpoints():
        pool.ConnectionCls = _failing(pool.ConnectionCls, points)


def _failing(kind: Any, points: Failpoints) -> Any:
    class Failing(kind):  # type: ignore[misc]  # whichever of the two connections it is
        _first = ""
        _asked: Any = None

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            self._asked = ("http:read" if method == "GET" else "http:write", (method, url, *args), kwargs)
            self._first = self._asked[0]
            super().request(method, url, *args, **kwargs)
            if points.fire(f"{self._asked[0]}:sent", url) == "lost":
                raise ConnectionResetError("failpoint")

        def send(self, data: Any) -> None:
            """The first bytes of a request leave here, once its lease was looked at."""
            point, self._first = self._first, ""
            if point and self.sock is not None and points.fire(f"{point}:before", self._asked[1][1]):
                raise ConnectionResetError("failpoint")
            super().send(data)

        def getresponse(self) -> Any:
            response = super().getresponse()
            point, args, kwargs = self._asked
            fault = points.fire(f"{point}:after", args[1])
            if fault == "lost":
                raise ConnectionResetError("failpoint")
            if fault == "repeat":
                # As a proxy does that thinks it may: the caller sees the second answer.
                response.read(decode_content=False)
                super().request(*args, **kwargs)
                response = super().getresponse()
            return response

    return Failing
