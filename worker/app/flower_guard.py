"""Flower behind its password: every route, also those that Flower itself leaves open."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any, Final

from flower.app import Flower
from flower.utils.authentication import authenticate
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import RequestHandler, decode_signed_value

#: Bytes of a request's body: Flower's own pages send a few hundred. Tornado would take 100 MB of each stranger.
_LARGEST: Final = 100_000
#: Seconds for a body to arrive, and of a connection without a request.
_BODY_TIMEOUT, _IDLE_TIMEOUT = 10.0, 120.0
#: Days that a login by OAuth is good for, as Flower sets its cookie.
_DAYS: Final = 30


class _Refusal(RequestHandler):
    """The answer to everybody without a password, whatever was asked for."""

    SUPPORTED_METHODS: Any = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")

    def check_xsrf_cookie(self) -> None:
        """Check nothing: nothing is done."""

    def prepare(self) -> None:
        """Ask for the password, or send a browser to the login of OAuth."""
        options: Any = self.application.options  # type: ignore[attr-defined]
        if not options.auth:
            self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        elif self.request.method == "GET":
            self.redirect(self.settings["login_url"])
            return
        self.set_status(401)
        self.finish("Access denied")


class GuardedFlower(Flower):  # type: ignore[misc]  # Flower has no types
    """Flower, whose routes are found only for a request with a password or a session.

    Flower checks in each handler, and leaves out its metrics, its files, OPTIONS and what it does not find.
    """

    def find_handler(self, request: Any, **options: Any) -> Any:
        """Return the handler of the request, or the one that refuses it."""
        if self._may_see(request):
            return super().find_handler(request, **options)
        return self.get_handler_delegate(request, _Refusal)

    def _may_see(self, request: Any) -> bool:
        if self.options.basic_auth and not self._knows_password(request.headers.get("Authorization", "")):
            return False
        if not self.options.auth:
            return bool(self.options.basic_auth)
        return bool(request.path == self.settings["login_url"] or self._has_session(request))

    def _knows_password(self, header: str) -> bool:
        scheme, _, credentials = header.partition(" ")
        try:
            given = b64decode(credentials.strip(), validate=True)
        except (NotBase64, ValueError):
            return False
        # Compared with each of them, so that the time does not tell which one it is.
        known = [hmac.compare_digest(entry.encode(), given) for entry in self.options.basic_auth]
        return scheme.lower() == "basic" and any(known)

    def _has_session(self, request: Any) -> bool:
        if "user" not in request.cookies:
            return False
        value = request.cookies["user"].value
        user = decode_signed_value(self.settings["cookie_secret"], "user", value, max_age_days=_DAYS)
        return user is not None and bool(authenticate(self.options.auth, user.decode()))

    def start_http_server(self) -> int | None:
        """Listen at the address of the options, or at a socket that only this user and group may open."""
        self.server = server = HTTPServer(
            self,
            ssl_options=self.ssl_options,
            xheaders=self.options.xheaders,
            max_body_size=_LARGEST,
            body_timeout=_BODY_TIMEOUT,
            idle_connection_timeout=_IDLE_TIMEOUT,
        )
        if self.options.unix_socket:
            server.add_socket(bind_unix_socket(self.options.unix_socket, mode=0o660))
            return None
        sockets = bind_sockets(self.options.port, address=self.options.address)
        server.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])
