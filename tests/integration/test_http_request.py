"""The content and destination of requests, and what logs and errors show of them."""

from __future__ import annotations

import json
import logging
import traceback
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from support.http_calls import SECRET, Make, Serve, error_types, failure_of, read, read_and_write_failures, write
from support.http_server import reply
from worker.errors import IntakeError, Misdirected, Unavailable, Uncertain
from worker.http import dates as http_times

if TYPE_CHECKING:
    from pathlib import Path


def test_json_is_sent_and_read_without_rounding(serve: Serve, make: Make) -> None:
    server = serve(lambda request: reply(201, request.body))
    sent = {"price": Decimal("12.50"), "big": 10**20, "name": "Žižkov 日本", "none": None, "odd": "\ud800"}
    response = make(server.url).write("PATCH", "/orders/1", json=sent)
    assert server.requests[0].method == "PATCH"
    assert server.requests[0].headers["content-type"] == "application/json"
    assert b'"price":12.50' in server.requests[0].body
    assert json.loads(server.requests[0].body)["name"] == "Žižkov 日本"
    assert response.json() == {**sent, "odd": "\ufffd"}  # half of a surrogate pair
    assert str(response.json()["price"]) == "12.50"


def test_json_with_a_byte_order_mark_is_accepted(serve: Serve, make: Make) -> None:
    assert read(make(serve(lambda _: reply(body=b"\xef\xbb\xbf[1]")).url)).json() == [1]


@pytest.mark.parametrize("body", [b"<html>hunter2</html>", b"", b"[NaN]", b"\xff\xfe", b"[" * 100_000, b"9" * 5000])
def test_a_response_that_is_not_json_is_described_without_its_content(serve: Serve, make: Make, body: bytes) -> None:
    client = make(serve(lambda _: reply(200, body, content_type="text/html; charset=hunter2")).url)
    errors = [failure_of(read(client).json), failure_of(write(client).json)]
    assert error_types(errors) == [Unavailable, Uncertain]
    assert str(errors[0]) == f"GET /orders: status 200, text/html, {len(body)} bytes: not JSON"


def test_a_form_and_files_are_sent_as_they_are(serve: Serve, make: Make) -> None:
    server = serve()
    client = make(server.url)
    client.write("POST", "/a", form=[("order", '{"a":1}'), ("x[]", "é"), ("x[]", "\ud800")])
    client.write("POST", "/b", form=[("k", "v")], files=[("file", ("a.pdf", b"%PDF", "application/pdf"))])
    client.write("DELETE", "/c")
    form, files, nothing = server.requests
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form.body == b"order=%7B%22a%22%3A1%7D&x%5B%5D=%C3%A9&x%5B%5D=%3F"
    assert files.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n' in files.body
    assert b'name="k"\r\n\r\nv\r\n' in files.body
    assert (nothing.method, nothing.target, nothing.body) == ("DELETE", "/c", b"")


def test_params_and_headers_arrive(serve: Serve, make: Make) -> None:
    server = serve()
    client = make(f"{server.url}/api/v5/", headers={"X-Api-Key": "k", "accept": "text/x"})
    client.read("orders/é x", [("ids[]", "1"), ("ids[]", "a b"), ("odd", "\ud800")], headers={"x-api-key": "other"})
    request = server.requests[0]
    assert request.target == "/api/v5/orders/%C3%A9%20x?ids%5B%5D=1&ids%5B%5D=a+b&odd=%3F"
    assert request.headers["x-api-key"] == "other"
    assert request.headers["accept"] == "text/x"
    assert request.headers["user-agent"].startswith("intake/")


@pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\r\nX: y", f"{SECRET}\u20ac", f" {SECRET}"])
def test_a_header_that_http_cannot_carry_is_refused_without_its_value(make: Make, value: str) -> None:
    with pytest.raises(ValueError, match="'X-Api-Key' holds") as caught:
        make("http://127.0.0.1", headers={"X-Api-Key": value})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    ["shop.example", "ftp://shop.example", f"https://u:{SECRET}@shop.example", f"https://a.example/?k={SECRET}", ""],
)
def test_an_invalid_base_url_is_refused_without_showing_it(make: Make, url: str) -> None:
    with pytest.raises(ValueError, match="the base URL is not") as caught:
        make(url)
    assert SECRET not in str(caught.value)


def test_no_path_leads_to_another_host(serve: Serve, make: Make) -> None:
    server = serve()
    client = make(server.url)
    for path in ("@evil.example/", "//evil.example/", "http://evil.example/"):
        client.read(path)
    assert [request.headers["host"] for request in server.requests] == [f"127.0.0.1:{server.port}"] * 3


def test_a_redirect_is_not_followed(serve: Serve, make: Make) -> None:
    other = serve()
    server = serve(lambda _: reply(302, location=other.url))
    assert error_types(read_and_write_failures(make(server.url))) == [Misdirected, Misdirected]
    assert len(server.requests) == 2
    assert other.requests == []


def test_cookies_are_not_kept_and_netrc_is_not_read(
    serve: Serve, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password you\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(lambda _: reply(set_cookie="a=b"))
    client = make(server.url)
    client.read("/")
    client.write("POST", "/")
    for request in server.requests:
        assert {"authorization", "cookie"}.isdisjoint(request.headers)


def test_no_secret_is_logged_even_at_the_lowest_level(
    serve: Serve, make: Make, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    strange = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n hunter2\r\nNo colon hunter2\r\n\r\n{}"
    answers = iter([[strange], [b"HTTP/1.1 500 hunter2\r\nX: hunter2\r\nContent-Length: 7\r\n\r\nhunter2"], []] * 2)
    client = make(serve(lambda _: next(answers)).url)
    for call in (read, write):
        for _ in range(3):
            with suppress(IntakeError):
                call(client)
    logging.getLogger("intake").debug("the log works")
    assert "the log works" in caplog.text
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


def test_the_repr_of_an_answer_and_a_client_hides_their_content(serve: Serve, make: Make) -> None:
    client = make(serve(lambda _: reply(200, b'"hunter2"', x_token="hunter2")).url)
    answer = client.read("/orders", [("apiKey", SECRET)])
    assert repr(answer) == "Answer(status=200, request='GET /orders')"
    assert answer.headers["X-TOKEN"] == SECRET
    assert SECRET not in repr(client)


def test_a_query_inside_the_path_is_not_shown(serve: Serve, make: Make) -> None:
    client = make(serve(lambda _: reply(400)).url)
    assert str(failure_of(lambda: client.read(f"/orders?apiKey={SECRET}"))) == "GET /orders: status 400"


def test_the_longest_wait_is_an_hour() -> None:
    assert http_times.LONGEST_WAIT == 3600
