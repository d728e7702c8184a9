"""Every route of Flower needs the password: enumerated from Flower's own router."""

from __future__ import annotations

import asyncio
import http.client
import threading
from base64 import b64encode
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from flower.options import options as flower_defaults
from flower.urls import handlers
from flower.urls import settings as flower_settings
from tornado.ioloop import IOLoop
from tornado.web import create_signed_value
from tornado.websocket import WebSocketHandler

from support.ports import free_port
from worker.app.flower_guard import GuardedFlower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., int]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PASSWORD = {"Authorization": f"Basic {b64encode(b'me:pw').decode()}"}
SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x" * 22 + "==",
}
SECRET = "s" * 32


def pattern_of(handler: Any) -> str:
    return str(handler.regex.pattern if hasattr(handler, "regex") else handler[0])


def routes() -> list[str]:
    """Return a path for each route of Flower."""
    paths = [pattern_of(handler).rstrip("$") for handler in handlers]
    return [
        path.replace("(.+)", "x").replace("(.*)", "css/flower.css").replace("/?", "").replace(".*", "/x")
        for path in paths
    ]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that serves Flower with these options, and returns its port."""
    stop: list[Callable[[], object]] = []

    def run(**chosen: Any) -> int:
        port, ready = free_port(), threading.Event()
        options = SimpleNamespace(**{**flower_defaults.as_dict(), **chosen, "port": port, "address": "127.0.0.1"})
        prefix = f"/{options.url_prefix}" if options.url_prefix else ""
        # As `flower.command.extract_settings` sets them.
        own = {"cookie_secret": SECRET, "login_url": f"{prefix}/login", "static_url_prefix": f"{prefix}/static/"}
        named = {**flower_settings, **own}

        async def serve() -> None:
            flower = GuardedFlower(capp=Celery(broker="memory://"), options=options, io_loop=IOLoop.current(), **named)
            flower.start_http_server()
            done = asyncio.Event()
            loop = asyncio.get_running_loop()
            stop.append(partial(loop.call_soon_threadsafe, done.set))
            ready.set()
            await done.wait()
            flower.server.stop()
            await flower.server.close_all_connections()
            flower.executor.shutdown()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        assert ready.wait(20)
        stop.append(partial(thread.join, 20))
        return port

    yield run
    for end in stop:
        end()


def ask(
    port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, bytes]:
    """Return the status and the body of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("prefix", ["", "ops/flower"])
def test_no_route_of_flower_answers_without_the_password(start: Start, prefix: str) -> None:
    port = start(basic_auth=["me:pw"], url_prefix=prefix)
    paths = {*routes(), *(f"/{prefix}{path}" for path in routes() if prefix)}
    assert len(paths) > 30
    for path in sorted(paths):
        for method in METHODS:
            status, body = ask(port, method, path)
            assert (status, body) == (401, b"" if method == "HEAD" else b"Access denied"), (method, path)
        assert ask(port, "GET", path, SOCKET)[0] == 401, path
    known = f"/{prefix}" if prefix else ""
    for path in ("/metrics", "/healthcheck", "/static/css/flower.css", "/workers", "/api/task/types"):
        assert ask(port, "GET", known + path, PASSWORD)[0] == 200, path
    assert ask(port, "OPTIONS", f"{known}/workers", PASSWORD)[0] == 204


def test_flower_has_no_websocket() -> None:
    classes = [handler.handler_class if hasattr(handler, "regex") else handler[1] for handler in handlers]
    assert not [each for each in classes if issubclass(each, WebSocketHandler)]


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic ", "Basic bWU6cHc", "Basic !!!", "Bearer bWU6cHc=", "Basic bWU6cA==", "Basic bWU6cHd4"]
    + [
        f"Basic {b64encode(secret).decode()}"
        for secret in (b"", b"me:", b":pw", b"me:pw\n", b"me:p\xc3\xa4", b"\xff:pw")
    ],
)
def test_what_is_not_the_password_is_refused(start: Start, header: str) -> None:
    port = start(basic_auth=["me:pw", "you:word"])
    assert ask(port, "GET", "/workers", {"Authorization": header}) == (401, b"Access denied")


def test_any_of_several_passwords_opens(start: Start) -> None:
    port = start(basic_auth=["me:pw", "you:wo,rd"])
    for secret in (b"me:pw", b"you:wo,rd"):
        assert ask(port, "GET", "/workers", {"Authorization": f"Basic {b64encode(secret).decode()}"})[0] == 200


def test_a_stranger_cannot_make_flower_hold_a_large_body(start: Start) -> None:
    port = start(basic_auth=["me:pw"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST", "/workers")
    connection.putheader("Content-Length", "50000000")
    connection.endheaders()
    assert connection.getresponse().status in {400, 413}
    connection.close()


def test_with_oauth_only_its_login_needs_no_session(start: Start) -> None:
    port = start(basic_auth=[], auth="me@example.com", auth_provider="flower.views.auth.GithubLoginHandler")
    for path in routes():
        if path == "/login":
            continue
        status, body = ask(port, "GET", path)
        assert (status, body) == (302, b""), path
        assert ask(port, "POST", path) == (401, b"Access denied"), path
    for user, status in (("me@example.com", 200), ("you@example.com", 302)):
        for secret, expected in ((SECRET, status), ("t" * 32, 302)):
            value = create_signed_value(secret, "user", user).decode()
            assert ask(port, "GET", "/workers", {"Cookie": f"user={value}"})[0] == expected
    assert ask(port, "GET", "/workers", {"Cookie": "user=me@example.com"})[0] == 302
